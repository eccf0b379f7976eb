// GraphQL Yoga with graphql-ws as Yoga's documentation joins them, and its own createPubSub.
import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { underMeasurement } from '../fanout/child.mjs';
import { jobs, nextEvents, typeDefs } from './schema.mjs';

const pubSub = createPubSub();
const yoga = createYoga({
  schema: createSchema({
    typeDefs,
    resolvers: {
      Subscription: {
        jobEvents: {
          subscribe: (_root, { jobId }) => pubSub.subscribe('job', jobId),
          resolve: (event) => event,
        },
      },
    },
  }),
});
const server = createServer(yoga);
useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);
server.listen(0, '127.0.0.1', () =>
  underMeasurement({
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    jobs,
    publish() {
      for (const event of nextEvents()) pubSub.publish('job', event.jobId, event);
    },
  }),
);
