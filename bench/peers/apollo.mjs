// Apollo Server with graphql-ws and graphql-subscriptions, as Apollo's documentation joins them.
import { createServer } from 'node:http';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { expressMiddleware } from '@as-integrations/express5';
import { makeExecutableSchema } from '@graphql-tools/schema';
import express from 'express';
import { PubSub } from 'graphql-subscriptions';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { underMeasurement } from '../fanout/child.mjs';
import { jobs, nextEvents, typeDefs } from './schema.mjs';

const pubSub = new PubSub();
const schema = makeExecutableSchema({
  typeDefs,
  resolvers: {
    Subscription: {
      jobEvents: { subscribe: (_root, { jobId }) => pubSub.asyncIterableIterator(jobId) },
    },
  },
});
const app = express();
const httpServer = createServer(app);
const wsServer = new WebSocketServer({ server: httpServer, path: '/graphql' });
const cleanup = useServer({ schema }, wsServer);
const server = new ApolloServer({
  schema,
  plugins: [
    ApolloServerPluginDrainHttpServer({ httpServer }),
    { serverWillStart: async () => ({ drainServer: async () => cleanup.dispose() }) },
  ],
});
await server.start();
app.use('/graphql', express.json(), expressMiddleware(server));
httpServer.listen(0, '127.0.0.1', () =>
  underMeasurement({
    url: `http://127.0.0.1:${httpServer.address().port}/graphql`,
    jobs,
    publish: () =>
      Promise.all(nextEvents().map((jobEvents) => pubSub.publish(jobEvents.jobId, { jobEvents }))),
  }),
);
