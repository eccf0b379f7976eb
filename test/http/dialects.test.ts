import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { expect, test } from 'vitest';
import type { ApiKey, Scope } from '../../src/account.js';
import { type Call, type Dialect, Refused, type Route } from '../../src/dialect.js';
import { ProblemError, UnavailableError } from '../../src/errors.js';
import type { HttpServerOptions } from '../../src/http/server.js';
import { NO_LIMITS } from '../../src/limits.js';
import { ACCOUNT } from '../support/api.js';
import { type Sent, send, serve } from '../support/http.js';
import { wire } from '../support/wire.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const KEY = 'crl_geheim';
const withKey = (...scopes: Scope[]) => {
  const apiKey: ApiKey = {
    id: 'key_1',
    accountId: ACCOUNT.id,
    name: 'ci',
    prefix: 'crl_ge',
    scopes,
    expiresAt: null,
    lastUsedAt: null,
    limits: { requestsPerSecond: null, sockets: null },
    revokedAt: null,
    createdAt: 0,
  };
  return {
    hasApiKeys: async () => true,
    account: async () => ({ ...ACCOUNT }),
    apiKeyByHash: async (hash: string) =>
      hash === createHash('sha256').update(KEY).digest('hex') ? apiKey : null,
  };
};

/** A dialect that answers what it was asked, and fails as it is told. */
function dialect(changes: Partial<Dialect> = {}): Dialect {
  const echo = async ({ params, query, body, accountId }: Call) => ({
    json: { params, query: Object.fromEntries(query), body, accountId },
  });
  const route = (method: Route['method'], path: string, run: Route['run'], scope: Scope = 'READ'): Route => ({
    method,
    path,
    scope,
    run,
  });
  const fail = (error: unknown) => async () => {
    throw error;
  };
  return {
    prefix: '/old/v1',
    routes: [
      route('GET', '/things/:id?', echo),
      route('POST', '/things', echo, 'SUBMIT'),
      route('GET', '/things/:id/parts/:part', echo),
      route('GET', '/things/all', async () => ({ json: 'all' })),
      route('DELETE', '/things/:id', async () => ({ status: 204, empty: true }), 'SUBMIT'),
      route('GET', '/refused', fail(new Refused(418, 'no coffee here'))),
      route(
        'GET',
        '/problem',
        fail(
          new ProblemError(['first', 'second'].map((message) => ({ code: 'CONFLICT', message, path: [] }))),
        ),
      ),
      route('GET', '/full', fail(new UnavailableError('the disk is full'))),
      route('GET', '/broken', fail(new Error('secret of the machine'))),
      route('GET', '/long', async () => ({
        text: (async function* () {
          for (const piece of ['[1,', '2,', '3]']) yield piece;
        })(),
      })),
      route('GET', '/torn', async () => ({
        text: (async function* () {
          yield '[1,';
          throw new Error('torn');
        })(),
      })),
    ],
    words: { 404: 'nothing here' },
    statusOf: ({ code }) => (code === 'CONFLICT' ? 409 : 400),
    refusal: (status, message) => ({ oops: { status, message } }),
    ...changes,
  };
}

async function mounted(changes: Partial<HttpServerOptions> = {}, store: object = {}) {
  const served = await serve({ store }, { dialects: [dialect()], ...changes });
  const ask = (
    method: string,
    path: string,
    options: { headers?: Record<string, string>; body?: string } = {},
  ) => send(`${served.url}/old/v1${path}`, { method, ...options });
  return { ...served, ask };
}

const refusalOf = ({ status, json }: Sent) => ({ status, ...(json as { oops?: object }).oops });

test('a path is read into what it names, and its query beside it', async () => {
  const { ask } = await mounted();
  expect((await ask('GET', '/things/a%3Ab%2Fc?x=1&y=%20')).json).toEqual({
    params: { id: 'a:b/c' },
    query: { x: '1', y: ' ' },
    body: {},
    accountId: ACCOUNT.id,
  });
  expect((await ask('GET', '/things')).json).toMatchObject({ params: {} });
  expect((await ask('GET', '/things/')).json).toMatchObject({ params: {} });
  expect((await ask('GET', '/things/1/parts/2')).json).toMatchObject({ params: { id: '1', part: '2' } });
  expect((await ask('GET', '/things/all')).json).toBe('all');
});

test('the JSON of a body is handed over, and nothing is an empty object', async () => {
  const { ask } = await mounted();
  const sent = await ask('POST', '/things', { headers: JSON_TYPE, body: '[1,{"a":null}]' });
  expect(sent.json).toMatchObject({ body: [1, { a: null }] });
  expect((await ask('POST', '/things')).json).toMatchObject({ body: {} });
  const marked = await ask('POST', '/things', { headers: JSON_TYPE, body: '\uFEFF{"a":1}' });
  expect(marked.json).toMatchObject({ body: { a: 1 } });
});

test.each([
  ['GET', '/nothing', 404, 'nothing here'],
  ['GET', '', 404, 'nothing here'],
  ['GET', '/things/1/2', 404, 'nothing here'],
  ['GET', '/things/%ff', 404, 'nothing here'],
  ['PUT', '/things/1', 405, 'the method must be one of GET, DELETE, got PUT'],
  ['GET', '/refused', 418, 'no coffee here'],
  ['GET', '/problem', 409, 'first'],
  ['GET', '/full', 503, 'nothing was written: the disk is full; reading goes on, so try again later'],
  ['GET', '/broken', 500, 'Unexpected error.'],
])('%s %s is %i, in the shape and the words of the dialect', async (method, path, status, message) => {
  const { ask } = await mounted();
  const sent = await ask(method, path);
  expect(refusalOf(sent)).toEqual({ status, message });
  expect(sent.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(sent.headers['x-request-id']).toEqual(expect.any(String));
  expect(sent.text).not.toContain('secret');
  if (status === 405) expect(sent.headers['allow']).toBe('GET, DELETE');
  if (status === 503) expect(sent.headers['retry-after']).toBe('5');
});

test('what a route throws that nobody expected is logged with the id of its request', async () => {
  const { ask, log } = await mounted();
  await ask('GET', '/broken', { headers: { 'x-request-id': 'req-7' } });
  const line = log.lines.find(({ message }) => message === 'unexpected error');
  expect(line?.facts).toMatchObject({ requestId: 'req-7', err: new Error('secret of the machine') });
});

test('an answer that is made piece by piece comes whole, or not at all', async () => {
  const { ask, url } = await mounted();
  expect((await ask('GET', '/long')).json).toEqual([1, 2, 3]);
  const torn = fetch(`${url}/old/v1/torn`).then((response) => response.text());
  await expect(torn).rejects.toThrow();
});

test('a HEAD is answered like its GET, without a body', async () => {
  const { ask } = await mounted();
  const [head, get] = [await ask('HEAD', '/things/1'), await ask('GET', '/things/1')];
  expect(head.text).toBe('');
  expect([head.status, head.headers['content-length']]).toEqual([200, get.headers['content-length']]);
  expect(await ask('HEAD', '/long')).toMatchObject({ status: 200, text: '' });
});

test('OPTIONS tells what a path can do, without a key', async () => {
  const { ask } = await mounted({}, withKey('READ'));
  const { status, headers } = await ask('OPTIONS', '/things');
  expect([status, headers['allow']]).toEqual([204, 'GET, HEAD, POST, OPTIONS']);
});

test.each([
  ['text/plain', '{}', 415, 'the Content-Type must be application/json in UTF-8, got "text/plain"'],
  ['application/graphql+json', '{}', 415, expect.stringContaining('must be application/json')],
  ['application/json; charset=latin1', '{}', 415, expect.stringContaining('in UTF-8')],
  ['application/json', '{"a":@}', 400, expect.stringMatching(/^Unexpected token/)],
  ['application/json', '{', 400, expect.stringContaining('JSON')],
])('a body of type %s, %s, is %i', async (type, body, status, message) => {
  const { ask } = await mounted();
  const sent = await ask('POST', '/things', { headers: { 'content-type': type }, body });
  expect(refusalOf(sent)).toEqual({ status, message });
});

test('a body that is too large is refused by its length, and by what comes', async () => {
  const { ask, port } = await mounted({ maxBodyBytes: 100 });
  const body = JSON.stringify('x'.repeat(200));
  const message = expect.stringContaining('at most 100 bytes');
  expect(refusalOf(await ask('POST', '/things', { headers: JSON_TYPE, body }))).toEqual({
    status: 413,
    message,
  });
  const head = ['POST /old/v1/things HTTP/1.1', 'host: 127.0.0.1', 'content-type: application/json'];
  const chunked = `${head.join('\r\n')}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n`;
  const connection = wire(port);
  connection.send(`${chunked}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
  const { status, text } = await connection.answer();
  expect([status, JSON.parse(text)]).toEqual([413, { oops: { status: 413, message } }]);
});

test('with keys, who has none is 401, and who lacks the scope is 403 and told which', async () => {
  const { ask } = await mounted({}, withKey('READ'));
  const authorization = `Bearer ${KEY}`;
  for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
    const sent = await ask('GET', '/things', { headers });
    expect(refusalOf(sent)).toEqual({
      status: 401,
      message: expect.stringContaining('Authorization: Bearer'),
    });
    expect(sent.headers['www-authenticate']).toBe('Bearer');
  }
  expect((await ask('GET', '/things', { headers: { authorization } })).status).toBe(200);
  const headers = { authorization, ...JSON_TYPE };
  expect(refusalOf(await ask('POST', '/things', { headers, body: '{}' }))).toEqual({
    status: 403,
    message: 'this route needs the scope SUBMIT, which this API key does not have; use a key that has it',
  });
});

test('requests count against the limits of the account, together with all others', async () => {
  const { ask, url } = await mounted({ limits: { ...NO_LIMITS, requestsPerSecond: 1 } });
  for (let count = 0; count < 9; count++) expect((await ask('GET', '/things')).status).toBe(200);
  expect((await send(`${url}/graphql?query={__typename}`, { method: 'GET' })).status).toBe(200);
  const sent = await ask('GET', '/things');
  expect(sent.status).toBe(429);
  expect(Number(sent.headers['retry-after'])).toBeGreaterThan(0);
});

test('a server that goes down says so', async () => {
  const { ask, server } = await mounted();
  server.drain();
  const sent = await ask('GET', '/things');
  expect(refusalOf(sent)).toMatchObject({ status: 503, message: 'the server is going down: try again' });
  expect(sent.headers['retry-after']).toBe('1');
});

test('pages of foreign origins are refused, those of allowed ones may use its methods', async () => {
  const app = 'https://app.example.com';
  const { ask } = await mounted({ allowedOrigins: [app] });
  expect(refusalOf(await ask('GET', '/things', { headers: { origin: 'https://evil.example' } }))).toEqual({
    status: 403,
    message: expect.stringContaining('pages of "https://evil.example"'),
  });
  const preflight = { origin: app, 'access-control-request-method': 'DELETE' };
  const { status, headers } = await ask('OPTIONS', '/things/1', { headers: preflight });
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    'access-control-allow-origin': app,
    'access-control-allow-methods': 'GET, POST, PUT, DELETE',
  });
});

test('a connection goes on after an answer, and after a refusal', async () => {
  const { url } = await mounted();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  for (const path of ['/things', '/nothing', '/refused', '/long', '/things']) {
    await new Promise<void>((resolve, reject) => {
      const call = request(`${url}/old/v1${path}`, { agent }, (response) => {
        sockets.add(response.socket);
        response.resume().on('end', resolve);
      });
      call.on('error', reject).end();
    });
  }
  agent.destroy();
  expect(sockets.size).toBe(1);
});

test('each of several dialects has its own paths, shape and words', async () => {
  const other = dialect({
    prefix: '/old/v10',
    words: {},
    refusal: (_status, message) => ({ detail: message }),
  });
  const { url } = await mounted({ dialects: [dialect(), other] });
  expect((await send(`${url}/old/v1/x`, { method: 'GET' })).json).toHaveProperty('oops');
  expect((await send(`${url}/old/v10/x`, { method: 'GET' })).json).toEqual({
    detail: 'there is no GET /old/v10/x',
  });
  expect((await send(`${url}/old/v2/x`, { method: 'GET' })).json).toHaveProperty('errors');
});
