import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dialectRoutes } from '../../../src/dialect.js';
import { hkubeDialect } from '../../../src/dialects/hkube/routes.js';
import { fake } from '../../support/fake.js';
import { HkubeClient } from '../../support/hkube.js';
import { World } from '../../support/world.js';

const dialect = hkubeDialect(
  fake<Parameters<typeof hkubeDialect>[0]>('parts of a dialect', { store: {} as never }),
);

it('what only reads needs the scope READ, everything else SUBMIT', () => {
  const reading = dialect.routes.filter(({ scope }) => scope === 'READ');
  const changing = dialect.routes.filter(({ scope }) => scope === 'SUBMIT');
  expect(reading.length + changing.length).toBe(dialect.routes.length);
  expect(reading.filter(({ method }) => method !== 'GET').map(({ path }) => path)).toEqual(['/exec/search']);
  expect(changing.filter(({ method }) => method === 'GET')).toEqual([]);
});

it('no route is there twice', () => {
  const names = dialectRoutes(dialect);
  expect(names).toEqual([...new Set(names)]);
});

describe('whatever is sent to a route', () => {
  let world: World;
  let hkube: HkubeClient;
  beforeAll(async () => {
    world = await World.open();
    hkube = new HkubeClient(world.app.url);
    for (const name of ['known', 'other']) {
      const nodes = [{ nodeName: 'a', algorithmName: 'noop' }];
      await hkube.take('POST', '/store/pipelines', { name, nodes });
      await world.ended(await hkube.run({ name, nodes, flowInput: { a: 1 } }));
    }
  });
  afterAll(() => world.close());

  const text = fc.oneof(
    fc.constantFrom(
      'known',
      'main',
      'echo',
      'completed',
      '..',
      '@',
      '%',
      'a:b',
      '__proto__',
      'constructor',
      '\0',
    ),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
  );
  const value = fc.oneof(
    text,
    fc.constantFrom(
      null,
      true,
      -1,
      0,
      1.5,
      1e308,
      9_007_199_254_740_992,
      '1',
      'desc',
      [],
      {},
      [[[]]],
      [null],
    ),
    fc.jsonValue({ maxDepth: 3 }),
  );
  /** Fields that some route takes, with values of any kind. */
  const keys = [
    ...['name', 'jobId', 'nodeName', 'pipelineName', 'nodes', 'flowInput', 'options', 'webhooks', 'pattern'],
    ...[
      'query',
      'cursor',
      'limit',
      'pageNum',
      'sort',
      'fields',
      'tags',
      'startTime',
      'statusToStop',
      'reason',
    ],
    ...[
      'input',
      'mem',
      'cpu',
      'payload',
      'exists',
      'triggers',
      'experimentName',
      'format',
      'raw',
      '__proto__',
    ],
  ];
  const object = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 });
  const body = fc.oneof(
    object,
    object.map((inner) => ({ query: inner })),
    fc.array(object, { maxLength: 3 }),
    value,
  );
  const query = fc.dictionary(fc.constantFrom(...keys, 'status', 'download', 'overwrite'), text, {
    maxKeys: 3,
  });

  it.each(dialect.routes)('is answered, or refused in its shape: $method $path', async ({ method, path }) => {
    await fc.assert(
      fc.asyncProperty(text, query, body, async (id, asked, given) => {
        const named = path.replace(/\/:\w+\??/, `/${encodeURIComponent(id)}`);
        const search = new URLSearchParams(asked).toString();
        const sent = method === 'GET' || method === 'DELETE' ? undefined : given;
        const { status, json } = await hkube.ask(method, `${named}?${search}`, JSON.stringify(sent));
        expect(status).toBeLessThan(500);
        if (status < 400 || json === null) return;
        expect(json).toEqual({ error: { code: status, message: expect.any(String) } });
        expect(json.error.message).not.toBe('');
        expect(json.error.message.length).toBeLessThan(2_000);
        expect(json.error.message).not.toMatch(/ at .+:\d+:\d+|SQLITE|undefined|\[object/);
      }),
      { numRuns: process.env['CARILLON_TEST_HEAVY'] === '1' ? 500 : 12 },
    );
  });
});
