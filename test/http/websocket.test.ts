import { once } from 'node:events';
import { type Client, createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { CursorError } from '../../src/feed.js';
import { event, job } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { serve, source } from '../support/http.js';
import { wire } from '../support/wire.js';

const JOB = 'subscription { job(id: "x") { number } }';

function client(port: number, connectionParams: Record<string, unknown> = {}): Client {
  const made = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
  });
  onTestFinished(() => void made.dispose());
  return made;
}

/** Everything one operation is told, and how it ended. */
function follow(of: Client, query: string) {
  const results: unknown[] = [];
  let arrived: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let stop: () => void = () => {};
  const ended = new Promise<unknown>((resolve) => {
    stop = of.subscribe(
      { query },
      {
        next: (result) => {
          results.push(result);
          arrived();
        },
        error: resolve,
        complete: () => resolve('complete'),
      },
    );
  });
  return { results, first, ended, stop: () => stop() };
}

test('a subscription is told each value and completes with its source', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const following = follow(client(port), JOB);
  await jobs.followed;
  jobs.push(job(1));
  await following.first;
  jobs.end();
  expect(await following.ended).toBe('complete');
  expect(following.results).toEqual([{ data: { job: { number: 1 } } }]);
});

test('a client that completes ends the source at once, though no event comes', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const following = follow(client(port), JOB);
  await jobs.followed;
  following.stop();
  await jobs.left;
});

test('a client that vanishes ends its sources', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const connected = client(port);
  follow(connected, JOB);
  await jobs.followed;
  connected.terminate();
  await jobs.left;
});

test('what hangs under an event is read anew for each', async () => {
  let reads = 0;
  const events = source([event(1), event(2)]);
  events.end();
  const { port } = await serve({
    feed: { jobEvents: () => events.source },
    // The same job twice: a loader that outlived the first event would answer the second.
    store: { job: async () => job(1, { number: ++reads }) },
  });
  const query = 'subscription { jobEvents(jobId: "x") { sequence job { number } } }';
  const following = follow(client(port), query);
  expect(await following.ended).toBe('complete');
  expect(following.results).toEqual([
    { data: { jobEvents: { sequence: 1, job: { number: 1 } } } },
    { data: { jobEvents: { sequence: 2, job: { number: 2 } } } },
  ]);
});

test('queries and mutations run over the socket too', async () => {
  const { port } = await serve({ store: { job: async () => job(3) } });
  const following = follow(client(port), '{ job(id: "x") { number } }');
  await following.ended;
  expect(following.results).toEqual([
    { data: { job: { number: 3 } }, extensions: { cost: { requested: 1, maximum: 50_000 } } },
  ]);
});

test.each([
  ['{', 'GRAPHQL_PARSE_FAILED'],
  ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
  [`${'{ a '.repeat(10_000)}`, 'LIMIT_REACHED'],
])('a bad document (%.20s) fails alone: the socket and its other operations go on', async (query, code) => {
  const jobs = source<ReturnType<typeof job>>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const connected = client(port);
  const good = follow(connected, JOB);
  await jobs.followed;
  const errors = await follow(connected, query).ended;
  expect(errors).toMatchObject([{ extensions: { code } }]);
  expect(JSON.stringify(errors)).not.toContain('"http"');
  jobs.push(job(1));
  await good.first;
});

test.each([
  'subscription { events @skip(if: true) { id } }',
  'subscription { ... @include(if: false) { events { id } } }',
  'subscription { ...F } fragment F on Subscription { events @include(if: false) { id } }',
])('a subscription that leaves its field out (%s) is told so', async (query) => {
  const { port, log } = await serve();
  expect(await follow(client(port), query).ended).toMatchObject([
    { message: expect.stringContaining('must select one field'), extensions: { code: 'BAD_USER_INPUT' } },
  ]);
  expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('cursor trouble is an error with its code and the oldest good cursor', async () => {
  const events = source<ReturnType<typeof event>>();
  events.fail(new CursorError('CURSOR_EXPIRED', 'gone', 'c-20'));
  const { port } = await serve({ feed: { events: () => events.source } });
  const errors = await follow(client(port), 'subscription { events { id } }').ended;
  expect(errors).toMatchObject([{ message: 'gone', extensions: { code: 'CURSOR_EXPIRED', oldest: 'c-20' } }]);
});

test('an unexpected failure of a source is masked', async () => {
  const jobs = source([job(1)]);
  jobs.fail(new Error('geheim'));
  const { port, log } = await serve({ feed: { job: () => jobs.source } });
  const errors = await follow(client(port), JOB).ended;
  expect(errors).toMatchObject([
    { message: 'Unexpected error.', extensions: { code: 'INTERNAL', requestId: expect.any(String) } },
  ]);
  expect(JSON.stringify(errors)).not.toContain('geheim');
  expect(log.lines).toContainEqual(expect.objectContaining({ level: 'error' }));
});

const withKeys = { hasApiKeys: async () => true, apiKeyByHash: async () => null };

test('without a good key the socket is closed with 4401 after ConnectionInit', async () => {
  const { port } = await serve({ store: withKeys });
  for (const params of [
    {},
    { authorization: 'Bearer wrong' },
    { Authorization: 'Bearer wrong' },
    { authorization: 7 },
  ]) {
    expect(await follow(client(port, params), JOB).ended).toMatchObject({
      code: 4401,
      reason: 'Unauthorized',
    });
  }
});

test('a key may come in the connection parameters or with the upgrade', async () => {
  const { port } = await serve({
    store: {
      hasApiKeys: async () => true,
      apiKeyByHash: async () => ({
        id: 'key_1',
        accountId: 'acc_1',
        name: 'ci',
        prefix: 'crl',
        scopes: ['READ'],
        expiresAt: null,
        lastUsedAt: null,
        limits: { requestsPerSecond: null, sockets: null },
        revokedAt: null,
        createdAt: 0,
      }),
    },
  });
  const query = '{ viewer { scopes } }';
  const byParams = follow(client(port, { Authorization: 'Bearer good' }), query);
  await byParams.ended;
  class WithHeader extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, { headers: { authorization: 'Bearer good' } });
    }
  }
  const other = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WithHeader,
    retryAttempts: 0,
  });
  onTestFinished(() => void other.dispose());
  const byHeader = follow(other, query);
  await byHeader.ended;
  for (const { results } of [byParams, byHeader])
    expect(results).toMatchObject([{ data: { viewer: { scopes: ['READ'] } } }]);
});

/** The status an upgrade was refused with, or the code a socket was closed with. */
function outcome(port: number, path: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, 'graphql-transport-ws', { headers });
  return new Promise((resolve) => {
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.on('close', (code) => resolve(code));
    socket.on('error', () => {});
    socket.on('open', () => socket.close(1000));
  });
}

test('upgrades are checked like requests', async () => {
  const { port, server } = await serve();
  expect(await outcome(port, '/graphql', {})).toBe(1000);
  expect(await outcome(port, '/graphql', { origin: `http://127.0.0.1:${port}` })).toBe(1000);
  expect(await outcome(port, '/graphql', { origin: 'https://evil.example' })).toBe(403);
  expect(await outcome(port, '/graphql', { host: 'evil.example' })).toBe(403);
  expect(await outcome(port, '/graphql', { 'x-forwarded-for': '10.0.0.1' })).toBe(403);
  expect(await outcome(port, '/other', {})).toBe(404);
  server.drain();
  expect(await outcome(port, '/graphql', {})).toBe(503);
});

test('a message above the limit closes the socket with 1009', async () => {
  const { port } = await serve({}, { maxBodyBytes: 1_000 });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
  const code = new Promise((resolve) => socket.on('close', resolve));
  socket.on('open', () => socket.send(JSON.stringify({ type: 'ping', payload: { pad: 'x'.repeat(2_000) } })));
  expect(await code).toBe(1009);
});

test('a socket that has not said who it is may say little, and what it begins is not kept', async () => {
  const { port } = await serve({ store: withKeys });
  const { send, socket, closed } = wire(port);
  send(
    'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
  );
  await once(socket, 'data');
  let told = '';
  socket.on('data', (chunk) => {
    told += String(chunk);
  });
  // A text of 2 MiB is announced, and most of it never comes.
  send(`\x81\xff\0\0\0\0\0\x20\0\0\0\0\0\0${'x'.repeat(20_000)}`);
  await closed();
  // At once, and not because it has said nothing for too long; the word may get lost.
  expect(told).not.toContain('timeout');
});

test('while draining a new operation is refused and the running one goes on', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port, server } = await serve({ feed: { job: () => jobs.source } });
  const connected = client(port);
  const running = follow(connected, JOB);
  await jobs.followed;
  server.drain();
  expect(await follow(connected, '{ __typename }').ended).toMatchObject([
    { extensions: { code: 'UNAVAILABLE' } },
  ]);
  jobs.push(job(1));
  await running.first;
});

test('close ends sockets with 1001 and their sources', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port, server } = await serve({ feed: { job: () => jobs.source } });
  const running = follow(client(port), JOB);
  await jobs.followed;
  await server.close(5_000);
  expect(await running.ended).toMatchObject({ code: 1001 });
  await jobs.left;
});

test('a socket that does not answer a ping until the next is ended', async () => {
  const clock = new VirtualClock();
  const { port } = await serve({ clock });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', { autoPong: false });
  await new Promise((resolve) => socket.once('open', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const pinged = new Promise((resolve) => socket.once('ping', resolve));
  socket.send('{"type":"connection_init"}');
  await new Promise((resolve) => socket.once('message', resolve));
  await clock.advance(12_000);
  await pinged;
  await clock.advance(12_000);
  expect(await closed).toBe(1006);
});
