import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from 'ws';
import { job } from '../support/api.js';
import { later, post, serve, source } from '../support/http.js';
import { type Message, PROTOCOL, RawSocket } from '../support/raw-socket.js';
import { World } from '../support/world.js';

// graphql-transport-ws by its letter, spoken by hand: what no client library would do, and what the server owes each.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

let world: World;
/** A job that has ended: its events are a stream that completes. */
let ended: string;
/** A place in the log: a stream from here on is told of the next job, however late it is opened. */
let now: string;

const pipeline = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo', input: ['x'] }] };
const JOB_EVENTS = 'subscription ($id: ID!) { jobEvents(jobId: $id) { sequence type } }';
const EVENTS = 'subscription ($after: Cursor!) { events(after: $after) { jobId cursor } }';
const HELLO = [
  { type: 'next', id: 'hello', payload: { data: { __typename: 'Query' } } },
  { type: 'complete', id: 'hello' },
];

beforeAll(async () => {
  world = await World.open();
  ended = await world.submit(pipeline);
  now = (await world.ended(ended)).at(-1)!.cursor;
});
afterAll(() => world.close());

const hello = (socket: RawSocket) => socket.run('hello', '{ __typename }');

/** A socket with a stream on it that stays open. */
async function streaming(id = 'live'): Promise<RawSocket> {
  const socket = await RawSocket.ready(world.url);
  socket.subscribe(id, EVENTS, { after: now });
  return socket;
}

/** The stream still tells what happens. */
async function expectAlive(socket: RawSocket, id = 'live'): Promise<void> {
  const jobId = await world.submit(pipeline);
  for (;;) {
    const message = await socket.next(id);
    expect(message.type).toBe('next');
    const { events } = (message.payload as { data: { events: { jobId: string; cursor: string } } }).data;
    if (events.jobId !== jobId) continue;
    // So that later streams need not tell of all these jobs.
    now = events.cursor;
    return;
  }
}

describe('the handshake', () => {
  /** What the server says to an upgrade: its sub-protocol, and the code it closes with right away. */
  async function upgrade(protocols: string | undefined): Promise<{ protocol?: string; code: number }> {
    const call = request(world.url, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.alloc(16, 7).toString('base64'),
        ...(protocols !== undefined && { 'sec-websocket-protocol': protocols }),
      },
    });
    call.end();
    const [response, socket, head] = (await once(call, 'upgrade')) as [
      { headers: Record<string, string> },
      Socket,
      Buffer,
    ];
    onTestFinished(() => void socket.destroy());
    let bytes = head;
    while (bytes.length < 4) bytes = Buffer.concat([bytes, ...((await once(socket, 'data')) as [Buffer])]);
    const protocol = response.headers['sec-websocket-protocol'];
    // A close frame: its first two bytes of content are the code.
    return {
      ...(protocol !== undefined && { protocol }),
      code: bytes[0] === 0x88 ? bytes.readUInt16BE(2) : 0,
    };
  }

  test.each([undefined, 'graphql-ws', 'graphql-transport-ws2', 'soap, mqtt'])(
    'without the sub-protocol graphql-transport-ws (%s) ends with 4406',
    async (protocols) => {
      expect(await upgrade(protocols)).toEqual({ code: 4406 });
    },
  );

  test('finds the sub-protocol among others', async () => {
    const socket = await RawSocket.connect(world.url, ['soap', PROTOCOL, 'graphql-ws']);
    expect(socket.socket.protocol).toBe(PROTOCOL);
    socket.send({ type: 'connection_init' });
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
  });

  test('waits three seconds for connection_init, whatever else is said, and then ends with 4408', async () => {
    const silent = await RawSocket.connect(world.url);
    const chatty = await RawSocket.connect(world.url);
    const good = await RawSocket.ready(world.url);
    expect(await chatty.untilPong()).toEqual([]);
    for (const socket of [silent, chatty]) {
      expect(await socket.closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
    }
    expect(await hello(good)).toEqual(HELLO);
  });

  test.each([{ payload: {} }, { payload: null }, { payload: { anything: [1] } }, {}])(
    'is acknowledged once, with parameters or without: %j',
    async (init) => {
      const socket = await RawSocket.connect(world.url);
      socket.send({ type: 'connection_init', ...init });
      expect(await socket.next()).toEqual({ type: 'connection_ack' });
      expect(await socket.untilPong()).toEqual([]);
    },
  );

  test('a second connection_init ends with 4429, before the acknowledgement as after it', async () => {
    const early = await RawSocket.connect(world.url);
    early.send({ type: 'connection_init' }, { type: 'connection_init' });
    expect(await early.closed).toMatchObject({ code: 4429 });
    const late = await RawSocket.ready(world.url);
    late.send({ type: 'connection_init' });
    expect(await late.closed).toEqual({ code: 4429, reason: 'Too many initialisation requests' });
  });

  test('an operation before the acknowledgement ends with 4401', async () => {
    const subscribe = { id: '1', type: 'subscribe', payload: { query: '{ __typename }' } };
    const uninvited = await RawSocket.connect(world.url);
    uninvited.send(subscribe);
    expect(await uninvited.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
    const hasty = await RawSocket.connect(world.url);
    hasty.send({ type: 'connection_init' }, subscribe);
    expect(await hasty.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
    expect(hasty.texts.join()).not.toContain('"id"');
  });

  test('a key that is not known ends with 4401, without an acknowledgement', async () => {
    const { url } = await serve({
      store: { hasApiKeys: async () => true, apiKeyByHash: async () => null },
    });
    const socket = await RawSocket.connect(`${url}/graphql`);
    socket.send({ type: 'connection_init', payload: { authorization: 'Bearer wrong' } });
    expect(await socket.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
    expect(socket.texts).toEqual([]);
  });
});

describe('a message that breaks the protocol ends its socket with 4400, and no other', () => {
  const subscribe = (changes: object) => ({
    id: '1',
    type: 'subscribe',
    payload: { query: '{ __typename }' },
    ...changes,
  });
  const query = (changes: object) => subscribe({ payload: { query: '{ __typename }', ...changes } });

  const broken: [string, object | string][] = [
    ['nothing', ''],
    ['no JSON', '{"type":"ping"'],
    ['two messages in one', '{"type":"ping"}{"type":"ping"}'],
    ['a list', '[{"type":"ping"}]'],
    ['null', 'null'],
    ['a number', '7'],
    ['a string', '"ping"'],
    ['no type', {}],
    ['a type that is no string', { type: 7 }],
    ['a type that is null', { type: null }],
    ['a type in the wrong case', { type: 'Ping' }],
    ['a type of another protocol', { type: 'start', id: '1', payload: { query: '{ __typename }' } }],
    ['a type that every object has', { type: 'constructor' }],
    ['the type __proto__', '{"type":"__proto__"}'],
    ['a type in the prototype', '{"__proto__":{"type":"ping"}}'],
    ['subscribe without id', subscribe({ id: undefined })],
    ['subscribe with an id that is a number', subscribe({ id: 1 })],
    ['subscribe with an id that is null', subscribe({ id: null })],
    ['subscribe with an id that is a list', subscribe({ id: ['1'] })],
    ['subscribe with an empty id', subscribe({ id: '' })],
    ['subscribe without payload', subscribe({ payload: undefined })],
    ['subscribe with a payload that is null', subscribe({ payload: null })],
    ['subscribe with a payload that is a list', subscribe({ payload: [] })],
    ['subscribe with a payload that is a string', subscribe({ payload: '{ __typename }' })],
    ['subscribe without query', subscribe({ payload: {} })],
    ['subscribe with a query that is no string', query({ query: { a: 1 } })],
    ['subscribe with variables that are a list', query({ variables: [] })],
    ['subscribe with variables that are a string', query({ variables: '{}' })],
    ['subscribe with an operationName that is no string', query({ operationName: 7 })],
    ['subscribe with extensions that are a list', query({ extensions: [] })],
    ['complete without id', { type: 'complete' }],
    ['complete with an id that is a number', { type: 'complete', id: 7 }],
    ['complete with an empty id', { type: 'complete', id: '' }],
    ['ping with a payload that is a string', { type: 'ping', payload: 'x' }],
    ['ping with a payload that is a list', { type: 'ping', payload: [] }],
    ['pong with a payload that is a number', { type: 'pong', payload: 7 }],
    ['connection_ack, which is the server’s', { type: 'connection_ack' }],
    ['next, which is the server’s', { type: 'next', id: 'live', payload: { data: {} } }],
    ['error, which is the server’s', { type: 'error', id: 'live', payload: [{ message: 'x' }] }],
    ['next of an operation that is not there', { type: 'next', id: 'no', payload: { data: {} } }],
  ];

  test.each(broken)('%s', async (_name, message) => {
    const other = await streaming();
    const socket = await streaming();
    await socket.untilPong();
    socket.send(message);
    const { code, reason } = await socket.closed;
    expect(code).toBe(4400);
    expect(reason).not.toMatch(/Error|at .*\.[jt]s|[/\\]/);
    await expectAlive(other);
  });

  test('parameters of the connection that are no object', async () => {
    for (const payload of ['x', 7, [], true]) {
      const socket = await RawSocket.connect(world.url);
      socket.send({ type: 'connection_init', payload });
      expect(await socket.closed).toMatchObject({ code: 4400 });
    }
  });

  test('bytes that are no text', async () => {
    const socket = await RawSocket.ready(world.url);
    socket.socket.send(Buffer.from([0, 1, 2, 0xff, 0xfe]), { binary: true });
    expect(await socket.closed).toMatchObject({ code: 4400 });
  });
});

describe('frames', () => {
  test('a message may come in fragments', async () => {
    const socket = await RawSocket.ready(world.url);
    socket.socket.send('{"type":"pi', { fin: false });
    socket.socket.send('ng"}', { fin: true });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });

  test('a binary frame with a good message is taken or ends with 4400, and says nothing in between', async () => {
    const socket = await RawSocket.ready(world.url);
    socket.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
    const outcome = await Promise.race([socket.next(), socket.closed]).catch(() => socket.closed);
    if ('code' in outcome) expect(outcome.code).toBe(4400);
    else {
      expect(outcome).toEqual({ type: 'pong' });
      expect(await hello(socket)).toEqual(HELLO);
    }
  });

  test('text that is not UTF-8 ends with 1007', async () => {
    const socket = await RawSocket.ready(world.url);
    socket.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
    expect(await socket.closed).toMatchObject({ code: 1007 });
  });
});

describe('ping and pong', () => {
  test.each([{ a: [1, { b: 'ü' }] }, { '': null }, {}])(
    'a ping is answered with its payload %j',
    async (payload) => {
      const socket = await RawSocket.ready(world.url);
      socket.send({ type: 'ping', payload });
      expect(await socket.next()).toEqual({ type: 'pong', payload });
    },
  );

  test('a ping without payload is answered without, also before the acknowledgement', async () => {
    const socket = await RawSocket.connect(world.url);
    socket.send({ type: 'ping' }, { type: 'ping', payload: null });
    for (let count = 0; count < 2; count++) {
      const { type, payload } = await socket.next();
      expect([type, payload ?? null]).toEqual(['pong', null]);
    }
  });

  test('a pong that nobody asked for is ignored', async () => {
    const socket = await RawSocket.connect(world.url);
    socket.send({ type: 'pong' }, { type: 'connection_init' });
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
    socket.send({ type: 'pong', payload: { a: 1 } }, { type: 'pong', payload: null });
    expect(await socket.untilPong()).toEqual([]);
    expect(await hello(socket)).toEqual(HELLO);
  });
});

describe('ids', () => {
  test.each([
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['hasOwnProperty', 'hasOwnProperty'],
    ['a space', ' '],
    ['0', '0'],
    ['quotes and line ends', 'a"b\\c\r\n'],
    ['NUL', '\u0000'],
    ['a line separator', '\u2028'],
    ['half a character', '\ud800'],
    ['400 bytes of bells', '🔔'.repeat(100)],
  ])('%s names an operation like any other', async (_name, id) => {
    const socket = await RawSocket.ready(world.url);
    socket.subscribe(id, EVENTS, { after: now });
    await expectAlive(socket, id);
    socket.send({ type: 'complete', id });
    expect((await socket.untilPong()).filter((message) => message.type !== 'next')).toEqual([]);
    expect(await socket.run(id, '{ __typename }')).toEqual([
      { type: 'next', id, payload: { data: { __typename: 'Query' } } },
      { type: 'complete', id },
    ]);
  });

  test.each(['1', '__proto__', 'constructor'])('%j twice at a time ends with 4409', async (id) => {
    const socket = await streaming(id);
    socket.subscribe(id, '{ __typename }');
    expect(await socket.closed).toEqual({ code: 4409, reason: `Subscriber for ${id} already exists` });
  });

  test('an id twice in one breath ends with 4409 too', async () => {
    const socket = await RawSocket.ready(world.url);
    const subscribe = { id: '1', type: 'subscribe', payload: { query: '{ __typename }' } };
    socket.send(subscribe, subscribe);
    expect(await socket.closed).toMatchObject({ code: 4409 });
  });

  test('an id may be used again once its operation has completed, failed, or been completed', async () => {
    const socket = await RawSocket.ready(world.url);
    for (let count = 0; count < 3; count++) {
      expect(await socket.run('hello', '{ __typename }')).toEqual(HELLO);
      expect(await socket.run('hello', '{ nothing }')).toMatchObject([{ type: 'error' }]);
      expect((await socket.run('hello', JOB_EVENTS, { id: ended })).at(-1)).toMatchObject({
        type: 'complete',
      });
      socket.subscribe('hello', EVENTS, { after: now });
      await expectAlive(socket, 'hello');
      socket.send({ type: 'complete', id: 'hello' });
      await socket.untilPong();
    }
  });

  test('sockets know nothing of each other’s ids', async () => {
    const [a, b] = [await streaming('1'), await streaming('1')];
    await expectAlive(a, '1');
    a.send({ type: 'complete', id: '1' });
    await a.untilPong();
    await expectAlive(b, '1');
  });
});

describe('complete', () => {
  test('of an id that is not there is ignored', async () => {
    const socket = await streaming();
    for (const id of ['nobody', '__proto__', 'constructor', 'x'.repeat(400)])
      socket.send({ type: 'complete', id });
    await expectAlive(socket);
    expect(await hello(socket)).toEqual(HELLO);
    socket.send({ type: 'complete', id: 'hello' });
    await expectAlive(socket);
  });

  test('in the middle of a stream is its last word: nothing of that id follows, not even a complete', async () => {
    const socket = await streaming('a');
    socket.subscribe('b', EVENTS, { after: now });
    await expectAlive(socket, 'a');
    socket.send({ type: 'complete', id: 'a' });
    await socket.untilPong();
    const read = socket.texts.length;
    await expectAlive(socket, 'b');
    expect(socket.texts.slice(read).filter((text) => text.includes('"id":"a"'))).toEqual([]);
    socket.send({ type: 'complete', id: 'a' });
    expect(await hello(socket)).toEqual(HELLO);
  });

  test('in the same breath as its subscribe gives no message of that id, and its source ends', async () => {
    const left = later<void>();
    const opened = source<ReturnType<typeof job>>();
    const other = source<ReturnType<typeof job>>();
    const { url } = await serve({
      feed: { job: (_account, id) => (id === 'a' ? opened : other).source },
    });
    // A server may not have asked for the source at all, or must give it back.
    opened.followed.then(() => opened.left).then(left.resolve, left.resolve);
    const socket = await RawSocket.ready(`${url}/graphql`);
    const subscribe = (id: string) => ({
      id,
      type: 'subscribe',
      payload: { query: `subscription { job(id: "${id}") { number } }` },
    });
    socket.send(subscribe('a'), { id: 'a', type: 'complete' }, subscribe('b'));
    await other.followed;
    opened.push(job(1));
    other.push(job(2));
    expect(await socket.next()).toEqual({ id: 'b', type: 'next', payload: { data: { job: { number: 2 } } } });
    other.end();
    expect(await socket.next()).toEqual({ id: 'b', type: 'complete' });
    expect(await socket.untilPong()).toEqual([]);
    if (opened.reads() > 0) await left.promise;
  });

  test('while the right to subscribe is still looked up gives no message of that id', async () => {
    const asked = later<void>();
    const go = later<void>();
    let hold = false;
    const jobs = source<ReturnType<typeof job>>();
    const { url } = await serve({
      store: {
        hasApiKeys: async () => {
          if (hold) {
            asked.resolve();
            await go.promise;
          }
          return false;
        },
      },
      feed: { job: () => jobs.source },
    });
    const socket = await RawSocket.ready(`${url}/graphql`);
    hold = true;
    socket.subscribe('1', 'subscription { job(id: "x") { number } }');
    // A server that need not look it up again has nothing to wait for.
    await Promise.race([asked.promise, jobs.followed]);
    socket.send({ type: 'complete', id: '1' });
    await socket.untilPong();
    hold = false;
    go.resolve();
    jobs.push(job(1));
    await socket.run('hello', '{ __typename }');
    if (jobs.reads() > 0) await jobs.left;
    expect(await socket.untilPong()).toEqual([]);
    expect(socket.texts.filter((text) => text.includes('"id":"1"'))).toEqual([]);
  });

  test('while a query runs gives no message of that id', async () => {
    const running = later<void>();
    const go = later<void>();
    const { url } = await serve({
      store: {
        job: async () => {
          running.resolve();
          await go.promise;
          return job(1);
        },
      },
    });
    const socket = await RawSocket.ready(`${url}/graphql`);
    const query = '{ job(id: "x") { number } }';
    socket.subscribe('1', query);
    await running.promise;
    socket.send({ type: 'complete', id: '1' });
    await socket.untilPong();
    go.resolve();
    expect(await socket.run('2', query)).toHaveLength(2);
    expect(socket.texts.filter((text) => text.includes('"id":"1"'))).toEqual([]);
  });
});

describe('operations', () => {
  test('a stream is each event in order, then complete, then nothing', async () => {
    const socket = await RawSocket.ready(world.url);
    const messages = await socket.run('1', JOB_EVENTS, { id: ended });
    const { job: logged } = await world.ask<{ job: { events: { nodes: object[] } } }>(
      'query ($id: ID!) { job(id: $id) { events { nodes { sequence type } } } }',
      { id: ended },
    );
    expect(messages).toEqual([
      ...logged.events.nodes.map((jobEvents) => ({
        id: '1',
        type: 'next',
        payload: { data: { jobEvents } },
      })),
      { id: '1', type: 'complete' },
    ]);
    expect(await socket.untilPong()).toEqual([]);
  });

  test('queries and mutations are one answer and complete', async () => {
    const socket = await RawSocket.ready(world.url);
    const submitted = await socket.run(
      '1',
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { code } } }',
      { d: pipeline },
    );
    expect(submitted).toEqual([
      {
        id: '1',
        type: 'next',
        payload: { data: { submitDescriptor: { job: { id: expect.any(String) }, userErrors: [] } } },
      },
      { id: '1', type: 'complete' },
    ]);
    const { data } = submitted[0]!.payload as { data: { submitDescriptor: { job: { id: string } } } };
    const { id } = data.submitDescriptor.job;
    expect(await socket.run('2', 'query ($id: ID!) { job(id: $id) { id } }', { id })).toEqual([
      { id: '2', type: 'next', payload: { data: { job: { id } } } },
      { id: '2', type: 'complete' },
    ]);
  });

  test('operationName chooses among the operations of a document', async () => {
    const socket = await RawSocket.ready(world.url);
    const query = `query A { a: __typename } query B { b: __typename } ${JOB_EVENTS.replace('(', 'C (')}`;
    const ask = (id: string, operationName: string | null) =>
      socket.send({ id, type: 'subscribe', payload: { query, operationName, variables: { id: ended } } });
    ask('1', 'B');
    expect(await socket.rest('1')).toMatchObject([
      { payload: { data: { b: 'Query' } } },
      { type: 'complete' },
    ]);
    ask('2', 'C');
    expect((await socket.rest('2'))[0]).toMatchObject({ payload: { data: { jobEvents: { sequence: 1 } } } });
    expect(await hello(socket)).toEqual(HELLO);
  });

  /** An operation that never ran: one `error`, or what a client takes for it as well. */
  function expectRefused(messages: Message[]): { message: string; extensions: { code: string } }[] {
    const [first, second, ...more] = messages;
    expect(more).toEqual([]);
    if (second) expect([first!.type, second.type]).toEqual(['next', 'complete']);
    else expect(first!.type).toBe('error');
    const errors = second ? (first!.payload as { errors: unknown }).errors : first!.payload;
    expect(errors).toMatchObject([{ message: expect.any(String), extensions: { code: expect.any(String) } }]);
    return errors as { message: string; extensions: { code: string } }[];
  }

  test.each([
    ['a syntax error', '{', {}, 'GRAPHQL_PARSE_FAILED'],
    ['an empty document', '', {}, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{ nothing }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['an unknown subscription', 'subscription { nothing }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'a subscription to two things',
      'subscription { events { id } jobEvents(jobId: "x") { id } }',
      {},
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['an unknown job', JOB_EVENTS, { id: 'p:01890a5d-ac96-774b-bcce-b302099a8057' }, 'NOT_FOUND'],
    ['a damaged cursor', EVENTS, { after: 'nonsense' }, 'CURSOR_INVALID'],
  ])('%s is one error message, and the socket goes on', async (_name, query, variables, code) => {
    const socket = await streaming();
    const messages = await socket.run('1', query, variables);
    expect(messages).toMatchObject([{ type: 'error', payload: [{ extensions: { code } }] }]);
    expect(JSON.stringify(messages)).not.toMatch(/"http"|stack|node_modules/);
    expect((await socket.untilPong()).filter((message) => message.id !== 'live')).toEqual([]);
    await expectAlive(socket);
  });

  test('variables that do not fit are errors before anything runs', async () => {
    const socket = await streaming();
    for (const query of [JOB_EVENTS, 'query ($id: ID!) { job(id: $id) { id } }']) {
      for (const variables of [{}, { id: null }, { id: { a: 1 } }]) {
        const [error] = expectRefused(await socket.run('1', query, variables));
        expect(error!.message).toMatch(/Variable "\$id"|ID cannot represent value/);
      }
    }
    await expectAlive(socket);
  });

  test('a field that fails is told beside the data, and the operation completes', async () => {
    const { url } = await serve({
      store: {
        job: async () => {
          throw new Error('geheim');
        },
      },
    });
    const socket = await RawSocket.ready(`${url}/graphql`);
    expect(await socket.run('1', '{ a: __typename job(id: "x") { id } }')).toMatchObject([
      {
        type: 'next',
        payload: {
          data: { a: 'Query', job: null },
          errors: [{ path: ['job'], extensions: { code: 'INTERNAL' } }],
        },
      },
      { type: 'complete' },
    ]);
  });

  test('a source that throws is one error message; others on the socket go on', async () => {
    const calm = source<ReturnType<typeof job>>();
    const wild = source<ReturnType<typeof job>>();
    const { url, log } = await serve({
      feed: { job: (_account, id) => (id === 'calm' ? calm : wild).source },
    });
    const socket = await RawSocket.ready(`${url}/graphql`);
    const query = 'subscription ($id: ID!) { job(id: $id) { number } }';
    socket.subscribe('calm', query, { id: 'calm' });
    socket.subscribe('wild', query, { id: 'wild' });
    await Promise.all([calm.followed, wild.followed]);
    wild.push(job(1));
    expect(await socket.next()).toMatchObject({ id: 'wild', type: 'next' });
    wild.fail(new Error('geheim'));
    const requestId = expect.any(String);
    expect(await socket.next()).toMatchObject({
      id: 'wild',
      type: 'error',
      payload: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL', requestId } }],
    });
    calm.push(job(2));
    expect(await socket.next()).toMatchObject({
      id: 'calm',
      type: 'next',
      payload: { data: { job: { number: 2 } } },
    });
    expect(socket.texts.join()).not.toContain('geheim');
    expect(JSON.stringify(log.lines.map((line) => String(line.facts['err'])))).toContain('geheim');
    // The id is free again.
    expect(await socket.run('wild', '{ __typename }')).toHaveLength(2);
  });

  test('a hundred run at once, the next is refused, and one that completes makes room', async () => {
    const socket = await RawSocket.ready(world.url);
    const after = (await world.ended(await world.submit(pipeline))).at(-1)!.cursor;
    const ids = Array.from({ length: 100 }, (_, index) => `op-${index}`);
    for (const id of ids) {
      socket.subscribe(id, EVENTS, { after });
      await socket.untilPong();
    }
    const refused = [{ type: 'error', payload: [{ extensions: { code: 'LIMIT_REACHED' } }] }];
    expect(await hello(socket)).toMatchObject(refused);
    const jobId = await world.submit(pipeline);
    const told = new Set<string>();
    while (told.size < ids.length) {
      const message = await socket.next();
      expect(message.type).toBe('next');
      if (JSON.stringify(message).includes(jobId)) told.add(message.id!);
    }
    expect(await hello(socket)).toMatchObject(refused);
    socket.send({ type: 'complete', id: ids[0] });
    await socket.untilPong();
    expect(await hello(socket)).toEqual(HELLO);
    const other = await RawSocket.ready(world.url);
    expect(await hello(other)).toEqual(HELLO);
  });
});

describe('errors are the same as over HTTP, byte for byte but the request id', () => {
  const bytes = (errors: unknown) =>
    JSON.stringify(errors).replace(/"requestId":"[^"]+"/g, '"requestId":"…"');

  const failing = {
    store: {
      job: async () => {
        throw new Error('no such table: jobs');
      },
    },
  };

  test.each([
    ['a masked failure', '{ a: __typename job(id: "x") { id } }'],
    ['two masked failures', '{ a: job(id: "x") { id } b: job(id: "y") { id } }'],
    ['an unknown field', '{ jobz { id } }'],
    ['several unknown things', 'query ($x: Nope) { jobz { id } viewer { nope } job { id } }'],
    ['a missing variable', 'query ($id: ID!) { job(id: $id) { id } }'],
    ['a value that does not fit', '{ jobs(first: "x") { nodes { id } } }'],
    ['an argument out of bounds', '{ jobs(first: 1000) { nodes { id } } }'],
    ['a document too deep', `{ ${'a { '.repeat(300)}`],
  ])('%s', async (_name, query) => {
    const { url } = await serve(failing);
    const { json } = await post(url, query);
    const socket = await RawSocket.ready(`${url}/graphql`);
    const [first] = await socket.run('1', query);
    const payload = first!.payload as { data?: unknown; errors?: unknown };
    const errors = Array.isArray(payload) ? payload : payload.errors;
    expect(errors).toBeDefined();
    expect(bytes(errors)).toBe(bytes(json.errors));
    expect(payload.data).toEqual(json.data);
  });

  test.each([
    ['a source that fails', 'subscription { jobEvents(jobId: "x") { id } }'],
    ['an unknown subscription', 'subscription { nope { id } }'],
  ])('%s, against server-sent events', async (_name, query) => {
    const { url } = await serve(failing);
    const { text } = await post(url, query, { accept: 'text/event-stream' });
    const data = /^data: (.+)$/m.exec(text)![1]!;
    const socket = await RawSocket.ready(`${url}/graphql`);
    const [first] = await socket.run('1', query);
    expect(first!.type).toBe('error');
    expect(bytes(first!.payload)).toBe(bytes((JSON.parse(data) as { errors: unknown }).errors));
  });
});

describe('the end of a socket', () => {
  const query = 'subscription ($id: ID!) { job(id: $id) { number } }';

  test.each([
    ['closes', (socket: WebSocket) => socket.close(1000)],
    ['closes without a code', (socket: WebSocket) => socket.close()],
    ['closes with a code of its own', (socket: WebSocket) => socket.close(4499, 'Terminated')],
    ['vanishes', (socket: WebSocket) => socket.terminate()],
  ])('a client that %s ends every source it had', async (_name, leave) => {
    const sources = new Map(['a', 'b', 'c'].map((id) => [id, source<ReturnType<typeof job>>()]));
    const { url } = await serve({ feed: { job: (_account, id) => sources.get(id)!.source } });
    const socket = await RawSocket.ready(`${url}/graphql`);
    for (const id of sources.keys()) socket.subscribe(id, query, { id });
    await Promise.all([...sources.values()].map(({ followed }) => followed));
    leave(socket.socket);
    await Promise.all([...sources.values()].map(({ left }) => left));
  });

  test('a client that leaves takes nothing from one that asked for the same', async () => {
    const [a, b] = [await streaming(), await streaming()];
    await expectAlive(a);
    await expectAlive(b);
    a.socket.terminate();
    await a.closed;
    await expectAlive(b);
  });

  test('when the server stops, every socket is told 1001 and to go elsewhere: idle, busy or not yet greeted', async () => {
    const own = await World.open();
    onTestFinished(() => own.close());
    const mute = await RawSocket.connect(own.url);
    const idle = await RawSocket.ready(own.url);
    const busy = await RawSocket.ready(own.url);
    busy.subscribe('1', 'subscription { events { id } }');
    await busy.run('2', '{ __typename }');
    const stopped = own.app.close();
    for (const socket of [mute, idle, busy]) expect(await socket.closed).toMatchObject({ code: 1001 });
    await stopped;
  });

  test('errors on sockets are no errors of the server', async () => {
    const { url, log } = await serve();
    for (const message of [
      'nonsense',
      '{"type":"next","id":"1","payload":{}}',
      '{"type":"error","id":"1"}',
    ]) {
      const socket = await RawSocket.ready(`${url}/graphql`);
      socket.send(message);
      await socket.closed;
    }
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect((await post(url, '{ __typename }')).status).toBe(200);
  });
});
