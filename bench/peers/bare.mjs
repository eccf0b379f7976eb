// No GraphQL at all: one string an event, and `ws.send` of it to everybody. What the others are held against.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { underMeasurement } from '../fanout/child.mjs';
import { OPERATION } from '../fanout/subscription.mjs';
import { jobs, nextEvents } from './schema.mjs';

const subscribers = new Map(jobs.map((jobId) => [jobId, new Set()]));
const server = createServer();
new WebSocketServer({ server, path: '/graphql' }).on('connection', (socket) =>
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else subscribers.get(message.payload.variables.job).add(socket);
  }),
);
server.listen(0, '127.0.0.1', () =>
  underMeasurement({
    url: `http://127.0.0.1:${server.address().port}/graphql`,
    jobs,
    publish() {
      for (const { __typename, ...jobEvents } of nextEvents()) {
        const text = JSON.stringify({ id: OPERATION, type: 'next', payload: { data: { jobEvents } } });
        for (const socket of subscribers.get(jobEvents.jobId)) socket.send(text);
      }
    },
  }),
);
