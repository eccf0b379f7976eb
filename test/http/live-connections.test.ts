import { get, type IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ApiKey } from '../../src/account.js';
import { hashKey } from '../../src/engine/api-keys.js';
import { NO_LIMITS } from '../../src/limits.js';
import { job } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { EventStream } from '../support/event-stream.js';
import { serve, source } from '../support/http.js';
import { RawSocket } from '../support/raw-socket.js';

const JOB = 'subscription { job(id: "x") { number externalId } }';
/** Connections are looked at so often. */
const SWEEP_MS = 12_000;

/** A server with two keys, which a test may end, and a job that tells nothing. */
async function keyed() {
  const clock = new VirtualClock();
  const valid = new Map<string, ApiKey>(
    ['first', 'second'].map((name) => [
      hashKey(name),
      {
        id: `key_${name}`,
        accountId: 'acc_1',
        name,
        prefix: name,
        scopes: ['READ'],
        limits: NO_LIMITS,
        expiresAt: null,
        revokedAt: null,
        lastUsedAt: null,
        createdAt: 0,
      },
    ]),
  );
  const jobs = source<ReturnType<typeof job>>();
  const { url, port, server } = await serve({
    clock,
    store: { hasApiKeys: async () => true, apiKeyByHash: async (hash) => valid.get(hash) ?? null },
    feed: { job: () => jobs.source },
  });
  const authorization = (name: string) => ({ authorization: `Bearer ${name}` });
  const socket = async (name: string) => {
    const opened = await RawSocket.ready(`${url}/graphql`, authorization(name));
    opened.subscribe('1', JOB);
    return opened;
  };
  const stream = (name: string) =>
    EventStream.open(`${url}/graphql`, { query: JOB, headers: authorization(name) });
  return { clock, valid, jobs, port, url, server, socket, stream };
}

const ENDED = { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] };

test('a key that is revoked ends its sockets with 4403 and its streams with an error, and no others', async () => {
  const { jobs, server, socket, stream } = await keyed();
  const [one, other] = [await socket('first'), await socket('second')];
  const [read, kept] = [await stream('first'), await stream('second')];
  await jobs.followed;
  server.revoke('key_first');
  expect((await one.closed).code).toBe(4403);
  const events = await read.rest();
  expect(events.map(({ event }) => event)).toEqual(['next', 'complete']);
  expect(JSON.parse(events[0]!.data!)).toMatchObject(ENDED);
  jobs.push(job(1));
  expect(await other.next('1')).toMatchObject({ type: 'next' });
  expect((await kept.event())?.event).toBe('next');
});

test('a key that has expired, or was revoked elsewhere, ends what it opened at the next look', async () => {
  const { clock, valid, jobs, socket, stream } = await keyed();
  const [one, other] = [await socket('first'), await socket('second')];
  const read = await stream('first');
  await jobs.followed;
  valid.delete(hashKey('first'));
  await clock.advance(SWEEP_MS);
  expect((await one.closed).code).toBe(4403);
  expect((await read.rest()).at(-1)?.event).toBe('complete');
  expect(await other.untilPong()).toEqual([]);
});

test('at shutdown clients are sent away a few at a time, within half the time there is', async () => {
  const { clock, server, port } = await keyed();
  const sockets = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
      onTestFinished(() => socket.terminate());
      await new Promise((resolve) => socket.once('open', resolve));
      return socket;
    }),
  );
  const codes: number[] = [];
  const gone = sockets.map(
    (socket) =>
      new Promise<void>((resolve) =>
        socket.once('close', (code) => {
          codes.push(code);
          resolve();
        }),
      ),
  );
  const closed = server.close(1_000);
  await clock.advance(0);
  await Promise.all(gone.slice(0, 20));
  expect(codes).toHaveLength(20);
  await clock.advance(500);
  await Promise.all(gone);
  expect(new Set(codes)).toEqual(new Set([1001]));
  await closed;
});

test('an event stream that is cut by a shutdown has no complete: its client comes back', async () => {
  const { server, jobs, stream } = await keyed();
  const read = await stream('first');
  await jobs.followed;
  const closed = server.close(1_000);
  expect(await read.rest()).toEqual([]);
  await closed;
});

test('who takes nothing for five minutes is sent away: 1013, or the end of the stream', async () => {
  const { clock, jobs, socket, url } = await keyed();
  const slow = await socket('first');
  const stalled = await new Promise<IncomingMessage>((resolve) => {
    const headers = { accept: 'text/event-stream', authorization: 'Bearer first' };
    const call = get(`${url}/graphql?query=${encodeURIComponent(JOB)}`, { headers, agent: false }, resolve);
    onTestFinished(() => void call.destroy());
  });
  await jobs.followed;
  slow.socket.pause();
  stalled.pause();
  const big = job(1, { externalId: 'x'.repeat(1_000_000) });
  // More than the sockets of both ends hold, and then nothing is sent any more.
  for (let count = 0; count < 20; count++) {
    jobs.push(big);
    await clock.advance(0);
  }
  await clock.advance(5 * 60_000 + 2 * SWEEP_MS);
  // Whichever way its end shows: what it is told behind what it did not read may be lost with it.
  const cut = new Promise((resolve) => {
    stalled.once('error', resolve);
    stalled.once('close', resolve);
  });
  slow.socket.resume();
  expect((await slow.closed).code).toBe(1013);
  // Cut, not ended: its reader comes back.
  stalled.resume();
  expect(await cut).toMatchObject({ code: 'ECONNRESET' });
});
