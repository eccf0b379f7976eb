import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

/** Bad input gets a clear error that names field, bound and value; never a 5xx, and the server lives. */
describe('bad input', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  const node = { nodeName: 'a', algorithmName: 'echo' };
  const typed = (input: object) =>
    world.graphql<{
      submitPipeline: { job: unknown; userErrors: { code: string; message: string; path: string[] }[] };
    }>(
      'mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } userErrors { code message path } } }',
      { input },
    );

  it.each([
    {
      what: 'no nodes',
      input: { name: 'p', nodes: [] },
      message: 'nodes must be at least 1 items long, got []',
      path: ['input', 'nodes'],
    },
    {
      what: 'an unknown algorithm',
      input: { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'nowhere' }] },
      message: /^algorithm nowhere Not Found; known are: .*echo/,
      path: ['input', 'nodes', '0', 'algorithmName'],
    },
    {
      what: 'a cycle',
      input: {
        name: 'p',
        nodes: [
          { ...node, input: ['@b'] },
          { ...node, nodeName: 'b', input: ['@a'] },
        ],
      },
      message: 'cyclic nodes are not allowed on batch pipeline',
      path: ['input', 'nodes'],
    },
    {
      what: 'an unknown reference',
      input: { name: 'p', nodes: [{ ...node, input: [{ deep: ['@b'] }] }] },
      message: 'node "a" is depend on node "b" which is not exists',
      path: ['input', 'nodes', '0', 'input'],
    },
    {
      what: 'a missing path of flowInput',
      input: { name: 'p', flowInput: { x: 1 }, nodes: [{ ...node, input: ['@flowInput.y'] }] },
      message: 'unable to find flowInput.y',
      path: ['input', 'nodes', '0', 'input'],
    },
    {
      what: 'a priority of 9',
      input: { name: 'p', nodes: [node], priority: 9 },
      message: 'priority must be at most 5, got 9',
      path: ['input', 'priority'],
    },
    {
      what: 'NUL in a tag',
      input: { name: 'p', nodes: [node], tags: ['a\0'] },
      message: /^tags\[0\] must not contain NUL/,
      path: ['input', 'tags', '0'],
    },
    {
      what: 'a webhook URL of another scheme',
      input: { name: 'p', nodes: [node], webhooks: { result: 'ftp://example.com/' } },
      message: /^webhooks.result .*http/,
      path: ['input', 'webhooks', 'result'],
    },
    {
      what: 'a webhook URL of a private address',
      input: { name: 'p', nodes: [node], webhooks: { result: 'http://10.0.0.1/' } },
      message: /^webhooks.result /,
      path: ['input', 'webhooks', 'result'],
    },
  ])('$what is refused as a userError', async ({ input, message, path }) => {
    const { status, data, errors } = await typed(input);
    expect(errors).toBeUndefined();
    expect(status).toBe(200);
    expect(data!.submitPipeline.job).toBeNull();
    const [first] = data!.submitPipeline.userErrors;
    expect(first!.message).toMatch(message);
    expect(first!.path).toEqual(path);
  });

  it.each([
    { what: 'a wrong type', input: { name: 7, nodes: [node] } },
    { what: 'a huge number', input: { name: 'p', nodes: [node], priority: 1e300 } },
    { what: 'an unknown key', input: { name: 'p', nodes: [node], nonsense: 1 } },
  ])('$what is refused by GraphQL itself', async ({ input }) => {
    const { status, errors } = await typed(input);
    expect(status).toBeLessThan(500);
    expect(errors!.length).toBeGreaterThan(0);
    expect(JSON.stringify(errors)).not.toMatch(/at .*\.(ts|js):\d+|sqlite/i);
  });

  it('of 3 MB is refused before it is read', async () => {
    const response = await world.post(
      JSON.stringify({ query: '{ viewer { scopes } }', variables: { filler: 'x'.repeat(3_000_000) } }),
    );
    expect(response.status).toBe(413);
    expect(JSON.stringify(await response.json())).toMatch(/2097152/);
  });

  it('that is nested 10,000 deep is refused, in variables and in the document', async () => {
    const deep = `${'['.repeat(10_000)}1${']'.repeat(10_000)}`;
    const inVariables = await world.post(
      `{"query":"mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }","variables":{"d":{"name":"p","x":${deep}}}}`,
    );
    expect(inVariables.status).toBeLessThan(500);
    expect(JSON.stringify(await inVariables.json())).toMatch(/128 levels/);
    const document = `mutation { submitDescriptor(input: { descriptor: { name: "p", x: ${deep} } }) { job { id } userErrors { message } } }`;
    const inDocument = await world.post(JSON.stringify({ query: document }));
    expect(inDocument.status).toBeLessThan(500);
    expect(JSON.stringify(await inDocument.json())).toMatch(/at most 200/);
  });

  it.each(['not JSON at all', '', '[1]', 'null', '{"query": 7}', '{}'])(
    'as the body %j is told what is wrong with it',
    async (body) => {
      const response = await world.post(body);
      expect(response.status).toBeLessThan(500);
      const { errors, data } = (await response.json()) as { errors: { message: string }[]; data?: unknown };
      expect(errors[0]!.message.length).toBeGreaterThan(10);
      expect(data ?? null).toBeNull();
    },
  );

  it('may carry NUL characters as data, which come back as they were', async () => {
    const id = await world.submit({
      name: 'p',
      flowInput: { text: 'a\0b' },
      nodes: [{ ...node, input: ['@flowInput.text'] }],
    });
    await world.ended(id);
    const { job } = await world.ask<{ job: { results: { nodes: { result: unknown }[] } } }>(
      'query ($id: ID!) { job(id: $id) { results { nodes { result } } } }',
      { id },
    );
    expect(job.results.nodes).toEqual([{ result: ['a\0b'] }]);
  });

  it('that is a number too large for JSON is told so', async () => {
    const response = await world.post(
      '{"query":"mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { userErrors { message } } }","variables":{"d":{"name":"p","flowInput":{"x":1e999},"nodes":[]}}}',
    );
    expect(response.status).toBeLessThan(500);
    expect(JSON.stringify(await response.json())).toMatch(/finite/);
  });

  it('as an id is not found, whatever it spells', async () => {
    const ids = ['constructor_x', 'toString_', '__proto__', '', 'wh_', 'tsk_1', 'a\0b', '\ud800'];
    const { nodes } = await world.ask<{ nodes: unknown[] }>(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids },
    );
    expect(nodes).toEqual(ids.map(() => null));
  });

  it('that asks for more than an answer may hold is refused, and the server lives', async () => {
    const events =
      'events(first: 100) { nodes { job { events(first: 100) { nodes { job { events(first: 100) { nodes { type } } } } } } } }';
    const { errors } = await world.graphql(`{ ${events} }`);
    expect(errors).toMatchObject([{ extensions: { code: 'LIMIT_REACHED' } }]);
  });

  it('leaves the server as it was', async () => {
    const { viewer } = await world.ask<{ viewer: { account: { name: string } } }>(
      '{ viewer { account { name } } }',
    );
    expect(viewer.account.name).toBe('default');
  });
});
