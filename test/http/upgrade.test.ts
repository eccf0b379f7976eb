import { expect, test } from 'vitest';
import { job } from '../support/api.js';
import { later, serve } from '../support/http.js';
import { exchange, wire } from '../support/wire.js';

const H2C =
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n';
const BODY = '{"query":"{__typename}"}';
const JSON_TYPE = 'Content-Type: application/json\r\n';
const GET = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const POST = (more: string, body: string) =>
  `POST /graphql HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}${more}\r\n${body}`;
const SIZED = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const CHUNKS = `a\r\n${BODY.slice(0, 10)}\r\n${(BODY.length - 10).toString(16)}\r\n${BODY.slice(10)}\r\n0\r\n\r\n`;
const WEBSOCKET =
  'Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n';

test.each([
  ['h2c, as curl and Java offer it', H2C],
  ['in other letters', 'connection: upgrade\r\nupgrade: H2C\r\n'],
  ['of TLS', 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n'],
  ['with an empty name', 'Connection: upgrade\r\nUpgrade:\r\n'],
  ['on two lines', 'Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: foo/2\r\n'],
])('an upgrade %s is ignored, and the request served as it is', async (_name, offer) => {
  const { port } = await serve();
  expect(await exchange(port, GET('/healthz', offer))).toMatchObject({
    status: 200,
    text: '{"status":"ok"}',
  });
  for (const [framing, body] of [
    [SIZED, BODY],
    [CHUNKED, CHUNKS],
  ] as const) {
    const { status, text } = await exchange(port, POST(`${offer}${framing}`, body));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ data: { __typename: 'Query' } });
  }
});

test('a body that comes after its headers belongs to the request whose upgrade was ignored', async () => {
  const { port, log } = await serve();
  const { send, answer } = wire(port);
  send(POST(`${H2C}Expect: 100-continue\r\n${SIZED}`, ''));
  expect((await answer()).status).toBe(100);
  send(BODY.slice(0, 5));
  send(BODY.slice(5));
  expect((await answer()).text).toContain('"Query"');
  expect(log.lines.filter(({ message }) => message === 'upgrade')).toEqual([]);
});

test('no number of headers hides the length behind them: the body is never taken for a request', async () => {
  const { port, log } = await serve();
  const { send, answer } = wire(port);
  const within = GET('/healthz');
  send(POST(`${H2C}${'a:b\r\n'.repeat(2_000)}Content-Length: ${within.length}\r\n`, within));
  expect((await answer()).status).toBe(400);
  send(POST(SIZED, BODY));
  expect((await answer()).text).toContain('"Query"');
  expect(log.lines.filter(({ facts }) => facts['path'] === '/healthz')).toEqual([]);
});

test('a connection on which every request offers h2c stays open, and gathers nothing', async () => {
  const warnings: string[] = [];
  const hear = ({ message }: Error) => warnings.push(message);
  process.on('warning', hear);
  const { port } = await serve();
  const { send, answer, socket } = wire(port);
  const from = await new Promise((resolve) => socket.once('connect', () => resolve(socket.localPort)));
  for (let turn = 0; turn < 30; turn++) {
    send(turn % 3 === 0 ? GET('/healthz') : POST(`${H2C}${SIZED}`, BODY));
    expect((await answer()).status).toBe(200);
  }
  expect(socket.localPort).toBe(from);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', hear);
  expect(warnings).toEqual([]);
});

test('requests sent without waiting are answered in order, whatever upgrades they offer', async () => {
  const go = later<void>();
  const running = later<void>();
  const { port } = await serve({
    store: {
      job: async () => {
        running.resolve();
        await go.promise;
        return job(7);
      },
    },
  });
  const { send, answer } = wire(port);
  const slow = '{"query":"{ job(id: \\"x\\") { number } }"}';
  send(
    POST(`Content-Length: ${slow.length}\r\n`, slow) +
      GET('/healthz', H2C) +
      POST(`${H2C}${SIZED}`, BODY) +
      GET('/graphql', `${WEBSOCKET}Upgrade: websocket\r\n`),
  );
  await running.promise;
  go.resolve();
  expect((await answer()).text).toContain('"number":7');
  expect((await answer()).text).toBe('{"status":"ok"}');
  expect((await answer()).text).toContain('"Query"');
  expect((await answer()).status).toBe(101);
});

test('HTTP/1.0 knows no upgrades, so they are ignored there', async () => {
  const { port } = await serve();
  const request = `GET /healthz HTTP/1.0\r\nHost: localhost\r\n${WEBSOCKET}Upgrade: websocket\r\n\r\n`;
  expect(await exchange(port, request)).toMatchObject({ status: 200, text: '{"status":"ok"}' });
});

test.each(['websocket', 'WebSocket', 'h2c, websocket', 'websocket, foo/1'])(
  'Upgrade: %s opens a WebSocket',
  async (name) => {
    const { port } = await serve();
    const { status, headers } = await exchange(port, GET('/graphql', `${WEBSOCKET}Upgrade: ${name}\r\n`));
    expect(status).toBe(101);
    expect(headers['sec-websocket-protocol']).toBe('graphql-transport-ws');
  },
);

test.each([
  ['no key', WEBSOCKET.replace(/Sec-WebSocket-Key.*\r\n/, ''), 400, 'Sec-WebSocket-Key'],
  ['a damaged key', WEBSOCKET.replace('dGhl', ''), 400, 'Sec-WebSocket-Key'],
  ['no version', WEBSOCKET.replace(/Sec-WebSocket-Version.*\r\n/, ''), 426, 'must be 13, got nothing'],
  ['another version', WEBSOCKET.replace(': 13', ': 99'), 426, 'must be 13, got "99"'],
])('a WebSocket handshake with %s is refused as JSON', async (_name, headers, status, message) => {
  const { port } = await serve();
  const { send, answer, closed } = wire(port);
  send(GET('/graphql', `${headers}Upgrade: websocket\r\n`));
  const refused = await answer();
  expect(refused.status).toBe(status);
  expect(refused.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'x-request-id': expect.stringMatching(/./),
    ...(status === 426 && { 'sec-websocket-version': '13' }),
  });
  expect(JSON.parse(refused.text).errors).toEqual([
    { message: expect.stringContaining(message), extensions: { code: 'BAD_USER_INPUT' } },
  ]);
  await closed();
});

test('a refused WebSocket is told when to come back', async () => {
  const { port, server } = await serve();
  server.drain();
  const refused = await exchange(port, GET('/graphql', `${WEBSOCKET}Upgrade: websocket\r\n`));
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
});

test('a client that is refused a WebSocket and stays does not hold the server open', async () => {
  const { port, server } = await serve();
  const { send, answer, socket } = wire(port);
  socket.allowHalfOpen = true;
  send(GET('/nothing', `${WEBSOCKET}Upgrade: websocket\r\n`));
  expect((await answer()).status).toBe(404);
  await server.close(30_000);
});

test.each([
  ['a request', GET('/healthz', H2C)],
  ['a WebSocket', GET('/graphql', `${WEBSOCKET}Upgrade: websocket\r\n`)],
])('%s that waits behind one that never ends does not hold the server open', async (_name, waiting) => {
  const running = later<void>();
  const { port, server } = await serve({
    store: {
      job: () => {
        running.resolve();
        return new Promise(() => {});
      },
    },
  });
  const { send, closed } = wire(port);
  const slow = '{"query":"{ job(id: \\"x\\") { number } }"}';
  send(POST(`Content-Length: ${slow.length}\r\n`, slow) + waiting);
  await running.promise;
  await server.close(10);
  await closed();
});
