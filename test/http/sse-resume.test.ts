import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ask, EventStream } from '../support/event-stream.js';
import { World } from '../support/world.js';

// A browser's EventSource knows nothing of cursors: it sends back the last id it saw, and that must be enough.

interface Seen {
  id: string | undefined;
  cursor: string;
  sequence: number;
}

const JOB_EVENTS =
  'subscription ($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) { cursor sequence } }';
const EVENTS = 'subscription ($after: Cursor) { events(after: $after) { cursor sequence } }';
const pipeline = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo', input: ['#[1,2,3]'] }] };
const methods = ['POST', 'GET'] as const;

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const open = (ask: Ask) => EventStream.open(world.url, ask);

/** The next event of a stream; null where it has completed. */
async function next(stream: EventStream): Promise<Seen | null> {
  const block = (await stream.event())!;
  if (block.event === 'complete') return null;
  const { data } = JSON.parse(block.data!) as { data: Record<string, Omit<Seen, 'id'>> };
  return { id: block.id, ...Object.values(data)[0]! };
}

async function rest(stream: EventStream): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let one = await next(stream); one; one = await next(stream)) seen.push(one);
  return seen;
}

/** A job that has ended, and the cursors of its events. */
async function endedJob(): Promise<{ id: string; cursors: string[] }> {
  const id = await world.submit(pipeline);
  return { id, cursors: (await world.ended(id)).map(({ cursor }) => cursor) };
}

describe('the id of an event is its cursor', () => {
  test.each(methods)('of jobEvents by %s', async (method) => {
    const { id, cursors } = await endedJob();
    const seen = await rest(await open({ query: JOB_EVENTS, variables: { id }, method }));
    expect(seen.map((one) => one.id)).toEqual(cursors);
  });

  test('of events', async () => {
    const { cursors } = await endedJob();
    const stream = await open({ query: EVENTS, variables: { after: cursors[0] } });
    const ids: unknown[] = [];
    while (ids.length < cursors.length - 1) ids.push((await next(stream))!.id);
    expect(ids).toEqual(cursors.slice(1));
  });

  test('also where the cursor is not asked for, or under another name', async () => {
    const { id, cursors } = await endedJob();
    for (const query of [
      'subscription ($id: ID!) { jobEvents(jobId: $id) { type } }',
      'subscription ($id: ID!) { x: jobEvents(jobId: $id) { cursor: type } }',
      'subscription ($id: ID!) { ...F } fragment F on Subscription { jobEvents(jobId: $id) { type } }',
    ]) {
      const blocks = await (await open({ query, variables: { id } })).rest();
      expect(blocks.map((block) => block.id)).toEqual([...cursors, undefined]);
    }
  });

  test('and job, deliveryAttempts and queries have none: there is nothing to resume', async () => {
    const receiver = await world.receiver();
    const attempts = await open({ query: 'subscription { deliveryAttempts { outcome } }' });
    const id = await world.submit({ ...pipeline, webhooks: { result: receiver.url } });
    const views = await (
      await open({ query: 'subscription ($id: ID!) { job(id: $id) { status } }', variables: { id } })
    ).rest();
    expect(views.length).toBeGreaterThan(1);
    const answers = await (await open({ query: '{ events { nodes { cursor } } }' })).rest();
    const attempt = (await attempts.event())!;
    expect(attempt.data).toContain('DELIVERED');
    for (const block of [...views, ...answers, attempt]) expect(block.text).not.toMatch(/^id/m);
  });
});

describe('Last-Event-ID', () => {
  test.each(methods)('by %s goes on behind that event, wherever it was', async (method) => {
    const { id, cursors } = await endedJob();
    for (const [index, cursor] of cursors.entries()) {
      const headers = { 'last-event-id': cursor };
      const seen = await rest(await open({ query: JOB_EVENTS, variables: { id }, method, headers }));
      expect(seen.map((one) => one.cursor)).toEqual(cursors.slice(index + 1));
    }
  });

  test('of events goes on with the events of the account', async () => {
    const { cursors } = await endedJob();
    const stream = await open({ query: EVENTS, headers: { 'last-event-id': cursors[1]! } });
    const later = (await endedJob()).cursors;
    const expected = [...cursors.slice(2), ...later];
    for (const cursor of expected) expect((await next(stream))!.cursor).toBe(cursor);
  });

  test('and after: the later of the two counts', async () => {
    const { id, cursors } = await endedJob();
    for (const [after, last] of [
      [1, 3],
      [3, 1],
      [2, 2],
    ] as const) {
      const stream = await open({
        query: JOB_EVENTS,
        variables: { id, after: cursors[after] },
        headers: { 'last-event-id': cursors[last]! },
      });
      const seen = await rest(stream);
      expect(seen.map((one) => one.cursor)).toEqual(cursors.slice(Math.max(after, last) + 1));
    }
  });

  test('counts beside an after that is written in the document', async () => {
    const { id, cursors } = await endedJob();
    const query = `subscription { jobEvents(jobId: "${id}", after: "${cursors[0]}") { cursor sequence } }`;
    const seen = await rest(await open({ query, headers: { 'last-event-id': cursors[2]! } }));
    expect(seen.map((one) => one.cursor)).toEqual(cursors.slice(3));
  });

  test('behind the event that ended the job completes at once', async () => {
    const { id, cursors } = await endedJob();
    const headers = { 'last-event-id': cursors.at(-1)! };
    const stream = await open({ query: JOB_EVENTS, variables: { id }, headers });
    expect(stream.status).toBe(200);
    expect(await stream.rest()).toMatchObject([{ event: 'complete', data: '' }]);
  });

  test.each([
    ['a word', 'nonsense'],
    ['a number', '7'],
    ['a quote', '"'],
    ['1,000 letters', 'x'.repeat(1_000)],
  ])('that is damaged (%s) is CURSOR_INVALID', async (_name, last) => {
    const { id } = await endedJob();
    for (const [query, variables] of [
      [JOB_EVENTS, { id }],
      [EVENTS, {}],
    ] as const) {
      const stream = await open({ query, variables, headers: { 'last-event-id': last } });
      const blocks = await stream.rest();
      expect(blocks).toHaveLength(2);
      expect(JSON.parse(blocks[0]!.data!)).toMatchObject({
        errors: [{ extensions: { code: 'CURSOR_INVALID' } }],
      });
    }
  });

  test('means nothing to what cannot be resumed', async () => {
    const { id } = await endedJob();
    const headers = { 'last-event-id': 'nonsense' };
    const query = 'subscription ($id: ID!) { job(id: $id) { status } }';
    expect(await (await open({ query, variables: { id }, headers })).rest()).toMatchObject([
      { event: 'next', data: '{"data":{"job":{"status":"COMPLETED"}}}' },
      { event: 'complete' },
    ]);
    expect((await world.graphql('{ __typename }', {}, headers)).data).toEqual({ __typename: 'Query' });
  });

  test('a reader that only knows ids misses nothing and sees nothing twice, across cuts and restarts', async () => {
    const id = await world.submit({
      name: 'long',
      nodes: [{ nodeName: 'a', algorithmName: 'nap', input: ['#[5,5,5,5,5,5]'] }],
    });
    const seen: Seen[] = [];
    let completed = false;
    // Two events at a time; a job of this size has some twenty.
    for (let cut = 0; !completed && cut < 30; cut++) {
      const last = seen.at(-1)?.id;
      const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last };
      const stream = await open({ query: JOB_EVENTS, variables: { id }, headers });
      for (let count = 0; !completed && count < 2; count++) {
        const one = await next(stream);
        if (one) seen.push(one);
        else completed = true;
      }
      stream.leave();
      if (cut === 1) await world.restart();
    }
    const all = await world.ended(id);
    expect(seen.map(({ sequence }) => sequence)).toEqual(all.map(({ sequence }) => sequence));
  });
});
