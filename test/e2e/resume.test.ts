import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventStream } from '../support/event-stream.js';
import { KilledServer } from '../support/killed.js';
import { RawSocket } from '../support/raw-socket.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const TASKS = heavy ? 2_000 : 80;
/** One thread needs some seconds for them: two kills find it running. */
const TASK_MS = heavy ? 10 : 40;
/** A subscriber is cut after this many events, and one more each time, up to twenty. */
const FIRST_CUT = 3;

interface Event {
  sequence: number;
  cursor: string;
  type: string;
}

const QUERY = `subscription ($id: ID!, $after: Cursor) {
  jobEvents(jobId: $id, after: $after) { sequence cursor type } }`;

describe('a subscriber that is cut every few events', () => {
  let server: KilledServer;
  beforeEach(async () => {
    server = await KilledServer.open({ CARILLON_WORKER_THREADS: '1' });
  });
  afterEach(() => server.close());

  const ask = <T>(query: string, variables: object = {}) => server.ask<T>(query, variables);

  async function log(id: string): Promise<Event[]> {
    const events: Event[] = [];
    let after: string | null = null;
    for (;;) {
      const {
        job,
      }: { job: { events: { nodes: Event[]; pageInfo: { endCursor: string; hasNextPage: boolean } } } } =
        await ask(
          `query ($id: ID!, $after: Cursor) { job(id: $id) { events(first: 100, after: $after) {
            nodes { sequence cursor type } pageInfo { endCursor hasNextPage } } } }`,
          { id, after },
        );
      events.push(...job.events.nodes);
      after = job.events.pageInfo.endCursor;
      if (!job.events.pageInfo.hasNextPage) return events;
    }
  }

  type Follow = (
    id: string,
    after: string | null,
    cutAfter: number,
  ) => Promise<{ events: Event[]; done: boolean }>;

  const overWebSocket: Follow = async (id, after, cutAfter) => {
    const socket = await RawSocket.ready(`${server.url}/graphql`);
    socket.subscribe('1', QUERY, { id, after });
    const events: Event[] = [];
    try {
      while (events.length < cutAfter) {
        const { type, payload } = await socket.next('1');
        if (type === 'complete') return { events, done: true };
        events.push((payload as { data: { jobEvents: Event } }).data.jobEvents);
      }
    } catch {
      // The server was killed.
    }
    socket.socket.terminate();
    return { events, done: false };
  };

  /** As a browser does: the same request each time, and the place in Last-Event-ID. */
  const overSse: Follow = async (id, after, cutAfter) => {
    const stream = await EventStream.open(`${server.url}/graphql`, {
      method: 'GET',
      query: QUERY,
      variables: { id },
      ...(after !== null && { headers: { 'last-event-id': after } }),
    });
    const events: Event[] = [];
    try {
      while (events.length < cutAfter) {
        const block = await stream.event();
        if (block?.event === 'complete') return { events, done: true };
        const { jobEvents } = (JSON.parse(block?.data ?? '') as { data: { jobEvents: Event } }).data;
        expect(block?.id).toBe(jobEvents.cursor);
        events.push(jobEvents);
      }
    } catch {
      // The server was killed.
    }
    stream.leave();
    return { events, done: false };
  };

  /** Follows the job to its end through every cut and every kill; what it has seen. */
  async function followToTheEnd(
    follow: Follow,
    id: string,
    progress: (seen: number) => void,
  ): Promise<Event[]> {
    const seen: Event[] = [];
    for (let cut = FIRST_CUT; ; cut = Math.min(cut + 1, 20)) {
      const after = seen.at(-1)?.cursor ?? null;
      const part = await follow(id, after, cut).catch(() => null);
      // The server is gone for a moment.
      if (part === null) await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(...(part?.events ?? []));
      progress(seen.length);
      if (part?.done) return seen;
    }
  }

  it('resumes over WebSocket and over server-sent events, through two kills, and ends with exactly the log', async () => {
    const descriptor = {
      name: 'long',
      nodes: [
        {
          nodeName: 'many',
          algorithmName: 'nap',
          input: ['#@flowInput.ms'],
          retry: { policy: 'OnCrash', limit: 20 },
        },
      ],
      flowInput: { ms: Array.from({ length: TASKS }, () => TASK_MS) },
    };
    const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }',
      { d: descriptor },
    );
    const { id } = submitDescriptor.job;
    const kills = [TASKS / 2, TASKS].map(Math.floor);
    let killing: Promise<unknown> = Promise.resolve();
    const progress = (seen: number) => {
      if (seen < (kills[0] ?? Number.POSITIVE_INFINITY)) return;
      kills.shift();
      killing = killing.then(() => server.kill()).then(() => server.start());
    };
    const [socket, stream] = await Promise.all([
      followToTheEnd(overWebSocket, id, progress),
      followToTheEnd(overSse, id, () => {}),
    ]);
    await killing;
    expect(kills).toEqual([]);
    const owed = await log(id);
    expect(owed.at(-1)!.type).toBe('JOB_COMPLETED');
    expect(owed.map(({ sequence }) => sequence)).toEqual(owed.map((_, index) => index + 1));
    expect(socket).toEqual(owed);
    expect(stream).toEqual(owed);
  });
});
