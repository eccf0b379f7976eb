import { expect, test } from 'vitest';
import { post, send, serve, source } from '../support/http.js';
import { exchange, wire } from '../support/wire.js';

const HOST = 'Host: localhost\r\n';
const keyed = { store: { hasApiKeys: async () => true, apiKeyByHash: async () => null } };
const refusal = (code: string, message: string) => ({
  errors: [{ message: expect.stringContaining(message), extensions: { code } }],
});

test.each([
  ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'one Host header, got none'],
  ['two Hosts', `GET /healthz HTTP/1.1\r\n${HOST}Host: evil.example\r\n\r\n`, 400, 'one Host header, got 2'],
  ['two equal Hosts', `GET /healthz HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400, 'one Host header, got 2'],
  [
    'a Host that is none',
    'GET /healthz HTTP/1.1\r\nHost: a b/c\r\n\r\n',
    400,
    'a name and a port, got "a b/c"',
  ],
  ['a Host with a user', 'GET /healthz HTTP/1.1\r\nHost: x@localhost\r\n\r\n', 400, 'a name and a port'],
  ['a target that is no path', `GET healthz HTTP/1.1\r\n${HOST}\r\n`, 400, ''],
  ['a target for OPTIONS alone', `GET * HTTP/1.1\r\n${HOST}\r\n`, 400, 'must be a path, got "*"'],
  ['a target with a user', `GET http://a@localhost/healthz HTTP/1.1\r\n${HOST}\r\n`, 400, 'must be a path'],
  [
    'a target of another scheme',
    `GET ftp://localhost/healthz HTTP/1.1\r\n${HOST}\r\n`,
    400,
    'must be a path',
  ],
  ['a path with a backslash', `GET //\\x HTTP/1.1\r\n${HOST}\r\n`, 400, 'the target is no URL'],
  ['an expectation', `GET /healthz HTTP/1.1\r\n${HOST}Expect: miracles\r\n\r\n`, 417, 'got "miracles"'],
  ['no HTTP', 'HELO localhost\r\n\r\n', 400, 'this is no HTTP/1.1'],
  ['TLS', '\x16\x03\x01\x02\x00\x01\r\n\r\n', 400, 'this is no HTTP/1.1'],
  [
    'two lengths',
    `POST /graphql HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'this is no HTTP/1.1',
  ],
  ['large headers', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'at most 16 KiB'],
  ['a tunnel', `CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n`, 405, 'this server is no proxy'],
  [
    'a broken length',
    `POST /graphql HTTP/1.1\r\n${HOST}Content-Length: x\r\n\r\n`,
    400,
    'this is no HTTP/1.1',
  ],
])('a request with %s is refused in JSON, with or without keys', async (_name, text, status, message) => {
  for (const backing of [{}, keyed]) {
    const { port } = await serve(backing);
    const refused = await exchange(port, text);
    expect(refused.status).toBe(status);
    expect(refused.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(refused.text.length),
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/),
      date: expect.stringMatching(/GMT$/),
    });
    expect(JSON.parse(refused.text)).toEqual(
      refusal(status === 431 ? 'LIMIT_REACHED' : 'BAD_USER_INPUT', message),
    );
  }
});

test.each([
  ['an empty Host', 'GET /healthz HTTP/1.1\r\nHost:\r\n\r\n'],
  ['an empty Host and a port', 'GET /healthz HTTP/1.1\r\nHost: :4000\r\n\r\n'],
  ['no Host in HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n'],
  ['a foreign Host', 'GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
  ['a foreign Host in other letters', 'GET /healthz HTTP/1.1\r\nHost: Carillon_1.internal.\r\n\r\n'],
  ['a target of a foreign authority', `GET http://evil.example/healthz HTTP/1.1\r\n${HOST}\r\n`],
])('%s is refused without keys, and served with them', async (_name, text) => {
  const refused = await exchange((await serve()).port, text);
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.text)).toEqual(
    refusal('FORBIDDEN', 'without API keys only this machine is served'),
  );
  expect(await exchange((await serve(keyed)).port, text)).toMatchObject({
    status: 200,
    text: '{"status":"ok"}',
  });
});

test.each([
  ['a second Host', 'Host: evil.example', 400],
  ['what a proxy tells of itself', 'X-Forwarded-For: 192.0.2.1', 403],
  ['the Origin of another page', 'Origin: https://evil.example', 403],
])('%s is seen behind thousands of headers', async (_name, header, status) => {
  const { port } = await serve();
  const many = 'a:b\r\n'.repeat(3_000);
  const text = `GET /healthz HTTP/1.1\r\n${HOST}${many}${header}\r\n\r\n`;
  expect((await exchange(port, text)).status).toBe(status);
});

test('a target in absolute form outweighs the Host', async () => {
  const { port } = await serve();
  for (const target of [
    'http://localhost/healthz',
    'http://127.0.0.1:4000/healthz?x=1',
    'HTTP://[::1]/healthz',
  ]) {
    const { status } = await exchange(port, `GET ${target} HTTP/1.1\r\nHost: evil.example\r\n\r\n`);
    expect(status).toBe(200);
  }
  const query = `GET http://localhost/graphql?query={__typename} HTTP/1.1\r\n${HOST}\r\n`;
  expect((await exchange(port, query)).text).toContain('{"data":{"__typename":"Query"}');
});

test.each([
  ['*', 'GET, HEAD, POST, OPTIONS'],
  ['/graphql', 'GET, HEAD, POST, OPTIONS'],
  ['/healthz', 'GET, HEAD, OPTIONS'],
  ['/readyz', 'GET, HEAD, OPTIONS'],
])('OPTIONS %s tells its methods, also while the server goes down', async (target, allow) => {
  const { port, server } = await serve(keyed);
  const ask = () => exchange(port, `OPTIONS ${target} HTTP/1.1\r\n${HOST}\r\n`);
  expect(await ask()).toMatchObject({ status: 204, headers: { allow } });
  server.drain();
  expect(await ask()).toMatchObject({ status: 204, headers: { allow } });
});

test.each([
  ['PUT', '/graphql', 405, 'GET, HEAD, POST, OPTIONS'],
  ['DELETE', '/graphql', 405, 'GET, HEAD, POST, OPTIONS'],
  ['POST', '/healthz', 405, 'GET, HEAD, OPTIONS'],
  ['DELETE', '/readyz', 405, 'GET, HEAD, OPTIONS'],
  ['POST', '/nothing', 404, undefined],
  ['OPTIONS', '/nothing', 404, undefined],
])('%s %s is %i and tells what is allowed', async (method, path, status, allow) => {
  const { url } = await serve();
  const refused = await send(`${url}${path}`, { method });
  expect(refused.status).toBe(status);
  expect(refused.headers['allow']).toBe(allow);
  expect(refused.json).toEqual(refusal(status === 404 ? 'NOT_FOUND' : 'BAD_USER_INPUT', method));
});

test('a mutation by GET is 405 and tells that POST is the way', async () => {
  const { url } = await serve();
  const refused = await send(`${url}/graphql?query=mutation{__typename}`, { method: 'GET' });
  expect(refused).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  expect(refused.json).toEqual(refusal('BAD_USER_INPUT', 'mutation'));
});

test('a subscription to which no stream was allowed is 406, tells how to ask, and follows nothing', async () => {
  let asked = 0;
  const { url } = await serve({
    feed: {
      job: () => {
        asked++;
        return source<never>().source;
      },
    },
  });
  const subscription = 'subscription{job(id:7){number}}';
  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }] as Record<string, string>[]) {
    for (const { status, json } of [
      await send(`${url}/graphql?query=${subscription}`, { method: 'GET', headers }),
      await post(url, subscription, headers),
    ]) {
      expect(status).toBe(406);
      expect(json).toEqual(refusal('BAD_USER_INPUT', 'Accept: text/event-stream'));
      expect(asked).toBe(0);
    }
  }
});

test.each(['gzip', 'br', 'identity, gzip', 'GZIP'])('a body of the coding %s is 415', async (coding) => {
  const { url } = await serve();
  const { status, headers, json } = await send(`${url}/graphql`, {
    headers: { 'content-type': 'application/json', 'content-encoding': coding },
    body: '{"query":"{__typename}"}',
  });
  expect(status).toBe(415);
  expect(headers['accept-encoding']).toBe('identity');
  expect(json).toEqual(refusal('BAD_USER_INPUT', `must be identity or absent, got "${coding}"`));
});

test('a body of the coding identity is read', async () => {
  const { url } = await serve();
  const { status } = await send(`${url}/graphql`, {
    headers: { 'content-type': 'application/json', 'content-encoding': 'Identity' },
    body: '{"query":"{__typename}"}',
  });
  expect(status).toBe(200);
});

test.each([
  '/healthz',
  '/readyz',
  '/nothing',
  '/graphql?query={__typename}',
  '/graphql?query=subscription{job(id:7){number}}',
])('HEAD %s is answered as GET is, without the body', async (path) => {
  const { port } = await serve({ feed: { job: () => source<never>().source } });
  const { send: write, answer } = wire(port);
  write(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
  const got = await answer();
  write(`HEAD ${path} HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`);
  const head = await answer({ head: true });
  expect(head.status).toBe(got.status);
  expect(head.headers['content-type']).toBe(got.headers['content-type']);
  // Nothing of a body is left over: the next answer starts where this one ended.
  write(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`);
  expect((await answer()).text).toBe('{"status":"ok"}');
});

test('HEAD of the page GraphiQL has its headers', async () => {
  const { port } = await serve();
  const { status, headers } = await exchange(
    port,
    `HEAD /graphql HTTP/1.1\r\n${HOST}Accept: text/html\r\n\r\n`,
  );
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "frame-ancestors 'none'",
  });
});

test('a body that would be refused is not asked for', async () => {
  const { port } = await serve({}, { maxBodyBytes: 1_000 });
  const post = (more: string) =>
    exchange(
      port,
      `POST /graphql HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nExpect: 100-continue\r\n${more}\r\n`,
    );
  expect((await post('Content-Length: 1001\r\n')).status).toBe(413);
  expect((await post('Content-Length: 10\r\nContent-Encoding: gzip\r\n')).status).toBe(415);
  expect((await post('Content-Length: 10\r\nOrigin: https://evil.example\r\n')).status).toBe(403);
  expect((await post('Content-Length: 10\r\n')).status).toBe(100);
});

test('each way to answer says that browsers must not guess, and none names the server', async () => {
  const { port, server } = await serve();
  const requests = [
    `GET /graphql HTTP/1.1\r\n${HOST}Accept: text/html\r\n\r\n`,
    `GET /graphql?query={__typename} HTTP/1.1\r\n${HOST}\r\n`,
    `GET /graphql?query={nothing} HTTP/1.1\r\n${HOST}\r\n`,
    `GET /graphql?query={__typename} HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`,
    `OPTIONS /graphql HTTP/1.1\r\n${HOST}\r\n`,
    `GET /healthz HTTP/1.1\r\n${HOST}\r\n`,
    `GET /readyz HTTP/1.1\r\n${HOST}\r\n`,
    `GET /nothing HTTP/1.1\r\n${HOST}\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
    'nonsense\r\n\r\n',
  ];
  const safe = async (text: string) => {
    const { headers } = await exchange(port, text);
    expect(headers['x-content-type-options'], text).toBe('nosniff');
    expect(headers['x-request-id'], text).toBeDefined();
    expect(Object.keys(headers).filter((name) => /^(server|x-powered-by)$/.test(name))).toEqual([]);
  };
  for (const text of requests) await safe(text);
  server.drain();
  const { headers, status } = await exchange(port, `GET /readyz HTTP/1.1\r\n${HOST}\r\n`);
  expect([status, headers['retry-after'], headers['x-content-type-options']]).toEqual([503, '1', 'nosniff']);
});

test('nonsense behind half an answer closes the connection and is not answered into it', async () => {
  const jobs = source<never>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const { send: write, socket, closed } = wire(port);
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  const query = 'query=subscription{job(id:"x"){number}}';
  write(`GET /graphql?${query} HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`);
  await jobs.followed;
  if (got === '') await new Promise((resolve) => socket.once('data', resolve));
  write('nonsense\r\n\r\n');
  await closed();
  expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test('with keys, every method that needs one says how to send it', async () => {
  const { url } = await serve(keyed);
  for (const method of ['GET', 'HEAD', 'POST']) {
    const { status, headers } = await send(`${url}/graphql?query={__typename}`, {
      method,
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    });
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe('Bearer');
  }
});
