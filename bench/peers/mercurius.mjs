// Mercurius with what it brings: its own WebSocket transport and its own pubsub.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { underMeasurement } from '../fanout/child.mjs';
import { jobs, nextEvents, typeDefs } from './schema.mjs';

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    Subscription: {
      jobEvents: { subscribe: (_root, { jobId }, { pubsub }) => pubsub.subscribe(jobId) },
    },
  },
  subscription: true,
});
const address = await app.listen({ port: 0, host: '127.0.0.1' });
const { pubsub } = app.graphql;
underMeasurement({
  url: `${address}/graphql`,
  jobs,
  publish: () =>
    Promise.all(
      nextEvents().map(
        (jobEvents) =>
          new Promise((resolve) =>
            pubsub.publish({ topic: jobEvents.jobId, payload: { jobEvents } }, resolve),
          ),
      ),
    ),
});
