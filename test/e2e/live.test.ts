import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

interface Event {
  type: string;
  sequence: number;
  cursor: string;
}

const EVENTS =
  'subscription ($id: ID!, $after: Cursor) { jobEvents(jobId: $id, after: $after) { type sequence cursor } }';

describe('live events', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const pipeline = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'nap', input: ['#[5,5,5,5]'] }] };

  /** Reads server-sent events until the stream completes. */
  async function sse(query: string, variables: object): Promise<Event[]> {
    const response = await world.post(JSON.stringify({ query, variables }), { accept: 'text/event-stream' });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const text = await response.text();
    const blocks = text.split('\n\n').filter((block) => block.includes('event: next'));
    return blocks.map((block) => {
      const data = block.split('\n').find((line) => line.startsWith('data:'))!;
      return (JSON.parse(data.slice(5)) as { data: { jobEvents: Event } }).data.jobEvents;
    });
  }

  it('are the same over WebSocket, server-sent events and by query', async () => {
    const id = await world.submit(pipeline);
    const [socket, stream] = await Promise.all([world.ended(id), sse(EVENTS, { id })]);
    const { job } = await world.ask<{ job: { events: { nodes: Event[] }; cursor: string } }>(
      'query ($id: ID!) { job(id: $id) { cursor events(first: 100) { nodes { type sequence cursor } } } }',
      { id },
    );
    expect(socket).toEqual(job.events.nodes);
    expect(stream).toEqual(job.events.nodes);
    expect(job.cursor).toBe(socket.at(-1)!.cursor);
    expect(socket.at(-1)!.type).toBe('JOB_COMPLETED');
  });

  it('go on after any cursor, without a gap and without a repeat, also after a restart', async () => {
    const id = await world.submit(pipeline);
    const all = await world.ended(id);
    await world.restart();
    for (const [index, event] of all.entries()) {
      const rest = await world.follow<{ jobEvents: Event }>(EVENTS, { id, after: event.cursor });
      expect(rest.map((item) => item.jobEvents)).toEqual(all.slice(index + 1));
    }
  });

  it('of the account are one dense log that begins where the subscriber came in', async () => {
    const seen: Event[] = [];
    const subscribed = world
      .client()
      .iterate<{ events: Event }>({ query: 'subscription { events { type sequence cursor } }' });
    const first = subscribed.next();
    // The subscription is open once the server has said so: a first query on the same socket is answered after it.
    await world.follow<unknown>('subscription ($id: ID!) { jobEvents(jobId: $id) { type } }', {
      id: await world.submit(pipeline),
    });
    seen.push((await first).value!.data!.events);
    const id = await world.submit(pipeline);
    for await (const { data } of subscribed) {
      seen.push(data!.events);
      if (seen.filter((event) => event.type === 'JOB_COMPLETED').length === 2) break;
    }
    const log = await world.ask<{ events: { nodes: Event[] } }>(
      '{ events(first: 100) { nodes { type sequence cursor } } }',
    );
    const from = log.events.nodes.findIndex((event) => event.cursor === seen[0]!.cursor);
    expect(seen).toEqual(log.events.nodes.slice(from, from + seen.length));
    expect(id).toMatch(/^p:/);
  });

  it('show the job itself as it changes, its final state last', async () => {
    const id = await world.submit(pipeline);
    const states = await world.follow<{ job: { status: string; progress: { percent: number } } }>(
      'subscription ($id: ID!) { job(id: $id, intervalMs: 10) { status progress { percent } } }',
      { id },
    );
    const percents = states.map((state) => state.job.progress.percent);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(states.at(-1)!.job).toEqual({ status: 'COMPLETED', progress: { percent: 100 } });
  });

  it('refuse cursors that are damaged or foreign, and jobs that are not there', async () => {
    const id = await world.submit(pipeline);
    const errors = async (variables: Record<string, unknown>) => {
      const codes: unknown[] = [];
      try {
        for await (const result of world.client().iterate({ query: EVENTS, variables })) {
          codes.push(...(result.errors ?? []).map((error) => error.extensions?.['code']));
        }
      } catch (error) {
        for (const one of [error].flat() as { extensions?: { code?: string } }[])
          codes.push(one.extensions?.code);
      }
      return codes;
    };
    expect(await errors({ id, after: 'nonsense' })).toEqual(['CURSOR_INVALID']);
    expect(await errors({ id: 'p:01890a5d-ac96-774b-bcce-b302099a8057' })).toEqual(['NOT_FOUND']);
  });

  it('show every attempt to call a webhook', async () => {
    const receiver = await world.receiver();
    const attempts = world
      .client()
      .iterate<{ deliveryAttempts: { outcome: string; delivery: { event: { type: string } } } }>({
        query: 'subscription { deliveryAttempts { outcome delivery { event { type } } } }',
      });
    const first = attempts.next();
    const second = world.client();
    // A round trip on another socket: the first subscription has reached the server by then.
    for await (const _ of second.iterate({ query: '{ viewer { scopes } }' })) break;
    await world.submit({ ...pipeline, webhooks: { result: receiver.url } });
    expect((await first).value!.data).toEqual({
      deliveryAttempts: { outcome: 'DELIVERED', delivery: { event: { type: 'JOB_COMPLETED' } } },
    });
    await attempts.return?.(undefined);
  });
});
