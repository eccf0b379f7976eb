import { request } from 'node:http';
import { expect, test } from 'vitest';
import { problem } from '../../src/errors.js';
import { ACCOUNT, job } from '../support/api.js';
import { later, post, send, serve, source } from '../support/http.js';
import { wire } from '../support/wire.js';

const json = { 'content-type': 'application/json' };

test('a query is answered as JSON', async () => {
  const { url } = await serve();
  const { status, json: answer } = await post(url, '{ viewer { account { id name } apiKey { id } scopes } }');
  expect(status).toBe(200);
  expect(answer).toEqual({
    data: {
      viewer: {
        account: { id: 'acc_1', name: 'default' },
        apiKey: null,
        scopes: ['READ', 'SUBMIT', 'WORK', 'WEBHOOKS', 'ADMIN'],
      },
    },
    extensions: { cost: { requested: 3, maximum: 50_000 } },
  });
});

test('a query may come by GET, a mutation may not', async () => {
  const { url } = await serve();
  const get = (query: string) => send(`${url}/graphql?query=${encodeURIComponent(query)}`, { method: 'GET' });
  expect((await get('{ __typename }')).json.data).toEqual({ __typename: 'Query' });
  expect((await get('mutation { __typename }')).status).toBe(405);
  const { status, json: answer } = await send(`${url}/graphql?query=x&variables={`, { method: 'GET' });
  expect(status).toBe(400);
  expect(answer.errors?.[0]?.message).toContain('the parameter variables must be JSON');
});

test.each([
  ['application/x-www-form-urlencoded', 'query=%7B__typename%7D'],
  ['multipart/form-data; boundary=x', '--x--'],
  ['text/plain', '{"query":"{__typename}"}'],
  ['application/json; charset=latin1', '{"query":"{__typename}"}'],
])('a body of type %s is 415', async (type, body) => {
  const { url } = await serve();
  const { status, json: answer } = await send(`${url}/graphql`, { headers: { 'content-type': type }, body });
  expect(status).toBe(415);
  expect(answer.errors?.[0]?.message).toBe(
    `the Content-Type must be application/json in UTF-8, got "${type}"`,
  );
});

test('the type of a JSON body may be written in any case, with a charset', async () => {
  const { url } = await serve();
  const body = '{"query":"{__typename}"}';
  for (const type of ['Application/JSON ; Charset=UTF-8', 'application/graphql+json']) {
    expect((await send(`${url}/graphql`, { headers: { 'content-type': type }, body })).status).toBe(200);
  }
});

test.each([
  ['not JSON', 'the body must be JSON'],
  ['', 'the body must be JSON'],
  ['null', 'the body must be a JSON object, got null'],
  ['7', 'the body must be a JSON object, got number'],
  ['[{"query":"{__typename}"}]', 'Batching is not supported.'],
  ['{}', 'Must provide query string.'],
  ['{"query":"query A { __typename }","operationName":"B"}', 'operationName must name an operation'],
  ['{"query":7}', 'Expected "query" param to be a string, but given number.'],
  ['{"query":"{__typename}","variables":[]}', 'Expected "variables" param to be empty or an object'],
])('the body %s is 400 and says why', async (body, message) => {
  const { url } = await serve();
  const { status, json: answer } = await send(`${url}/graphql`, {
    headers: { ...json, accept: 'application/graphql-response+json' },
    body,
  });
  expect(status).toBe(400);
  expect(answer.errors?.[0]?.message).toContain(message);
  expect(answer.errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' });
});

test.each([
  ['a syntax error', '{"query":"{"}', 'Syntax Error', 'GRAPHQL_PARSE_FAILED'],
  [
    'an unknown field',
    '{"query":"{ nothing }"}',
    'Cannot query field "nothing"',
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'a wrong variable',
    '{"query":"query ($id: ID!) { job(id: $id) { id } }"}',
    'Variable "$id" of required type',
    'BAD_USER_INPUT',
  ],
  [
    'a document nested 10,000 levels deep',
    JSON.stringify({ query: `{ ${'a{'.repeat(10_000)}${'}'.repeat(10_000)} }` }),
    'must be nested at most 200 levels deep',
    'LIMIT_REACHED',
  ],
  [
    'a value nested 100,000 levels deep in the document',
    JSON.stringify({ query: `{ a(b: ${'['.repeat(100_000)}${']'.repeat(100_000)}) }` }),
    'must be nested at most 200 levels deep',
    'LIMIT_REACHED',
  ],
  [
    'variables nested 500,000 levels deep',
    `{"query":"query ($id: ID!) { job(id: $id) { id } }","variables":{"id":${'['.repeat(500_000)}${']'.repeat(500_000)}}}`,
    'ID cannot represent value',
    'BAD_USER_INPUT',
  ],
])(
  '%s is 400 to a client that knows GraphQL over HTTP, and 200 to one that does not',
  async (_name, body, message, code) => {
    const { url } = await serve();
    for (const [accept, expected] of [
      ['application/graphql-response+json', 400],
      ['application/json', 200],
    ] as const) {
      const { status, json: answer } = await send(`${url}/graphql`, { headers: { ...json, accept }, body });
      expect(status).toBe(expected);
      expect(answer.errors?.[0]?.message).toContain(message);
      expect(answer.errors?.[0]?.extensions?.['code']).toBe(code);
    }
  },
);

test('a body above the limit is 413, announced or not, and the server goes on', async () => {
  const { url } = await serve({}, { maxBodyBytes: 1_000 });
  const body = JSON.stringify({ query: '{__typename}', extensions: { pad: 'x'.repeat(2_000) } });
  const announced = await send(`${url}/graphql`, {
    headers: { ...json, 'content-length': String(body.length) },
    body,
  });
  const streamed = await send(`${url}/graphql`, {
    headers: { ...json, 'transfer-encoding': 'chunked' },
    body,
  });
  for (const { status, json: answer } of [announced, streamed]) {
    expect(status).toBe(413);
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringContaining(`at most 1000 bytes, got ${body.length} bytes`),
      extensions: { code: 'LIMIT_REACHED' },
    });
  }
  expect((await post(url, '{ __typename }')).status).toBe(200);
});

test('NUL characters pass as data', async () => {
  const seen: string[] = [];
  const { url } = await serve({
    store: {
      job: async (_account, id) => {
        seen.push(id);
        return null;
      },
    },
  });
  await post(url, '{ job(id: "a\\u0000b") { id } }');
  expect(seen).toEqual(['a\0b']);
});

test('an unexpected error is masked, logged whole, and found again by its request id', async () => {
  const { url, log } = await serve({
    store: {
      job: async () => {
        throw new Error('no such table: jobs');
      },
    },
  });
  const { json: answer, headers } = await post(url, '{ job(id: "x") { id } }', { 'x-request-id': 'abc-1' });
  expect(headers['x-request-id']).toBe('abc-1');
  expect(answer.errors).toMatchObject([
    { message: 'Unexpected error.', path: ['job'], extensions: { code: 'INTERNAL', requestId: 'abc-1' } },
  ]);
  const line = log.lines.find(({ level }) => level === 'error');
  expect(line?.facts).toMatchObject({ requestId: 'abc-1', err: { message: 'no such table: jobs' } });
});

test('a failure before GraphQL is 500 with the request id and nothing else', async () => {
  const { url, log } = await serve({
    store: {
      hasApiKeys: async () => {
        throw new Error('disk I/O error');
      },
    },
  });
  const { status, json: answer, headers } = await post(url, '{ __typename }');
  expect(status).toBe(500);
  expect(answer).toEqual({
    errors: [
      { message: 'Unexpected error.', extensions: { code: 'INTERNAL', requestId: headers['x-request-id'] } },
    ],
  });
  expect(log.lines.some(({ level }) => level === 'error')).toBe(true);
});

test('each request is one line in the log, without its key and its query', async () => {
  const { url, log } = await serve();
  await send(`${url}/graphql?query=%7B__typename%7D&geheim=1`, {
    method: 'GET',
    headers: { authorization: 'Bearer geheim', 'x-request-id': 'not valid!' },
  });
  const lines = log.lines.filter(({ message }) => message === 'request');
  expect(lines).toEqual([
    {
      level: 'info',
      message: 'request',
      facts: {
        method: 'GET',
        path: '/graphql',
        status: 200,
        ms: expect.any(Number),
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        account: ACCOUNT.id,
      },
    },
  ]);
  expect(JSON.stringify(log.lines)).not.toContain('geheim');
});

test('a target that is refused for the password in it is not logged', async () => {
  const { port, log } = await serve();
  const { send: write, answer } = wire(port);
  write('GET http://me:geheim@localhost/graphql HTTP/1.1\r\nHost: localhost\r\n\r\n');
  expect((await answer()).status).toBe(400);
  expect(log.lines).toContainEqual(
    expect.objectContaining({ facts: expect.objectContaining({ path: 'none', status: 400 }) }),
  );
  expect(JSON.stringify(log.lines)).not.toContain('geheim');
});

test('GraphiQL is served to browsers from this server alone', async () => {
  const { url } = await serve();
  const { status, text, headers } = await send(`${url}/graphql`, {
    method: 'GET',
    headers: { accept: 'text/html' },
  });
  expect(status).toBe(200);
  expect(headers['content-security-policy']).toBe("frame-ancestors 'none'");
  expect(text).toContain('<title>Carillon</title>');
  expect(text).toContain('green-alg');
  expect(text).not.toMatch(/<(script|link)[^>]+(src|href)="?https?:/);
});

test('health, readiness and what is not there are JSON', async () => {
  let reasons: string[] = [];
  let warnings: string[] = [];
  const { url, server } = await serve({}, { ready: async () => reasons, warnings: async () => warnings });
  const get = (path: string) => send(`${url}${path}`, { method: 'GET' });
  expect(await get('/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
  expect(await get('/readyz')).toMatchObject({ status: 200, text: '{"status":"ready"}' });
  warnings = ['writes have been refused'];
  expect(await get('/readyz')).toMatchObject({ status: 200, json: { status: 'ready', warnings } });
  reasons = ['the database does not answer'];
  expect(await get('/readyz')).toMatchObject({ status: 503, json: { reasons } });
  reasons = [];
  server.drain();
  expect(await get('/readyz')).toMatchObject({
    status: 503,
    json: { reasons: ['the server is going down'] },
  });
  expect(await get('/healthz')).toMatchObject({ status: 200 });
  expect(await get('/nothing')).toMatchObject({
    status: 404,
    json: { errors: [{ message: 'there is no GET /nothing', extensions: { code: 'NOT_FOUND' } }] },
  });
});

test('while draining new operations are 503, and one that runs is answered', async () => {
  const running = later<void>();
  const go = later<void>();
  const { url, server } = await serve({
    store: {
      job: async () => {
        running.resolve();
        await go.promise;
        return job(1);
      },
    },
  });
  const answer = post(url, '{ job(id: "x") { number } }');
  await running.promise;
  server.drain();
  expect(await post(url, '{ __typename }')).toMatchObject({
    status: 503,
    json: { errors: [{ extensions: { code: 'UNAVAILABLE' } }] },
  });
  const closed = server.close(5_000);
  go.resolve();
  expect((await answer).json.data).toEqual({ job: { number: 1 } });
  await closed;
});

test('close cuts what does not end by the deadline', async () => {
  const running = later<void>();
  const { url, server } = await serve({
    store: {
      job: () => {
        running.resolve();
        return new Promise(() => {});
      },
    },
  });
  const answer = post(url, '{ job(id: "x") { number } }').catch((error: Error) => error);
  await running.promise;
  await server.close(10);
  expect(await answer).toBeInstanceOf(Error);
});

test('a port that is taken is one sentence that says what to do', async () => {
  const { port } = await serve();
  const other = await serve();
  await other.server.close(1_000);
  await expect(other.server.listen(port, '127.0.0.1')).rejects.toThrow(
    `port ${port} is already in use; set PORT to another one`,
  );
});

test('server-sent events arrive one by one, and a client that leaves ends the source', async () => {
  const jobs = source<ReturnType<typeof job>>();
  const { port } = await serve({ feed: { job: () => jobs.source } });
  const received = later<string>();
  const call = request(
    {
      port,
      host: '127.0.0.1',
      path: '/graphql',
      method: 'POST',
      headers: { ...json, accept: 'text/event-stream' },
    },
    (response) => {
      expect(response.headers['content-type']).toBe('text/event-stream');
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('data: ')) received.resolve(text);
      });
      response.on('error', () => {});
    },
  );
  call.on('error', () => {});
  call.end(JSON.stringify({ query: 'subscription { job(id: "x") { number } }' }));
  await jobs.followed;
  jobs.push(job(1));
  expect(await received.promise).toContain('event: next\ndata: {"data":{"job":{"number":1}}}\n\n');
  call.destroy();
  await jobs.left;
});

test('server-sent events complete with the source, and end when the server closes', async () => {
  const first = source<ReturnType<typeof job>>();
  const second = source<ReturnType<typeof job>>();
  const sources = [first, second];
  const { url, server } = await serve({ feed: { job: () => sources.shift()!.source } });
  const stream = () => post(url, 'subscription { job(id: "x") { number } }', { accept: 'text/event-stream' });
  const complete = stream();
  await first.followed;
  first.end();
  expect((await complete).text).toMatch(/event: complete\ndata:\n\n$/);
  const cut = stream().catch((error: Error) => error);
  await second.followed;
  await server.close(5_000);
  await second.left;
  await cut;
});

test('a subscription that cannot go on tells its code in the stream', async () => {
  const jobs = source([job(1)]);
  jobs.fail(problem('NOT_FOUND', 'job "x" was not found', ['id']));
  const { url } = await serve({ feed: { job: () => jobs.source } });
  const { text } = await post(url, 'subscription { job(id: "x") { number } }', {
    accept: 'text/event-stream',
  });
  expect(text).toContain('data: {"data":{"job":{"number":1}}}');
  expect(text).toContain('"message":"job \\"x\\" was not found"');
  expect(text).toContain('"code":"NOT_FOUND"');
});
