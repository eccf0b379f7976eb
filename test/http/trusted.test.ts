import { createHash } from 'node:crypto';
import {
  Client,
  createRequest,
  fetchExchange,
  type GraphQLRequest,
  makeOperation,
  stringifyDocument,
} from '@urql/core';
import { getIntrospectionQuery } from 'graphql';
import { createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createSchema } from '../../schema/schema.js';
import { readTrusted } from '../../src/http/trusted.js';
import { job } from '../support/api.js';
import { post, type Sent, send, serve, source } from '../support/http.js';

const schema = createSchema();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const VIEWER = 'query Viewer { viewer { scopes } }';
const JOB = 'query Job($id: ID!) { job(id: $id) { number } }';
const FOLLOW = 'subscription Follow { job(id: "x") { number } }';
const CANCEL = 'mutation Cancel { cancelJob(input: { id: "x" }) { job { id } } }';
const manifest = {
  format: 'apollo-persisted-query-manifest',
  version: 1,
  operations: [
    { id: sha256(VIEWER), name: 'Viewer', type: 'query', body: VIEWER },
    { id: 'job-by-id', name: 'Job', type: 'query', body: JOB },
    { id: 'follow', name: 'Follow', type: 'subscription', body: FOLLOW },
    { id: 'cancel', name: 'Cancel', type: 'mutation', body: CANCEL },
  ],
};
const trusted = readTrusted(JSON.stringify(manifest), schema);

const backing = {
  store: { job: async () => job(3) },
  feed: {
    job: () => {
      const jobs = source([job(4)]);
      jobs.end();
      return jobs.source;
    },
  },
};
const open = () => serve(backing, { trusted });
const closed = () => serve(backing, { trusted, trustedOnly: true });

/** The same parameters by POST and by GET. */
const by = {
  POST: (url: string, params: object) =>
    send(`${url}/graphql`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    }),
  GET: (url: string, params: object) => {
    const query = new URLSearchParams(
      Object.entries(params).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    );
    return send(`${url}/graphql?${query}`, { method: 'GET' });
  },
};
const methods = ['POST', 'GET'] as const;
const errorOf = ({ json: { errors = [] } }: Sent) =>
  errors.map(({ message, extensions }) => ({ message, code: extensions?.['code'] }));
const persistedQuery = (sha256Hash: string) => ({
  extensions: { persistedQuery: { version: 1, sha256Hash } },
});

test.each(methods)('a trusted document runs by its id, with variables, by %s', async (method) => {
  const { url } = await open();
  for (const documentId of [sha256(VIEWER), `sha256:${sha256(VIEWER)}`]) {
    const { status, json } = await by[method](url, { documentId });
    expect(status).toBe(200);
    expect(json.data).toMatchObject({ viewer: { scopes: expect.arrayContaining(['READ']) } });
  }
  for (const documentId of ['job-by-id', `sha256:${sha256(JOB)}`, sha256(JOB)]) {
    const { json } = await by[method](url, { documentId, variables: { id: 'x' }, operationName: 'Job' });
    expect(json.data).toEqual({ job: { number: 3 } });
  }
});

test('a mutation does not run by GET, by its id neither', async () => {
  const { url } = await open();
  expect((await by.GET(url, { documentId: 'cancel' })).status).toBe(405);
});

test.each(methods)('an id that is not known is one error that says what to do, by %s', async (method) => {
  for (const { url } of [await open(), await serve()]) {
    for (const documentId of [
      'nothing',
      'sha256:',
      `sha256:${'0'.repeat(64)}`,
      '__proto__',
      'x'.repeat(2_000),
    ]) {
      const answer = await by[method](url, { documentId });
      expect(errorOf(answer)).toMatchObject([{ code: 'PERSISTED_DOCUMENT_NOT_FOUND' }]);
      expect(answer.text.length).toBeLessThan(500);
    }
  }
});

test.each([
  [{ documentId: 7 }, 'documentId must be a string, got 7'],
  [
    { documentId: 'job-by-id', query: VIEWER },
    'give documentId or query, not both: got documentId "job-by-id"',
  ],
  [
    { extensions: { persistedQuery: { version: 2, sha256Hash: 'x' } } },
    'extensions.persistedQuery must be {version: 1, sha256Hash: "…"}, got version 2 and sha256Hash "x"',
  ],
  [{ extensions: { persistedQuery: { version: 1 } } }, 'got version 1 and sha256Hash nothing'],
  [
    { query: VIEWER, ...persistedQuery(sha256(JOB)) },
    `provided sha does not match query: sha256Hash must be ${sha256(VIEWER)}, got "${sha256(JOB)}"`,
  ],
  [{ extensions: { persistedQuery: null } }, 'Must provide query string.'],
])('%j is refused: %s', async (params, message) => {
  const { url } = await open();
  expect(errorOf(await by.POST(url, params))).toEqual([
    { message: expect.stringContaining(message), code: expect.stringMatching(/^BAD_/) },
  ]);
});

test.each(methods)('a query is remembered by its hash as Apollo clients want it, by %s', async (method) => {
  const { url } = await open();
  const query = '{ viewer { account { name } } }';
  const ask = (params: object) => by[method](url, params);
  const unknown = await ask(persistedQuery(sha256(query)));
  expect(unknown.status).toBe(200);
  expect(unknown.headers['cache-control']).toBe('private, no-cache, must-revalidate');
  expect(errorOf(unknown)).toEqual([
    { message: 'PersistedQueryNotFound', code: 'PERSISTED_QUERY_NOT_FOUND' },
  ]);
  for (const params of [{ query }, {}]) {
    const { json } = await ask({ ...params, ...persistedQuery(sha256(query)) });
    expect(json.data).toEqual({ viewer: { account: { name: 'default' } } });
  }
});

test('a hash that does not match is not remembered, and what is dropped is asked for again', async () => {
  const { url } = await open();
  const nth = (index: number) => `{ viewer { a${index}: scopes } }`;
  await by.POST(url, { query: nth(0), ...persistedQuery(sha256(nth(1))) });
  expect(errorOf(await by.POST(url, persistedQuery(sha256(nth(1)))))).toMatchObject([
    { message: 'PersistedQueryNotFound' },
  ]);
  const large = `{ viewer { scopes } } # ${'x'.repeat(20_000)}`;
  expect((await by.POST(url, { query: large, ...persistedQuery(sha256(large)) })).json.data).toBeTruthy();
  expect(errorOf(await by.POST(url, persistedQuery(sha256(large))))).toHaveLength(1);
  for (let index = 0; index <= 500; index++) {
    await by.POST(url, { query: nth(index), ...persistedQuery(sha256(nth(index))) });
  }
  expect(errorOf(await by.POST(url, persistedQuery(sha256(nth(0)))))).toHaveLength(1);
  expect((await by.POST(url, persistedQuery(sha256(nth(500))))).json.data).toBeTruthy();
});

test('trusted documents are known by their hash without being sent', async () => {
  const { url } = await open();
  for (const hash of [sha256(JOB), 'job-by-id']) {
    const { json } = await by.GET(url, { ...persistedQuery(hash), variables: { id: 'x' } });
    expect(json.data).toEqual({ job: { number: 3 } });
  }
});

test.each(methods)('where only trusted documents run, no other does, by %s', async (method) => {
  const { url } = await closed();
  const query = '{ viewer { scopes } }';
  for (const params of [
    { query },
    { query: getIntrospectionQuery() },
    { query, ...persistedQuery(sha256(query)) },
    { query: '{' },
    { query: `${VIEWER} ` },
  ]) {
    expect(errorOf(await by[method](url, params))).toMatchObject([{ code: 'TRUSTED_DOCUMENTS_ONLY' }]);
  }
  const unknown = await by[method](url, persistedQuery(sha256(query)));
  expect(unknown.status).toBe(200);
  expect(errorOf(unknown)).toEqual([
    { message: 'PersistedQueryNotSupported', code: 'PERSISTED_QUERY_NOT_SUPPORTED' },
  ]);
  for (const params of [
    { documentId: sha256(VIEWER) },
    persistedQuery(sha256(VIEWER)),
    { query: VIEWER, ...persistedQuery(sha256(VIEWER)) },
    { query: VIEWER },
  ]) {
    expect((await by[method](url, params)).json.data).toBeTruthy();
  }
});

test('a trusted document is held to the values of its variables as any other', async () => {
  const paged = 'query P($n: Int) { jobs(first: $n) { nodes { id } } }';
  const { url } = await serve(
    {},
    { trusted: readTrusted(JSON.stringify({ p: paged }), schema), trustedOnly: true },
  );
  expect(errorOf(await by.POST(url, { documentId: 'p', variables: { n: 101 } }))).toEqual([
    { message: 'first must be 0 to 100, got 101', code: 'BAD_USER_INPUT' },
  ]);
});

/** What one operation is told over WebSocket. */
async function over(port: number, payload: Record<string, unknown>): Promise<unknown> {
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  onTestFinished(() => void client.dispose());
  return new Promise((resolve) => {
    let last: unknown;
    client.subscribe({ query: '', ...payload } as never, {
      next: (result) => {
        last = result;
      },
      error: resolve,
      complete: () => resolve(last),
    });
  });
}

test('over WebSocket ids, hashes and the mode hold as well', async () => {
  const { port } = await closed();
  for (const payload of [{ documentId: 'follow' }, persistedQuery(sha256(FOLLOW)), { query: FOLLOW }]) {
    expect(await over(port, payload)).toEqual({ data: { job: { number: 4 } } });
  }
  expect(await over(port, { documentId: 'job-by-id', variables: { id: 'x' } })).toMatchObject({
    data: { job: { number: 3 } },
  });
  for (const [payload, code] of [
    [{ documentId: 'nothing' }, 'PERSISTED_DOCUMENT_NOT_FOUND'],
    [persistedQuery('0'.repeat(64)), 'PERSISTED_QUERY_NOT_SUPPORTED'],
    [{ query: '{ viewer { scopes } }' }, 'TRUSTED_DOCUMENTS_ONLY'],
    [{ query: 'subscription { job(id: "x") { id } }' }, 'TRUSTED_DOCUMENTS_ONLY'],
  ] as const) {
    expect(await over(port, payload)).toMatchObject([{ extensions: { code } }]);
  }
});

test('over WebSocket a query is remembered by its hash, for HTTP too', async () => {
  const { port, url } = await open();
  const query = 'subscription { job(id: "x") { id number } }';
  const hash = persistedQuery(sha256(query));
  expect(await over(port, hash)).toMatchObject([{ message: 'PersistedQueryNotFound' }]);
  for (const payload of [{ query, ...hash }, hash]) {
    expect(await over(port, payload)).toMatchObject({ data: { job: { number: 4 } } });
  }
  const { text } = await send(`${url}/graphql`, {
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(hash),
  });
  expect(text).toContain('"number":4');
});

/** What urql's fetch exchange makes of a request. */
function byUrql(url: string, preferGetMethod: false | 'force', request: GraphQLRequest) {
  const context = { url: `${url}/graphql`, preferGetMethod, requestPolicy: 'network-only' as const };
  const client = new Client({ ...context, exchanges: [fetchExchange] });
  return client.executeRequestOperation(makeOperation('query', request, context)).toPromise();
}

test.each([false, 'force'] as const)('urql runs a document by its id (GET: %s)', async (get) => {
  const { url } = await closed();
  const document = { kind: 'Document', definitions: [], documentId: 'job-by-id' };
  const { data, error } = await byUrql(url, get, createRequest(document as never, { id: 'x' }));
  expect(error).toBeUndefined();
  expect(data).toEqual({ job: { number: 3 } });
});

test.each([false, 'force'] as const)(
  'urql has its queries remembered by their hash (GET: %s)',
  async (get) => {
    const { url } = await open();
    const request = createRequest(JOB, { id: 'y' });
    // As its exchange for persisted queries does: the hash alone, and after a miss the document with it.
    const ask = (miss?: true) => {
      const sha256Hash = sha256(stringifyDocument(request.query));
      const extensions = { persistedQuery: { version: 1 as const, sha256Hash, ...(miss && { miss }) } };
      return byUrql(url, get, { ...request, extensions });
    };
    expect((await ask()).error?.graphQLErrors).toMatchObject([{ message: 'PersistedQueryNotFound' }]);
    for (const miss of [true, undefined] as const) {
      expect((await ask(miss)).data).toEqual({ job: { number: 3 } });
    }
  },
);

test.each([
  ['a manifest of Apollo', JSON.stringify(manifest)],
  ['a map', JSON.stringify({ 'job-by-id': JOB, other: VIEWER })],
])('%s is read', (_name, text) => {
  const read = readTrusted(text, schema);
  expect(read.textOf('job-by-id')).toBe(JOB);
  expect(read.textOf(`sha256:${sha256(VIEWER)}`)).toBe(VIEWER);
  expect(read.documentOf(JOB)?.kind).toBe('Document');
});

test.each([
  ['{', 'it must be JSON: '],
  ['[]', 'it must be a persisted query manifest of Apollo'],
  ['{"a":7}', 'it must be a persisted query manifest of Apollo'],
  [JSON.stringify({ ...manifest, version: 2 }), 'it must be a persisted query manifest of Apollo'],
  ['{"a":"{"}', 'document "a": Syntax Error: Expected Name, found <EOF>.'],
  ['{"a":"{ nothing }"}', 'document "a": Cannot query field "nothing" on type "Query".'],
  ['{"a":"fragment F on Job { id }"}', 'document "a": '],
  ['{"a":"{ jobs(first: 1000) { nodes { id } } }"}', 'document "a": first must be 0 to 100, got 1000'],
  [JSON.stringify({ a: `{ ${'a{'.repeat(300)}` }), 'document "a": brackets in a document must be nested'],
  [
    JSON.stringify({ ...manifest, operations: [{ id: 'a', name: 'N', body: '{ x }' }] }),
    'document "a" ("N"): Cannot query field "x"',
  ],
  [
    JSON.stringify({ ...manifest, operations: [VIEWER, JOB].map((body) => ({ id: 'a', body })) }),
    'document "a" is there twice, and not the same',
  ],
])('the manifest %.60s is refused: %s', (text, message) => {
  expect(() => readTrusted(text, schema)).toThrow(message);
});

test('every document of a manifest that is wrong is told', () => {
  const wrong = JSON.stringify({ a: '{ x }', b: VIEWER, c: '{ y }' });
  expect(() => readTrusted(wrong, schema)).toThrow(/document "a": .*\ndocument "c": /);
});

test('GraphiQL is served where only trusted documents run', async () => {
  const { url } = await closed();
  expect((await send(`${url}/graphql`, { method: 'GET', headers: { accept: 'text/html' } })).status).toBe(
    200,
  );
  expect(errorOf(await post(url, getIntrospectionQuery()))).toHaveLength(1);
});
