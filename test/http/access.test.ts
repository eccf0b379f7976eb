import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ApiKey } from '../../src/account.js';
import { type BrowserPolicy, browserRefusal } from '../../src/http/browser.js';
import { ACCOUNT } from '../support/api.js';
import { later, post, send, serve } from '../support/http.js';
import { wire } from '../support/wire.js';

const KEY = 'crl_geheim';
const apiKey: ApiKey = {
  id: 'key_1',
  accountId: 'acc_7',
  name: 'ci',
  prefix: 'crl_ge',
  scopes: ['READ'],
  expiresAt: null,
  lastUsedAt: null,
  limits: { requestsPerSecond: null, sockets: null },
  revokedAt: null,
  createdAt: 0,
};

/** An installation with one key, of another account than the default one. */
const withKeys = {
  hasApiKeys: async () => true,
  apiKeyByHash: async (hash: string) =>
    hash === createHash('sha256').update(KEY).digest('hex') ? apiKey : null,
  account: async (id: string) => ({ ...ACCOUNT, id }),
};

test('with keys, a key brings its account and its scopes', async () => {
  const { url } = await serve({ store: withKeys });
  const { json } = await post(url, '{ viewer { account { id } apiKey { id name } scopes } }', {
    authorization: `bearer ${KEY}`,
  });
  expect(json.data?.['viewer']).toEqual({
    account: { id: 'acc_7' },
    apiKey: { id: 'key_1', name: 'ci' },
    scopes: ['READ'],
  });
});

test.each([undefined, 'Bearer wrong', `Basic ${KEY}`, KEY, 'Bearer '])(
  'with keys, the credentials %s are 401',
  async (authorization) => {
    const { url } = await serve({ store: withKeys });
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const { status, json, headers: got } = await post(url, '{ __typename }', headers);
    expect(status).toBe(401);
    expect(got['www-authenticate']).toBe('Bearer');
    expect(json.errors?.[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' });
  },
);

test('a key that ends while a body is on its way lets nothing run', async () => {
  let valid = true;
  const asked = later<void>();
  const { port } = await serve({
    store: {
      ...withKeys,
      apiKeyByHash: async (hash) => {
        asked.resolve();
        return valid ? withKeys.apiKeyByHash(hash) : null;
      },
    },
  });
  const { send, answer } = wire(port);
  const body = '{"query":"{ viewer { scopes } }"}';
  send(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await asked.promise;
  valid = false;
  send(body);
  const { status, text } = await answer();
  expect([status, JSON.parse(text).data]).toEqual([401, undefined]);
});

test('with keys, GraphiQL itself needs none', async () => {
  const { url } = await serve({ store: withKeys });
  expect((await send(`${url}/graphql`, { method: 'GET', headers: { accept: 'text/html' } })).status).toBe(
    200,
  );
});

const caller = (headers: Record<string, string>, host = 'localhost:4000') => ({ host, headers });
const none: BrowserPolicy = { allowedOrigins: [] };

test.each(['localhost', 'LOCALHOST:80', '127.0.0.1:4000', '127.1.2.3', '[::1]', '[::1]:4000'])(
  'without keys the Host %s is served',
  (host) => {
    expect(browserRefusal(caller({}, host), none, true)).toBeNull();
  },
);

test.each([
  'evil.example',
  'localhost.evil.example',
  'localhost.',
  '127.0.0.1.nip.io',
  '10.0.0.1',
  '0.0.0.0',
  '[::2]',
  '',
  'localhost:x',
])('without keys the Host %j is refused, with keys it is served', (host) => {
  expect(browserRefusal(caller({}, host), none, true)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(browserRefusal(caller({}, host), none, false)).toBeNull();
});

test.each([
  'forwarded',
  'via',
  'x-forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
])('without keys the header %s is refused, with keys it is served', (name) => {
  const refusal = browserRefusal(caller({ [name]: 'x' }), none, true);
  expect(refusal?.message).toContain(`the header ${name} must not be there`);
  expect(browserRefusal(caller({ [name]: 'x' }), none, false)).toBeNull();
});

test.each([true, false])('a foreign Origin may do nothing (keyless: %s)', (keyless) => {
  const policy: BrowserPolicy = { allowedOrigins: ['https://app.example.com'] };
  for (const origin of [
    'https://evil.example',
    'null',
    '',
    'http://localhost:4001',
    'http://127.0.0.1:4000',
  ]) {
    expect(browserRefusal(caller({ origin }), policy, keyless)).toMatchObject({ status: 403 });
  }
  for (const origin of ['https://app.example.com', 'http://localhost:4000', 'https://localhost:4000']) {
    expect(browserRefusal(caller({ origin }), policy, keyless)).toBeNull();
  }
  expect(browserRefusal(caller({ origin: 'http://localhost' }, 'localhost'), policy, keyless)).toBeNull();
  expect(browserRefusal(caller({ origin: 'http://localhost' }, 'localhost:80'), policy, keyless)).toBeNull();
});

test.each([
  ['cross-site', 'no-cors', true],
  ['same-site', 'no-cors', true],
  ['cross-site', 'cors', true],
  ['cross-site', 'navigate', false],
  ['same-origin', 'no-cors', false],
  ['none', 'navigate', false],
])('without keys, what a %s page asks for as %s is refused: %s', (site, mode, refused) => {
  const asked = caller({ 'sec-fetch-site': site, 'sec-fetch-mode': mode });
  expect(browserRefusal(asked, none, true) !== null).toBe(refused);
  expect(browserRefusal(asked, none, false)).toBeNull();
});

test('a page of an allowed origin is let in, wherever it is', () => {
  const asked = caller({
    origin: 'https://app.example.com',
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': 'cors',
  });
  expect(browserRefusal(asked, { allowedOrigins: ['https://app.example.com'] }, true)).toBeNull();
});

test('a refusal reaches the client as JSON, before its body is read', async () => {
  const { url } = await serve();
  const { status, json } = await post(url, '{ __typename }', { origin: 'https://evil.example' });
  expect(status).toBe(403);
  expect(json).toEqual({
    errors: [
      { message: expect.stringContaining('"https://evil.example"'), extensions: { code: 'FORBIDDEN' } },
    ],
  });
  expect((await post(url, '{ __typename }', { host: 'evil.example' })).status).toBe(403);
  expect((await post(url, '{ __typename }', { 'X-Forwarded-For': '10.0.0.1' })).status).toBe(403);
});

test('an allowed origin gets CORS headers and a preflight without a key; others get neither', async () => {
  const { url } = await serve(
    { store: withKeys },
    { allowedOrigins: ['https://app.example.com', 'https://b.example'] },
  );
  const preflight = (origin: string) =>
    send(`${url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  expect(await preflight('https://app.example.com')).toMatchObject({
    status: 204,
    headers: { 'access-control-allow-origin': 'https://app.example.com' },
  });
  expect((await preflight('https://evil.example')).status).toBe(403);
  const { headers } = await post(url, '{ __typename }', {
    origin: 'https://b.example',
    authorization: `Bearer ${KEY}`,
  });
  expect(headers['access-control-allow-origin']).toBe('https://b.example');
  expect(headers['access-control-allow-credentials']).toBeUndefined();
});
