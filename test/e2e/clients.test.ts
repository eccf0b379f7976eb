import {
  type AnyVariables,
  Client,
  fetchExchange,
  type OperationResult,
  subscriptionExchange,
} from '@urql/core';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs, type Sink } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { later } from '../support/http.js';
import { World } from '../support/world.js';

// The clients that people have, as they come: nothing of this server's own is needed to use it.

const SUBMIT =
  'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { code path } } }';
const FOLLOW =
  'subscription ($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) { type sequence cursor } }';
const JOB = 'query ($id: ID!) { job(id: $id) { status } }';
const UNKNOWN = 'p:01890a5d-ac96-774b-bcce-b302099a8057';

interface Event {
  type: string;
  sequence: number;
  cursor: string;
}
interface Submitted {
  submitDescriptor: { job: { id: string } | null; userErrors: { code: string; path: string[] }[] };
}
interface Followed {
  jobEvents: Event;
}
interface Found {
  job: { status: string } | null;
}
interface Told {
  extensions?: Record<string, unknown>;
}

interface Result<T> {
  data?: T | null | undefined;
  errors?: readonly Told[] | undefined;
}

/** What any client can do, by its own means. */
interface Stock {
  /** The data of a query or mutation; throws what the client takes for an error. */
  ask<T>(query: string, variables: Record<string, unknown>): Promise<T>;
  /** The events of a job up to the end of the stream; throws what the client takes for an error. */
  follow(variables: Record<string, unknown>): Promise<Event[]>;
  /** The codes of the errors in what `ask` and `follow` throw. */
  codes(thrown: unknown): unknown[];
}

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const socketUrl = () => world.url.replace('http', 'ws');
const codesOf = (errors: readonly Told[]) => errors.map((error) => error.extensions?.['code']);
const pipeline = {
  name: 'p',
  nodes: [{ nodeName: 'a', algorithmName: 'nap', input: ['#[5,5,5,5]'] }],
};

async function logOf(id: string): Promise<Event[]> {
  const { job } = await world.ask<{ job: { events: { nodes: Event[] } } }>(
    'query ($id: ID!) { job(id: $id) { events(first: 100) { nodes { type sequence cursor } } } }',
    { id },
  );
  return job.events.nodes;
}

/** The last of what an operation gave, or its errors thrown. */
function only<T>(results: Result<T>[]): T {
  const { data, errors } = results.at(-1)!;
  if (errors) throw errors;
  return data!;
}

const clients: [string, () => Stock][] = [
  [
    'graphql-ws, by iterate',
    () => {
      const client = createWs({ url: socketUrl(), webSocketImpl: WebSocket, retryAttempts: 0 });
      onTestFinished(() => void client.dispose());
      return {
        async ask<T>(query: string, variables: Record<string, unknown>) {
          const results = [];
          for await (const result of client.iterate<T>({ query, variables })) results.push(result);
          return only(results);
        },
        async follow(variables) {
          const events: Event[] = [];
          for await (const result of client.iterate<Followed>({ query: FOLLOW, variables })) {
            events.push(only([result]).jobEvents);
          }
          return events;
        },
        codes: (thrown) => codesOf(thrown as Told[]),
      };
    },
  ],
  [
    'graphql-ws, by subscribe',
    () => {
      const client = createWs({
        url: socketUrl(),
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        lazy: false,
        // It is disposed of after the server is gone.
        onNonLazyError() {},
      });
      onTestFinished(() => void client.dispose());
      const all = <T>(query: string, variables: Record<string, unknown>) =>
        new Promise<Result<T>[]>((resolve, reject) => {
          const results: Result<T>[] = [];
          client.subscribe<T>(
            { query, variables },
            { next: (result) => results.push(result), error: reject, complete: () => resolve(results) },
          );
        }).then((results) => results.map((result) => only([result])));
      return {
        ask: async <T>(query: string, variables: Record<string, unknown>) =>
          (await all<T>(query, variables))[0]!,
        follow: async (variables) =>
          (await all<Followed>(FOLLOW, variables)).map(({ jobEvents }) => jobEvents),
        codes: (thrown) => codesOf(thrown as Told[]),
      };
    },
  ],
  [
    'graphql-sse, in distinct connections mode',
    () => {
      const client = createSse({ url: world.url, retryAttempts: 0 });
      onTestFinished(() => client.dispose());
      return {
        async ask<T>(query: string, variables: Record<string, unknown>) {
          const results = [];
          for await (const result of client.iterate<T>({ query, variables })) results.push(result);
          return only(results);
        },
        async follow(variables) {
          const events: Event[] = [];
          for await (const result of client.iterate<Followed>({ query: FOLLOW, variables })) {
            events.push(only([result]).jobEvents);
          }
          return events;
        },
        codes: (thrown) => codesOf(thrown as Told[]),
      };
    },
  ],
  [
    'urql, with fetch and graphql-ws',
    () => {
      const socket = createWs({ url: socketUrl(), webSocketImpl: WebSocket, retryAttempts: 0 });
      onTestFinished(() => void socket.dispose());
      const forward = subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query: query!, variables: variables as Record<string, unknown> },
              sink as Sink,
            ),
          }),
        }),
      });
      return urql(
        new Client({ url: world.url, preferGetMethod: false, exchanges: [forward, fetchExchange] }),
        // A stream over a socket ends without a word to the reader: the event that ends the job is the last.
        ({ data }) => /^JOB_(COMPLETED|FAILED|CANCELLED)$/.test(data?.jobEvents.type ?? ''),
      );
    },
  ],
  [
    'urql, with fetch alone',
    () =>
      urql(
        new Client({
          url: world.url,
          preferGetMethod: false,
          exchanges: [fetchExchange],
          fetchSubscriptions: true,
        }),
        ({ hasNext }) => !hasNext,
      ),
  ],
  [
    'urql, with queries by GET',
    () =>
      urql(
        new Client({
          url: world.url,
          preferGetMethod: 'force',
          exchanges: [fetchExchange],
          fetchSubscriptions: true,
        }),
        ({ hasNext }) => !hasNext,
      ),
  ],
];

function urql(client: Client, isLast: (result: OperationResult<Followed>) => boolean): Stock {
  return {
    async ask<T>(query: string, variables: AnyVariables) {
      const mutates = query.startsWith('mutation');
      const { data, error } = await (mutates
        ? client.mutation<T>(query, variables)
        : client.query<T>(query, variables)
      ).toPromise();
      if (error) throw error;
      return data!;
    },
    follow: (variables) =>
      new Promise((resolve, reject) => {
        const seen = new Map<number, Event>();
        const { unsubscribe } = client.subscription<Followed>(FOLLOW, variables).subscribe((result) => {
          if (result.error) reject(result.error);
          // The end of the stream repeats the last result.
          else if (result.data) seen.set(result.data.jobEvents.sequence, result.data.jobEvents);
          if (!isLast(result)) return;
          resolve([...seen.values()]);
          // Not in the middle of its own message.
          queueMicrotask(() => unsubscribe());
        });
      }),
    codes: (thrown) => codesOf((thrown as { graphQLErrors: Told[] }).graphQLErrors),
  };
}

describe.each(clients)('%s', (_name, open) => {
  test('submits a job, follows it to its end and sees exactly the log', async () => {
    const client = open();
    const { submitDescriptor } = await client.ask<Submitted>(SUBMIT, { d: pipeline });
    expect(submitDescriptor.userErrors).toEqual([]);
    const { id } = submitDescriptor.job!;
    const events = await client.follow({ id });
    const log = await logOf(id);
    expect(events).toEqual(log);
    expect(events.at(-1)!.type).toBe('JOB_COMPLETED');
    expect((await client.ask<Found>(JOB, { id })).job).toEqual({ status: 'COMPLETED' });
    // Again from the middle: what a client does that has kept its place.
    expect(await client.follow({ id, after: log[2]!.cursor })).toEqual(log.slice(3));
  });

  test('is told of mistakes as data, and of what cannot run as errors', async () => {
    const client = open();
    const { submitDescriptor } = await client.ask<Submitted>(SUBMIT, { d: { ...pipeline, name: '' } });
    expect(submitDescriptor.job).toBeNull();
    expect(submitDescriptor.userErrors.length).toBeGreaterThan(0);
    const thrown = (run: Promise<unknown>) =>
      run.then(
        () => [],
        (error) => client.codes(error),
      );
    expect(await thrown(client.follow({ id: UNKNOWN }))).toEqual(['NOT_FOUND']);
    expect(await thrown(client.follow({ id: UNKNOWN, after: 'nonsense' }))).toEqual(['CURSOR_INVALID']);
    expect(await thrown(client.ask('{ nothing }', {}))).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    expect(await thrown(client.ask(JOB, {}))).toEqual(['BAD_USER_INPUT']);
    expect((await client.ask<Found>(JOB, { id: UNKNOWN })).job).toBeNull();
  });
});

describe('a client that comes back by itself', () => {
  /** A job that outlives a restart. */
  const long = {
    name: 'long',
    nodes: [{ nodeName: 'a', algorithmName: 'nap', input: [`#[${Array(40).fill(10).join(',')}]`] }],
  };

  /** Restarts the server once a stream has begun; `up` is kept when it is back. */
  function restartOnce() {
    const up = later<void>();
    let restarting = false;
    return {
      up: up.promise,
      begun() {
        if (restarting) return;
        restarting = true;
        world.restart().then(up.resolve);
      },
    };
  }

  test('graphql-ws goes on where it was: its variables are read anew for each connection', async () => {
    const { up, begun } = restartOnce();
    const codes: unknown[] = [];
    const client = createWs({
      url: socketUrl,
      webSocketImpl: WebSocket,
      retryAttempts: 3,
      retryWait: () => up,
      on: { closed: (event) => codes.push((event as { code: number }).code) },
    });
    onTestFinished(() => void client.dispose());
    const variables: Record<string, unknown> = { id: await world.submit(long), after: null };
    const seen: Event[] = [];
    await new Promise<void>((resolve, reject) => {
      client.subscribe<Followed>(
        { query: FOLLOW, variables },
        {
          next({ data }) {
            seen.push(data!.jobEvents);
            variables['after'] = data!.jobEvents.cursor;
            begun();
          },
          error: reject,
          complete: resolve,
        },
      );
    });
    const log = (await world.ended(variables['id'] as string)).map(({ sequence }) => sequence);
    expect(seen.map(({ sequence }) => sequence)).toEqual(log);
    expect(seen.at(-1)!.type).toBe('JOB_COMPLETED');
    // Going away, then, when all was told, the client's own goodbye.
    expect(codes).toEqual([1001, 1000]);
  });

  test('graphql-sse goes on where it was: its request is read anew for each connection', async () => {
    const { up, begun } = restartOnce();
    let connections = 0;
    const client = createSse({
      url: () => {
        connections++;
        return world.url;
      },
      retryAttempts: 3,
      retry: () => up,
    });
    onTestFinished(() => client.dispose());
    const variables: Record<string, unknown> = { id: await world.submit(long), after: null };
    const seen: Event[] = [];
    await new Promise<void>((resolve, reject) => {
      client.subscribe<Followed>(
        { query: FOLLOW, variables },
        {
          next({ data }) {
            seen.push(data!.jobEvents);
            variables['after'] = data!.jobEvents.cursor;
            begun();
          },
          error: reject,
          complete: resolve,
        },
      );
    });
    const log = (await world.ended(variables['id'] as string)).map(({ sequence }) => sequence);
    expect(seen.map(({ sequence }) => sequence)).toEqual(log);
    expect(seen.at(-1)!.type).toBe('JOB_COMPLETED');
    expect(connections).toBe(2);
  });
});
