import { request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { job } from '../support/api.js';
import { later, post, serve } from '../support/http.js';

const EVENTS = 500;
// Far above what the sockets of both ends hold (some 4 MiB), far below all events (50 MB).
const FEW = 200;
const query = (id: string) => `subscription { job(id: "${id}") { externalId } }`;

/** A server whose subscription has EVENTS values of 100 kB, ready at once; counts how many each reader was given. */
async function serveMuch() {
  const pulls: Record<string, number> = { slow: 0, fast: 0 };
  const value = job(1, { externalId: 'x'.repeat(100_000) });
  const started = later<void>();
  const { url, port } = await serve({
    feed: {
      job: async function* (_account, id) {
        started.resolve();
        for (let count = 0; count < EVENTS; count++) {
          pulls[id] = count + 1;
          yield value;
        }
      },
    },
  });
  return { url, port, pulls, started: started.promise };
}

/** Reads everything while the other reader stands still: by then an unbounded queue would have taken it all too. */
async function expectBounded({ url, pulls }: Awaited<ReturnType<typeof serveMuch>>) {
  const { text } = await post(url, query('fast'), { accept: 'text/event-stream' });
  expect(text.match(/event: next/g)).toHaveLength(EVENTS);
  expect(pulls['slow']).toBeGreaterThan(0);
  expect(pulls['slow']).toBeLessThan(FEW);
}

test('a reader of server-sent events that stands still is not read ahead for, and slows nobody', async () => {
  const much = await serveMuch();
  const call = request(`${much.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
  });
  call.on('response', (response) => response.pause());
  call.on('error', () => {});
  call.end(JSON.stringify({ query: query('slow') }));
  await much.started;
  await expectBounded(much);
  call.destroy();
});

test('a WebSocket that stands still is not read ahead for, and slows nobody', async () => {
  const much = await serveMuch();
  const socket = new WebSocket(`ws://127.0.0.1:${much.port}/graphql`, 'graphql-transport-ws');
  socket.on('open', () => socket.send('{"type":"connection_init"}'));
  socket.once('message', () => {
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: query('slow') } }));
    socket.pause();
  });
  await much.started;
  await expectBounded(much);
  socket.terminate();
});
