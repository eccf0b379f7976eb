import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { job } from '../support/api.js';
import { type Hostile, hostile } from '../support/hostile.js';
import { post, send, serve } from '../support/http.js';

/** An answer of this many bytes, whatever was sent. */
const SMALL = 2_048;

function payload({ query, variables = '{}' }: Pick<Hostile, 'query' | 'variables'>): string {
  return `{"query":${JSON.stringify(query)},"variables":${variables}}`;
}

/** A socket that sends text as it is, and resolves with the first answer to each operation. */
async function socket(port: number) {
  const opened = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => opened.terminate());
  const next = () =>
    new Promise<string>((resolve) => opened.once('message', (data) => resolve(String(data))));
  await new Promise((resolve) => opened.once('open', resolve));
  opened.send('{"type":"connection_init"}');
  await next();
  let id = 0;
  return async (text: string): Promise<string> => {
    const answer = next();
    opened.send(`{"type":"subscribe","id":"${++id}","payload":${text}}`);
    return answer;
  };
}

test.each(hostile)(
  '$name: one small error over HTTP, before anything runs',
  async ({ says, ...operation }) => {
    const { url } = await serve();
    const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
    const { status, text, json } = await send(`${url}/graphql`, { headers, body: payload(operation) });
    expect(status).toBe(400);
    expect(json.errors?.map(({ message }) => message)).toEqual([expect.stringContaining(says)]);
    expect(json.data).toBeUndefined();
    expect(text.length).toBeLessThan(SMALL);
    expect((await post(url, '{ __typename }')).status).toBe(200);
  },
);

test('every hostile operation is one small error on a socket too, and the socket goes on', async () => {
  const { port } = await serve();
  const ask = await socket(port);
  for (const { says, name, ...operation } of hostile) {
    const text = await ask(payload(operation));
    expect(text.length, name).toBeLessThan(SMALL);
    const { type, payload: answer } = JSON.parse(text) as { type: string; payload: unknown };
    // What is wrong with the values of variables only execution finds: then it is the errors of a result.
    const errors = type === 'error' ? answer : (answer as { errors: unknown }).errors;
    expect(errors, name).toEqual([expect.objectContaining({ message: expect.stringContaining(says) })]);
  }
  expect(JSON.parse(await ask('{"query":"{ __typename }"}'))).toMatchObject({
    type: 'next',
    payload: { data: { __typename: 'Query' } },
  });
});

test('many ordinary mistakes are told by a few errors, cut to size', async () => {
  const { url } = await serve();
  const names = Array.from({ length: 500 }, (_, index) => `${'x'.repeat(190)}${index}`).join(' ');
  const { text, json } = await post(url, `{ ${names} }`);
  // The bound of root fields stands before them; deeper down there is none.
  expect(json.errors).toHaveLength(1);
  const deeper = await post(url, `{ viewer { ${names} } }`);
  expect(deeper.json.errors).toHaveLength(5);
  expect(deeper.json.errors?.at(-1)?.message).toContain('Too many validation errors');
  expect(text.length + deeper.text.length).toBeLessThan(2 * SMALL);
});

test('many wrong values in the variables are told by a few errors that name their places', async () => {
  const { url } = await serve();
  const nodes = Array(1_000).fill({ [`n${'x'.repeat(1_000)}`]: 1 });
  const { text, json } = await send(`${url}/graphql`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      query: 'mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } } }',
      variables: { input: { name: 'p', nodes } },
    }),
  });
  expect(json.errors).toHaveLength(5);
  expect(json.errors?.[0]?.message).toMatch(
    /^Variable "\$input" got invalid value .*at "input\.nodes\[0\]"; Field "nodeName" of required type "String!" was not provided\.$/,
  );
  expect(json.errors?.at(-1)?.message).toContain('error limit reached');
  expect(text.length).toBeLessThan(SMALL);
});

test('what fails in each object of an answer is told by the first errors', async () => {
  const { url } = await serve({ store: { job: async () => job(1) } });
  const ids = JSON.stringify(Array.from({ length: 100 }, (_, index) => `batch:${index}`));
  const tasks = 'tasks(after: "bad") { nodes { id } }';
  const { json, text } = await post(url, `{ nodes(ids: ${ids}) { ... on Job { ${tasks} } } }`);
  expect(json.data?.['nodes']).toEqual(Array(100).fill(null));
  expect(json.errors).toHaveLength(20);
  expect(json.errors?.[0]?.message).toContain('after must be a cursor that this list gave, got "bad"');
  expect(text.length).toBeLessThan(4 * SMALL);
});

test('a message that is cut keeps its start and its end', async () => {
  const { url } = await serve();
  const { json } = await post(url, `{ job(id: [${'"y" '.repeat(500)}]) { id } }`);
  expect(json.errors?.[0]?.message).toMatch(
    /^ID cannot represent a non-string and non-integer value: \[.{20,}…/,
  );
});

test('a subscription is held to the bounds before its source is opened, over server-sent events and WebSocket', async () => {
  // Without a feed: the fake would fail whoever opened it.
  const { url, port } = await serve();
  const query = 'subscription { jobEvents(jobId: "x") { job { tasks(first: 101) { nodes { id } } } } }';
  const error = { message: 'first must be 0 to 100, got 101', extensions: { code: 'BAD_USER_INPUT' } };
  const { text } = await post(url, query, { accept: 'text/event-stream' });
  const [, data] = /^event: next\ndata: (.*)\n\nevent: complete/m.exec(text) ?? [];
  expect(JSON.parse(data ?? '')).toEqual({ errors: [expect.objectContaining(error)] });
  const ask = await socket(port);
  const told = JSON.parse(await ask(payload({ query })));
  expect(told).toMatchObject({ type: 'error', payload: [error] });
});
