import { expect, test } from 'vitest';
import type { ApiKey } from '../../src/account.js';
import { ACCOUNT, job } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { later, serve, source } from '../support/http.js';
import { wire } from '../support/wire.js';

// What HTTP/1.1 lets a client do to the socket under a stream: ask again without waiting, and close its own half.

type Jobs = ReturnType<typeof source<ReturnType<typeof job>>>;
const ask = (id: string, field = 'number') => {
  const query = encodeURIComponent(`subscription{job(id:"${id}"){${field}}}`);
  return `GET /graphql?query=${query} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`;
};
const query = `GET /graphql?query={job(id:"x"){number}} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** A server whose jobs are these sources. */
async function serveJobs(sources: Record<string, Jobs>, backing: Parameters<typeof serve>[0] = {}) {
  const served = await serve({
    ...backing,
    feed: { job: (_account, id) => sources[id]!.source },
  });
  const counted = async (name: string) => {
    const text = await (await fetch(`${served.url}/metrics`)).text();
    return Number(new RegExp(`^carillon_${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  return { ...served, counted };
}

const apiKey: ApiKey = {
  id: 'key_1',
  accountId: ACCOUNT.id,
  name: 'ci',
  prefix: 'crl',
  scopes: ['READ'],
  expiresAt: null,
  lastUsedAt: null,
  limits: { requestsPerSecond: null, sockets: null },
  revokedAt: null,
  createdAt: 0,
};

/** Resolves when it holds; the deadline is the test's. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

test('a stream behind another one begins when that has ended', async () => {
  const [first, second] = [source([job(1)]), source([job(2)])] as Jobs[];
  const { port } = await serveJobs({ first: first!, second: second! });
  const { send, answer } = wire(port);
  send(ask('first') + ask('second'));
  await first!.followed;
  first!.end();
  expect((await answer()).text).toContain('"number":1');
  await second!.followed;
  second!.end();
  expect((await answer()).text).toContain('"number":2');
});

test('a stream behind another one takes nothing before its turn, however much there is', async () => {
  const first = source<ReturnType<typeof job>>();
  const second = source(Array.from({ length: 5_000 }, (_, index) => job(index)));
  const { port, counted } = await serveJobs({ first, second });
  const { send } = wire(port);
  send(ask('first') + ask('second'));
  await first.followed;
  for (let round = 0; round < 50; round++) await counted('connections');
  expect(second.reads()).toBe(0);
  expect(await counted('subscription_results_total')).toBe(0);
});

test('streams that wait for their turn are gone with their socket', async () => {
  const sources = Array.from({ length: 20 }, () => source<ReturnType<typeof job>>());
  const named = Object.fromEntries(sources.map((one, index) => [`s${index}`, one]));
  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on('warning', warn);
  const { port, counted } = await serveJobs(named);
  const { send, socket } = wire(port);
  send(sources.map((_, index) => ask(`s${index}`)).join(''));
  await sources[0]!.followed;
  await until(async () => (await counted('connections')) === 1);
  socket.destroy();
  await sources[0]!.left;
  await until(async () => (await counted('connections')) === 0);
  expect(await counted('subscribers')).toBe(0);
  process.off('warning', warn);
  expect(warnings).toEqual([]);
});

test('a stream that has completed behind a slow answer is not pinged any more', async () => {
  const clock = new VirtualClock();
  const done = source([job(2)]);
  done.end();
  const { promise, resolve } = later<ReturnType<typeof job>>();
  const asked = later<void>();
  const { port } = await serveJobs(
    { done },
    {
      clock,
      store: {
        job: () => {
          asked.resolve();
          return promise;
        },
      },
    },
  );
  const { send, answer } = wire(port);
  send(query + ask('done'));
  await asked.promise;
  for (let sweep = 0; sweep < 3; sweep++) await clock.advance(12_000);
  resolve(job(1));
  expect((await answer()).text).toContain('"number":1');
  expect((await answer()).text).toContain('event: complete');
});

test('a client that has closed its half and does not read is sent no more', async () => {
  const events = source<ReturnType<typeof job>>();
  const { port, counted } = await serveJobs({ events });
  const { send, socket } = wire(port);
  socket.pause();
  send(ask('events', 'externalId'));
  await events.followed;
  const wide = job(1, { externalId: 'x'.repeat(64 * 1024) });
  // Until all that lies between the two is full, and a little is left over.
  while ((await counted('connections_unsent_bytes')) === 0) events.push(wide);
  socket.end();
  // The server closes its half too, when the rest is taken; it hears of ours within these round trips.
  for (let round = 0; round < 20; round++) await counted('connections');
  const before = await counted('subscription_results_total');
  for (let count = 0; count < 500; count++) events.push(wide);
  for (let round = 0; round < 50; round++) await counted('connections');
  expect((await counted('subscription_results_total')) - before).toBeLessThan(20);
  socket.resume();
  await events.left;
});

test('a stream whose key has ended while it waited for its turn tells nothing', async () => {
  const [first, second] = [source<ReturnType<typeof job>>(), source([job(2)])];
  let valid = true;
  const { port } = await serveJobs(
    { first, second },
    { store: { hasApiKeys: async () => true, apiKeyByHash: async () => (valid ? apiKey : null) } },
  );
  const { send, answer } = wire(port);
  const keyed = (text: string) => text.replace('Host', 'Authorization: Bearer good\r\nHost');
  send(keyed(ask('first')) + keyed(ask('second')));
  await first.followed;
  valid = false;
  first.end();
  await answer();
  const { text } = await answer();
  expect(text).toContain('"code":"UNAUTHENTICATED"');
  expect(text).not.toContain('"number":2');
});

test('a stream whose request was let in before the server went down does not hold it up', async () => {
  const jobs = source<ReturnType<typeof job>>();
  // Time stands still: what ends must do so without the deadline.
  const { port, server } = await serveJobs({ late: jobs }, { clock: new VirtualClock() });
  const { send, answer } = wire(port);
  const body = JSON.stringify({ query: 'subscription{job(id:"late"){number}}' });
  const headers = `Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  send(`POST /graphql HTTP/1.1\r\n${headers}\r\nAccept: text/event-stream\r\nExpect: 100-continue\r\n\r\n`);
  expect((await answer()).status).toBe(100);
  const closed = server.close(60_000);
  send(body);
  expect((await answer()).text).not.toContain('complete');
  await closed;
  await jobs.left;
});
