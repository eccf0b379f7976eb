import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { job } from '../support/api.js';
import { later, post, serve, source } from '../support/http.js';
import { type Message, RawSocket } from '../support/raw-socket.js';
import { World } from '../support/world.js';

// What falls between the lines of graphql-transport-ws: messages in one breath, and ids that come back at once.

let world: World;
let after: string;
const pipeline = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo', input: ['x'] }] };
const EVENTS = 'subscription ($after: Cursor!) { events(after: $after) { jobId } }';
const JOB = 'subscription ($id: ID!) { job(id: $id) { number } }';

beforeAll(async () => {
  world = await World.open();
  after = (await world.ended(await world.submit(pipeline))).at(-1)!.cursor;
});
afterAll(() => world.close());

const subscribe = (id: string, query: string, variables: object = {}) => ({
  id,
  type: 'subscribe',
  payload: { query, variables },
});
const number = (id: string, n: number) => ({ id, type: 'next', payload: { data: { job: { number: n } } } });

describe('an id that comes back at once', () => {
  /** A server whose job subscriptions are fed by hand, one source for each job asked for. */
  async function fed() {
    const sources = new Map<string, ReturnType<typeof source<ReturnType<typeof job>>>>();
    const of = (id: string) => {
      if (!sources.has(id)) sources.set(id, source());
      return sources.get(id)!;
    };
    const { url } = await serve({ feed: { job: (_account, id) => of(id).source } });
    return { of, socket: await RawSocket.ready(`${url}/graphql`) };
  }

  test('behind the complete of a running operation is a new one, which lives', async () => {
    const { of, socket } = await fed();
    socket.subscribe('1', JOB, { id: 'a' });
    await of('a').followed;
    of('a').push(job(1));
    expect(await socket.next()).toEqual(number('1', 1));
    socket.send({ id: '1', type: 'complete' }, subscribe('1', JOB, { id: 'b' }));
    await Promise.all([of('a').left, of('b').followed]);
    of('b').push(job(2));
    expect(await socket.next()).toEqual(number('1', 2));
    of('b').end();
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    expect(await socket.untilPong()).toEqual([]);
  });

  test('behind the complete of one that is still prepared is a new one, and the first says nothing', async () => {
    const { of, socket } = await fed();
    socket.send(
      subscribe('1', JOB, { id: 'a' }),
      { id: '1', type: 'complete' },
      subscribe('1', JOB, { id: 'b' }),
    );
    await of('b').followed;
    of('a').push(job(1));
    of('b').push(job(2));
    expect(await socket.next()).toEqual(number('1', 2));
    of('b').end();
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    expect(await socket.untilPong()).toEqual([]);
    if (of('a').reads() > 0) await of('a').left;
  });

  test('behind the complete of a query that still runs has its own answer, and only that', async () => {
    const gates = new Map(
      ['first', 'second'].map((id) => [id, { running: later<void>(), go: later<void>() }]),
    );
    const { url } = await serve({
      store: {
        job: async (_account, id) => {
          const { running, go } = gates.get(id)!;
          running.resolve();
          await go.promise;
          return job(id === 'first' ? 1 : 2);
        },
      },
    });
    const socket = await RawSocket.ready(`${url}/graphql`);
    const query = 'query ($id: ID!) { job(id: $id) { number } }';
    socket.subscribe('1', query, { id: 'first' });
    await gates.get('first')!.running.promise;
    socket.send({ id: '1', type: 'complete' }, subscribe('1', query, { id: 'second' }));
    await gates.get('second')!.running.promise;
    gates.get('first')!.go.resolve();
    // Time enough for the first to be told: a whole other operation.
    socket.subscribe('2', '{ __typename }');
    for (const type of ['next', 'complete']) expect(await socket.next()).toMatchObject({ id: '2', type });
    gates.get('second')!.go.resolve();
    expect(await socket.rest('1')).toMatchObject([number('1', 2), { id: '1', type: 'complete' }]);
    expect(await socket.untilPong()).toEqual([]);
  });
});

test('of a hundred and one operations in one breath a hundred run, and the last is refused', async () => {
  const socket = await RawSocket.ready(world.url);
  const ids = Array.from({ length: 101 }, (_, index) => `op-${index}`);
  socket.send(...ids.map((id) => subscribe(id, EVENTS, { after })));
  const first = await socket.next();
  expect(first).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'LIMIT_REACHED' } }] });
  const running = ids.filter((id) => id !== first.id);
  const jobId = await world.submit(pipeline);
  const told = new Set<string>();
  while (told.size < running.length) {
    const message = await socket.next();
    expect(message.type).toBe('next');
    if (JSON.stringify(message).includes(jobId)) told.add(message.id!);
  }
  expect(told).toEqual(new Set(running));
});

test('a breath of more operations than may run at once, which all end, is answered in full but for those above', async () => {
  const socket = await RawSocket.ready(world.url);
  const ids = Array.from({ length: 300 }, (_, index) => `op-${index}`);
  socket.send(...ids.map((id) => subscribe(id, '{ __typename }')));
  const ends: Message[] = [];
  while (ends.length < ids.length) {
    const message = await socket.next();
    if (message.type !== 'next') ends.push(message);
  }
  expect(new Set(ends.map(({ id }) => id))).toEqual(new Set(ids));
  expect(ends.filter(({ type }) => type === 'complete').length).toBeGreaterThanOrEqual(100);
  expect(await socket.run('more', '{ __typename }')).toMatchObject([{ type: 'next' }, { type: 'complete' }]);
});

test.each([
  ['400 letters', 'x'.repeat(400)],
  ['100 letters of four bytes', '🔔'.repeat(100)],
])('an id of %s twice at a time ends with 4409 like any other', async (_name, id) => {
  const socket = await RawSocket.ready(world.url);
  socket.send(subscribe(id, EVENTS, { after }), subscribe(id, '{ __typename }'));
  expect(await socket.closed).toMatchObject({ code: 4409 });
});

test('an id of more than 1,000 characters is not kept: 4400', async () => {
  const socket = await RawSocket.ready(world.url);
  expect(await socket.run('x'.repeat(1_000), '{ __typename }')).toHaveLength(2);
  socket.send(subscribe('x'.repeat(1_001), '{ __typename }'));
  expect(await socket.closed).toEqual({
    code: 4400,
    reason: 'Invalid message received: id above 1000 characters',
  });
});

test.each([
  ['in its document', { query: `${EVENTS} #${'x'.repeat(66_000)}`, variables: { after: null } }],
  ['in its variables', { query: EVENTS, variables: { after: 'x'.repeat(66_000) } }],
  ['beside them', { query: EVENTS, variables: { after: null }, extensions: { x: 'x'.repeat(66_000) } }],
])(
  'a subscription that brings much %s is refused, since it would be kept; a query may',
  async (_name, payload) => {
    const socket = await RawSocket.ready(world.url);
    socket.send({ id: 'a', type: 'subscribe', payload });
    expect(await socket.next('a')).toMatchObject({
      type: 'error',
      payload: [
        {
          message: expect.stringMatching(
            /^the request of a subscription must have at most 65536 characters, with all that is sent along, got 66\d{3}: /,
          ),
          extensions: { code: 'LIMIT_REACHED' },
        },
      ],
    });
    socket.send({ id: 'b', type: 'subscribe', payload: { ...payload, query: '{ __typename }' } });
    expect(await socket.next('b')).toMatchObject({ type: 'next' });
    const stream = await fetch(world.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(payload),
    });
    expect(await stream.text()).toContain('"LIMIT_REACHED"');
  },
);

test('a ping nested deeper than can be told back is the client’s fault: 4400', async () => {
  const { url, log } = await serve();
  const socket = await RawSocket.ready(`${url}/graphql`);
  socket.send(`{"type":"ping","payload":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`);
  expect(await socket.closed).toMatchObject({ code: 4400 });
  expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('variables nested 200,000 levels deep are an error of their operation alone', async () => {
  const socket = await RawSocket.ready(world.url);
  const id = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const query = 'query ($id: ID!) { job(id: $id) { id } }';
  socket.send(`{"id":"1","type":"subscribe","payload":{"query":"${query}","variables":{"id":${id}}}}`);
  expect(JSON.stringify(await socket.rest('1'))).toContain('ID cannot represent value');
  expect(await socket.run('2', '{ __typename }')).toHaveLength(2);
});

test.each([
  ['an operation that the document has not', 'query A { __typename }', 'B'],
  ['no operation named of two', 'query A { __typename } query B { __typename }', undefined],
  ['a syntax error', '{ a(b: ', undefined],
])('%s is the same error as over HTTP', async (_name, query, operationName) => {
  const { url } = await serve();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, operationName }),
  });
  const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
  const socket = await RawSocket.ready(`${url}/graphql`);
  socket.send({ id: '1', type: 'subscribe', payload: { query, operationName } });
  const [first] = await socket.rest('1');
  const payload = first!.payload as { errors?: unknown };
  expect(Array.isArray(payload) ? payload : payload.errors).toEqual(errors);
  expect(errors[0]!.extensions.code).toMatch(/^[A-Z_]+$/);
});

test('a syntax error says where, over HTTP too', async () => {
  const { url } = await serve();
  const { json } = await post(url, '{ a(b: ');
  expect(json.errors).toMatchObject([{ locations: [{ line: 1, column: 8 }] }]);
});
