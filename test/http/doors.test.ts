import { createHash } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiKey } from '../../src/account.js';
import { ACCOUNT, job } from '../support/api.js';
import { serve, source } from '../support/http.js';
import { exchange } from '../support/wire.js';
import { World } from '../support/world.js';

interface Route {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM = { accept: 'text/event-stream' };
const PREFLIGHT = { 'access-control-request-method': 'POST' };
const HANDSHAKE = {
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'graphql-transport-ws',
};
const MUTATION = '{"query":"mutation { __typename }"}';
const SUBSCRIPTION = '{"query":"subscription { job(id: \\"x\\") { number } }"}';

/** A request as a browser may send it: fetch forbids Host, Origin and WebSockets. */
function ask(port: number, { method = 'GET', path, headers = {}, body = '' }: Route) {
  const all = {
    host: `127.0.0.1:${port}`,
    ...headers,
    ...(body !== '' && { 'content-length': String(body.length) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return exchange(port, `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

const query: Route = { path: '/graphql?query={__typename}' };
const mutation: Route = { method: 'POST', path: '/graphql', headers: JSON_TYPE, body: MUTATION };
const stream: Route = {
  method: 'POST',
  path: '/graphql',
  headers: { ...JSON_TYPE, ...STREAM },
  body: SUBSCRIPTION,
};
const streamByGet: Route = { ...query, headers: STREAM };
const websocket: Route = { path: '/graphql', headers: HANDSHAKE };
const preflight: Route = { method: 'OPTIONS', path: '/graphql', headers: PREFLIGHT };
const routes: Route[] = [
  query,
  mutation,
  stream,
  streamByGet,
  websocket,
  preflight,
  { path: '/graphql', headers: { accept: 'text/html' } },
  { path: '/graphql', headers: { ...HANDSHAKE, upgrade: 'h2c' } },
  { path: '/nothing', headers: HANDSHAKE },
  { path: '/healthz' },
  { path: '/readyz' },
  { path: '/nothing' },
  { method: 'HEAD', path: '/nothing' },
];
const named = ({ method = 'GET', path, headers = {} }: Route) =>
  `${method} ${path} ${headers['accept'] ?? headers['upgrade'] ?? ''}`;

const ticking = {
  feed: {
    job: () => {
      const jobs = source([job(1)]);
      jobs.end();
      return jobs.source;
    },
  },
};

test.each<[string, Record<string, string>, string]>([
  ['a page of a foreign origin', { origin: 'https://evil.example' }, 'pages of "https://evil.example"'],
  [
    'a page of another server of this machine',
    { origin: 'http://127.0.0.1:1' },
    'pages of "http://127.0.0.1:1"',
  ],
  ['a page in a sandbox, or a file', { origin: 'null' }, 'pages of "null" are refused'],
  ['a page that has rebound its name', { host: 'evil.example' }, 'got "evil.example"'],
  ['one that says so', { host: 'evil.example', origin: 'http://evil.example' }, 'got "evil.example"'],
  ['a proxy', { via: '1.1 proxy' }, 'the header via must not be there'],
  ['the world behind a proxy', { 'x-real-ip': '203.0.113.7' }, 'the header x-real-ip must not be there'],
  [
    'what a foreign page embeds',
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    'not embed',
  ],
])('without keys, %s is refused at every door', async (_who, foreign, message) => {
  const { port } = await serve();
  for (const route of routes) {
    const { status, headers, text } = await ask(port, {
      ...route,
      headers: { ...route.headers, ...foreign },
    });
    expect(status, named(route)).toBe(403);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    if (route.method !== 'HEAD') {
      expect(JSON.parse(text).errors).toEqual([
        { message: expect.stringContaining(message), extensions: { code: 'FORBIDDEN' } },
      ]);
    }
  }
});

test.each([
  ['application/x-www-form-urlencoded', 'query=mutation%7B__typename%7D'],
  [
    'multipart/form-data; boundary=x',
    '--x\r\ncontent-disposition: form-data; name="query"\r\n\r\nmutation{__typename}\r\n--x--',
  ],
  ['text/plain', MUTATION],
  ['text/plain;application/json', MUTATION],
  ['', MUTATION],
])('without keys, what a form may send as %j is no request, even from our own page', async (type, body) => {
  const { port } = await serve();
  const form: Route = { method: 'POST', path: '/graphql', headers: { 'content-type': type }, body };
  const refused = await ask(port, form);
  expect(refused.status).toBe(415);
  expect(refused.headers['accept-post']).toBe('application/json, application/graphql+json');
  expect((await ask(port, { ...form, headers: { ...form.headers, origin: 'null' } })).status).toBe(403);
});

test('without keys, our own page may do everything', async () => {
  const { port } = await serve(ticking);
  const site = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' };
  for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
    const own = { ...site, host: `${name}:${port}`, origin: `http://${name}:${port}` };
    const as = (route: Route) => ask(port, { ...route, headers: { ...route.headers, ...own } });
    expect(await as(query)).toMatchObject({
      status: 200,
      text: expect.stringContaining('{"data":{"__typename":"Query"}'),
    });
    expect(await as(mutation)).toMatchObject({
      status: 200,
      text: expect.stringContaining('{"data":{"__typename":"Mutation"}'),
    });
    const events = await as(stream);
    expect(events.headers['content-type']).toBe('text/event-stream');
    expect(events.text).toContain('data: {"data":{"job":{"number":1}}}');
    expect((await as(websocket)).status).toBe(101);
  }
});

test('without keys, a link of another page leads to GraphiQL, and runs nothing', async () => {
  const { port } = await serve();
  const link = {
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': 'navigate',
    accept: 'text/html,*/*;q=0.8',
  };
  const { status, headers, text } = await ask(port, { ...query, headers: link });
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
  expect(headers['content-security-policy']).toBe("frame-ancestors 'none'");
  expect(text).toContain('<title>Carillon</title>');
});

const KEY = 'crl_geheim';
const authorization = `Bearer ${KEY}`;
const apiKey: ApiKey = {
  id: 'key_1',
  accountId: ACCOUNT.id,
  name: 'app',
  prefix: 'crl_ge',
  scopes: ['READ'],
  expiresAt: null,
  limits: { requestsPerSecond: null, sockets: null },
  revokedAt: null,
  lastUsedAt: null,
  createdAt: 0,
};
const withKeys = {
  ...ticking,
  store: {
    hasApiKeys: async () => true,
    apiKeyByHash: async (hash: string) =>
      hash === createHash('sha256').update(KEY).digest('hex') ? apiKey : null,
  },
};
const APP = 'https://app.example.com';
const allowed = { allowedOrigins: [APP, 'http://localhost:5173'] };
const READABLE = {
  'access-control-allow-origin': APP,
  'access-control-expose-headers': 'x-request-id, retry-after',
  vary: 'Origin',
};

test('an allowed page asks beforehand without a key, and learns what it may send', async () => {
  for (const backing of [withKeys, {}]) {
    const { port } = await serve(backing, allowed);
    const asked = { ...PREFLIGHT, 'access-control-request-headers': 'authorization,content-type' };
    const answer = await ask(port, { ...preflight, headers: { ...asked, origin: APP } });
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      ...READABLE,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, last-event-id, x-request-id',
      'access-control-max-age': '600',
    });
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
  }
});

test('an allowed page with a key may do everything, and read every answer', async () => {
  const { port } = await serve(withKeys, allowed);
  const own = { origin: APP, authorization, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };
  const as = (route: Route) => ask(port, { ...route, headers: { ...route.headers, ...own } });
  for (const route of routes.filter(({ headers = {} }) => headers['upgrade'] !== 'websocket')) {
    const { status, headers } = await as(route);
    expect(status, named(route)).toBe(route.path === '/nothing' ? 404 : route === preflight ? 204 : 200);
    expect(headers, named(route)).toMatchObject(READABLE);
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  }
  expect((await as(stream)).text).toContain('data: {"data":{"job":{"number":1}}}');
  expect((await as(websocket)).status).toBe(101);
});

test('an allowed page can read why it was refused, and when to come back', async () => {
  const { port, server } = await serve(withKeys, allowed);
  const as = (route: Route, more = {}) =>
    ask(port, { ...route, headers: { ...route.headers, origin: APP, ...more } });
  expect(await as(query)).toMatchObject({ status: 401, headers: READABLE });
  expect(await as(query, { authorization: 'Bearer wrong' })).toMatchObject({
    status: 401,
    headers: READABLE,
  });
  expect(await as({ ...mutation, headers: {} }, { authorization })).toMatchObject({
    status: 415,
    headers: READABLE,
  });
  expect(await as({ ...mutation, method: 'PUT' }, { authorization })).toMatchObject({
    status: 405,
    headers: READABLE,
  });
  server.drain();
  const down = await as(query, { authorization });
  expect(down).toMatchObject({ status: 503, headers: { ...READABLE, 'retry-after': '1' } });
});

test.each([
  'https://evil.example',
  'null',
  'https://app.example.com.evil.example',
  'http://app.example.com',
  `${APP}:8443`,
])(
  'with keys and allowed origins, pages of %s are refused at every door and read nothing',
  async (origin) => {
    const { port } = await serve(withKeys, allowed);
    for (const route of routes) {
      const { status, headers } = await ask(port, {
        ...route,
        headers: { ...route.headers, origin, authorization },
      });
      expect(status, named(route)).toBe(403);
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
      if (!('upgrade' in (route.headers ?? {}))) expect(headers['vary'], named(route)).toBe('Origin');
    }
  },
);

test('with keys, an answer to no page at all tells caches that one to a page may differ', async () => {
  const { port } = await serve(withKeys, allowed);
  const { status, headers } = await ask(port, { ...query, headers: { authorization } });
  expect(status).toBe(200);
  expect(headers['vary']).toBe('Origin');
  expect(headers).not.toHaveProperty('access-control-allow-origin');
});

test('with keys, a proxy may stand before the server, under a name of its own', async () => {
  const { port } = await serve(withKeys);
  const proxied = {
    host: 'carillon.example.com',
    origin: 'https://carillon.example.com',
    via: '1.1 proxy',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'https',
    authorization,
  };
  const as = (route: Route) => ask(port, { ...route, headers: { ...route.headers, ...proxied } });
  expect(await as(query)).toMatchObject({ status: 200 });
  expect(await as(stream)).toMatchObject({ status: 200 });
  expect(await as(websocket)).toMatchObject({ status: 101 });
});

test('the address that clients know is our own, whatever Host the proxy before us sends', async () => {
  const world = await World.open({ CARILLON_PUBLIC_URL: 'https://carillon.example.com/api' });
  onTestFinished(() => world.close());
  const from = async (origin: string) => (await world.post('{"query":"{__typename}"}', { origin })).status;
  expect(await from('https://carillon.example.com')).toBe(200);
  expect(await from('https://example.com')).toBe(403);
});
