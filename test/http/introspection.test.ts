import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery, printSchema } from 'graphql';
import { createClient } from 'graphql-ws';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createSchema } from '../../schema/schema.js';
import { post, send, serve } from '../support/http.js';

const closed = () => serve({}, { introspection: false });

test('the introspection of GraphiQL and of code generators is within every limit', async () => {
  const { url } = await serve();
  for (const options of [
    {},
    { inputValueDeprecation: true, specifiedByUrl: true, schemaDescription: true },
  ]) {
    const { json } = await post(url, getIntrospectionQuery(options));
    expect(json.errors).toBeUndefined();
    const read = buildClientSchema(json.data as unknown as IntrospectionQuery);
    expect(Object.keys(read.getTypeMap())).toEqual(
      expect.arrayContaining(Object.keys(createSchema().getTypeMap())),
    );
    expect(printSchema(read)).toContain('type Job ');
  }
});

test('where introspection is off, the schema is refused by one error, and __typename works', async () => {
  const { url } = await closed();
  for (const query of [
    getIntrospectionQuery(),
    '{ __schema { types { name } } }',
    '{ a: __type(name: "Job") { name } b: __type(name: "Task") { name } }',
    '{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }',
  ]) {
    expect((await post(url, query)).json).toMatchObject({
      errors: [{ extensions: { code: 'INTROSPECTION_DISABLED' } }],
    });
  }
  expect((await post(url, '{ __typename viewer { __typename } }')).json.data).toEqual({
    __typename: 'Query',
    viewer: { __typename: 'Viewer' },
  });
});

const mistakes: [query: string, variables: object][] = [
  ['{ viewr { scopes } }', {}],
  ['{ viewer { scope } }', {}],
  ['{ jobs(frst: 1) { nodes { id } } }', {}],
  ['query ($s: JobStatu) { jobs { nodes { id } } }', {}],
  ['{ jobs(filter: { statuses: [ACTIV] }) { nodes { id } } }', {}],
  ['{ jobs(filter: { status: [ACTIVE] }) { nodes { id } } }', {}],
  ['query ($f: JobFilter) { jobs(filter: $f) { nodes { id } } }', { f: { statuses: ['ACTIV'] } }],
  ['query ($f: JobFilter) { jobs(filter: $f) { nodes { id } } }', { f: { status: ['ACTIVE'] } }],
];

/** All that is said to a query, over HTTP and over WebSocket. */
async function said(
  server: { url: string; port: number },
  query: string,
  variables: object,
): Promise<string> {
  const { text } = await send(`${server.url}/graphql`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const client = createClient({
    url: `ws://127.0.0.1:${server.port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  onTestFinished(() => void client.dispose());
  const told = await new Promise((resolve) => {
    let last: unknown;
    client.subscribe(
      { query, variables: { ...variables } },
      {
        next: (result) => {
          last = result;
        },
        error: resolve,
        complete: () => resolve(last),
      },
    );
  });
  return `${text} ${JSON.stringify(told)}`;
}

test.each(mistakes)(
  '%s: names are suggested where introspection is on, and not where it is off',
  async (query, variables) => {
    const open = await said(await serve(), query, variables);
    expect(open.match(/Did you mean/g)).toHaveLength(2);
    expect(await said(await closed(), query, variables)).not.toContain('Did you mean');
  },
);
