import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { job } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { type Ask, type Block, EventStream } from '../support/event-stream.js';
import { serve, source } from '../support/http.js';
import { World } from '../support/world.js';

// Server-sent events by the distinct connections mode of graphql-sse, read off the wire.
// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

let world: World;
/** A job that has ended: its events are a stream that completes. */
let ended: string;

const pipeline = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo', input: ['x'] }] };
const JOB_EVENTS = 'subscription ($id: ID!) { jobEvents(jobId: $id) { sequence type } }';
const JOB = 'subscription { job(id: "x") { number } }';

beforeAll(async () => {
  world = await World.open();
  ended = await world.submit(pipeline);
  await world.ended(ended);
});
afterAll(() => world.close());

const open = (ask: Ask) => EventStream.open(world.url, ask);
const methods = ['POST', 'GET'] as const;

/** What the blocks say, having checked that they are said as the protocol wants it: next, next, …, complete. */
function results(blocks: Block[]): { data?: unknown; errors?: { extensions: { code: string } }[] }[] {
  expect(blocks.at(-1)).toMatchObject({ event: 'complete', data: '' });
  return blocks.slice(0, -1).map((block) => {
    expect(block.event).toBe('next');
    expect(block.text).toMatch(
      /^(id: ?[^\n]+\n)?event: next\n(id: ?[^\n]+\n)?data: \{[^\n]+\}(\nid: ?[^\n]+)?$/,
    );
    return JSON.parse(block.data!) as { data: unknown };
  });
}

async function logged(id: string): Promise<{ data: object }[]> {
  const { job: found } = await world.ask<{ job: { events: { nodes: object[] } } }>(
    'query ($id: ID!) { job(id: $id) { events(first: 100) { nodes { sequence type } } } }',
    { id },
  );
  return found.events.nodes.map((jobEvents) => ({ data: { jobEvents } }));
}

describe('a stream', () => {
  test.each(methods)('by %s is 200, its events as next, then complete, then its end', async (method) => {
    const stream = await open({ query: JOB_EVENTS, variables: { id: ended }, method });
    expect(stream.status).toBe(200);
    expect(stream.headers['content-type']).toMatch(/^text\/event-stream(; ?charset=utf-8)?$/);
    expect(stream.headers['cache-control']).toMatch(/no-cache|no-store/);
    expect(stream.headers['content-length']).toBeUndefined();
    expect(results(await stream.rest())).toEqual(await logged(ended));
    expect(stream.text).toMatch(/event: complete\ndata:[ ]?\n\n$/);
  });

  test.each(methods)('by %s tells each event as it happens', async (method) => {
    const jobs = source<ReturnType<typeof job>>();
    const { url } = await serve({ feed: { job: () => jobs.source } });
    const stream = await EventStream.open(`${url}/graphql`, { query: JOB, method });
    for (const n of [1, 2, 3]) {
      jobs.push(job(n));
      expect(JSON.parse((await stream.event())!.data!)).toEqual({ data: { job: { number: n } } });
    }
    jobs.end();
    expect(await stream.rest()).toMatchObject([{ event: 'complete', data: '' }]);
  });

  test('is answered before anything happens', async () => {
    const jobs = source<ReturnType<typeof job>>();
    const { url } = await serve({ feed: { job: () => jobs.source } });
    const stream = await EventStream.open(`${url}/graphql`, { query: JOB });
    expect([stream.status, stream.type]).toEqual([200, 'text/event-stream']);
  });

  test('keeps every event on one line of data, whatever is in it', async () => {
    const externalId = 'a\nb\r\nc\u2028d\u0000e\n\ndata: x\n\nevent: complete "ü🔔';
    const jobs = source<ReturnType<typeof job>>();
    const { url } = await serve({ feed: { job: () => jobs.source } });
    const stream = await EventStream.open(`${url}/graphql`, {
      query: 'subscription { job(id: "x") { externalId } }',
    });
    jobs.push(job(1, { externalId }));
    const block = (await stream.event())!;
    expect(block.text.split('\n').filter((line) => line.startsWith('data:'))).toHaveLength(1);
    expect(JSON.parse(block.data!)).toEqual({ data: { job: { externalId } } });
  });

  test('that has completed leaves its connection to the next request', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (let count = 0; count < 3; count++) {
      const stream = await open({ query: JOB_EVENTS, variables: { id: ended }, agent });
      expect(results(await stream.rest())).toHaveLength((await logged(ended)).length);
    }
  });

  test('that is silent is kept open by comments', async () => {
    const clock = new VirtualClock();
    const jobs = source<ReturnType<typeof job>>();
    const { url } = await serve({ clock, feed: { job: () => jobs.source } });
    const stream = await EventStream.open(`${url}/graphql`, { query: JOB });
    await jobs.followed;
    jobs.push(job(1));
    await stream.event();
    await clock.advance(30_000);
    const block = (await stream.block())!;
    expect(block.text).toMatch(/^:[^\n]*$/);
    expect(block).toEqual({ text: block.text });
    jobs.push(job(2));
    expect(JSON.parse((await stream.event())!.data!)).toEqual({ data: { job: { number: 2 } } });
  });

  test.each(methods)('by %s that its reader leaves ends its source, and no other', async (method) => {
    const sources = new Map(['a', 'b'].map((id) => [id, source<ReturnType<typeof job>>()]));
    const { url } = await serve({ feed: { job: (_account, id) => sources.get(id)!.source } });
    const [a, b] = await Promise.all(
      ['a', 'b'].map((id) =>
        EventStream.open(`${url}/graphql`, { query: `subscription { job(id: "${id}") { number } }`, method }),
      ),
    );
    await Promise.all([...sources.values()].map(({ followed }) => followed));
    a!.leave();
    await sources.get('a')!.left;
    sources.get('b')!.push(job(2));
    expect(JSON.parse((await b!.event())!.data!)).toEqual({ data: { job: { number: 2 } } });
  });

  test('that two ask for is whole for each, and stays with one when the other leaves', async () => {
    const query = 'subscription ($after: Cursor!) { events(after: $after) { jobId } }';
    const after = (await world.ended(await world.submit(pipeline))).at(-1)!.cursor;
    const [a, b] = await Promise.all([
      open({ query, variables: { after } }),
      open({ query, variables: { after } }),
    ]);
    const first = await world.submit(pipeline);
    for (const stream of [a, b]) expect((await stream.event())!.data).toContain(first);
    a.leave();
    const second = await world.submit(pipeline);
    for (;;) if ((await b.event())!.data!.includes(second)) break;
  });
});

describe('what is no subscription', () => {
  test.each(methods)(
    'a query by %s that accepts nothing but a stream is one next and complete',
    async (method) => {
      const stream = await open({ query: '{ __typename }', method });
      expect([stream.status, stream.type]).toEqual([200, 'text/event-stream']);
      expect(results(await stream.rest())).toEqual([{ data: { __typename: 'Query' } }]);
    },
  );

  const SUBMIT = `mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }`;
  const count = async () =>
    (await world.ask<{ jobs: { nodes: object[] } }>('{ jobs(first: 100) { nodes { id } } }')).jobs.nodes
      .length;

  test('a mutation by POST is one next and complete', async () => {
    const stream = await open({ query: SUBMIT, variables: { d: pipeline } });
    expect(results(await stream.rest())).toEqual([
      { data: { submitDescriptor: { job: { id: expect.stringMatching(/^p:/) } } } },
    ]);
  });

  test('a mutation by GET is not run', async () => {
    const before = await count();
    const stream = await open({ query: SUBMIT, variables: { d: pipeline }, method: 'GET' });
    expect(stream.status).toBe(405);
    expect(await count()).toBe(before);
  });
});

describe('what cannot run is told in the stream, since that is what the reader accepts', () => {
  test.each([
    ['a syntax error', '{', {}, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown subscription', 'subscription { nothing }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['a document too deep', '{ a '.repeat(300), {}, 'LIMIT_REACHED'],
    ['a missing variable', JOB_EVENTS, {}, 'BAD_USER_INPUT'],
    ['an unknown job', JOB_EVENTS, { id: 'p:01890a5d-ac96-774b-bcce-b302099a8057' }, 'NOT_FOUND'],
    ['a damaged cursor', 'subscription { events(after: "x") { id } }', {}, 'CURSOR_INVALID'],
  ])('%s is 200, one next with errors, and complete', async (_name, query, variables, code) => {
    for (const method of methods) {
      const stream = await open({ query, variables, method });
      expect([stream.status, stream.type]).toEqual([200, 'text/event-stream']);
      const told = results(await stream.rest());
      expect(told).toMatchObject([{ errors: [{ extensions: { code } }] }]);
      expect(told[0]).not.toHaveProperty('data.jobEvents');
      expect(stream.text).not.toMatch(/"http"|stack|node_modules/);
    }
  });

  test('a request without a key is refused before there is a stream', async () => {
    const { url } = await serve({ store: { hasApiKeys: async () => true, apiKeyByHash: async () => null } });
    const stream = await EventStream.open(`${url}/graphql`, { query: JOB });
    expect([stream.status, stream.type]).toEqual([401, 'application/json']);
    expect(await stream.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  test('a body that is no JSON is an error with a reason', async () => {
    const response = await world.post('{"query":', { accept: 'text/event-stream' });
    const text = await response.text();
    expect(text).toContain('the body must be JSON');
  });
});

describe('Accept', () => {
  const urql =
    'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
  const apollo = 'application/graphql-response+json,application/json;q=0.9';

  test.each([
    ['urql’s', urql, 'application/graphql-response+json'],
    ['Apollo’s', apollo, 'application/graphql-response+json'],
    ['Apollo’s for @defer', 'multipart/mixed;deferSpec=20220824,application/json', 'application/json'],
    ['fetch’s', '*/*', 'application/json'],
    ['Relay’s', 'application/json', 'application/json'],
  ])('%s gets queries and mutations as JSON', async (_name, accept, type) => {
    for (const [query, name] of [
      ['{ __typename }', 'Query'],
      ['mutation { __typename }', 'Mutation'],
    ]) {
      const answer = await open({ query: query!, accept });
      expect([answer.status, answer.type]).toEqual([200, type]);
      expect(await answer.json()).toEqual({ data: { __typename: name } });
    }
  });

  test.each([
    ['urql’s for everything', urql],
    ['urql’s for subscriptions', 'text/event-stream, multipart/mixed'],
    ['a browser’s EventSource', 'text/event-stream'],
    ['one in capitals with weights', 'Text/Event-Stream;q=0.9, application/json;q=0.5'],
  ])('%s gets subscriptions as a stream', async (_name, accept) => {
    for (const method of methods) {
      const stream = await open({ query: JOB_EVENTS, variables: { id: ended }, accept, method });
      expect([stream.status, stream.type]).toEqual([200, 'text/event-stream']);
      expect(results(await stream.rest())).toEqual(await logged(ended));
    }
  });

  test('of nothing that can stream gets no stream, but an answer that ends', async () => {
    for (const accept of ['application/json', apollo, '*/*']) {
      const answer = await open({ query: JOB_EVENTS, variables: { id: ended }, accept });
      expect(answer.type).not.toBe('text/event-stream');
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      await answer.rest().catch(() => {});
      expect(answer.text).not.toContain('sequence');
    }
  });
});
