import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StoredAlgorithm } from '../../../src/algorithm.js';
import type { Reply, Route } from '../../../src/dialect.js';
import { hkubeDialect } from '../../../src/dialects/hkube/routes.js';
import type { Engine } from '../../../src/engine/engine.js';
import { UnavailableError } from '../../../src/errors.js';
import type { Job } from '../../../src/job.js';
import type { Store } from '../../../src/store.js';
import { ACCOUNT } from '../../support/api.js';
import { fake } from '../../support/fake.js';

const MANY = 20;
const numbers = Array.from({ length: MANY }, (_, index) => index);
const job = (index: number) =>
  fake<Job>('a job', {
    id: `p:${index}`,
    uuid: `${index}`,
    accountId: ACCOUNT.id,
    pipelineName: 'p',
    status: 'COMPLETED',
    position: index,
    progress: { percent: 100, states: [['succeed', 1]] } as never,
    error: null,
    reason: null,
    types: ['raw'],
    createdAt: 1_000,
    startedAt: 1_000,
    finishedAt: 2_000,
  });
const store = fake<Store>('a store', {
  job: async () => job(0),
  jobs: async (_account, _filter, { after, limit }) => (after ? [] : numbers.slice(0, limit).map(job)),
  descriptor: async () => JSON.stringify({ name: 'p', nodes: [] }),
  results: async (_account, _id, from) => (from === 0 ? [] : []),
  storedAlgorithmNames: async () => numbers.map((index) => `alg-${index}`),
  storedAlgorithm: async (_account, name) =>
    fake<StoredAlgorithm>('an algorithm', { name, document: '{}', modifiedAt: 0 }),
});
const engine = fake<Engine>('an engine', {
  algorithms: () => [],
  savePipeline: async () => {
    throw new UnavailableError('the disk is full');
  },
});
const { routes } = hkubeDialect({ engine, store, now: () => 0 });

const ask = (method: Route['method'], path: string, query = '', body: unknown = {}): Promise<Reply> =>
  routes
    .find((route) => route.method === method && route.path === path)!
    .run({
      viewer: null as never,
      accountId: ACCOUNT.id,
      params: {},
      query: new URLSearchParams(query),
      body,
    });

let turns = 0;
let counting = true;
beforeAll(() => {
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  count();
});
afterAll(() => {
  counting = false;
});

it.each([
  ['GET', '/pipelines/status', 'name=p&limit=1000'],
  ['GET', '/pipelines/results', 'name=p&limit=1000'],
  ['GET', '/exec/search', ''],
  ['POST', '/exec/search', ''],
  ['GET', '/store/algorithms', ''],
] as const)('others get their turn between the items of %s %s', async (method, path, query) => {
  const reply = await ask(method, path, query);
  if (!('text' in reply)) throw new Error('the answer is made as a whole');
  const before = turns;
  let text = '';
  for await (const piece of reply.text) text += piece;
  expect(turns - before).toBeGreaterThanOrEqual(MANY - 1);
  const json = JSON.parse(text);
  expect('hits' in json ? json.hits : json).toHaveLength(MANY);
});

it('a list of pipelines that cannot be stored is answered to its end', async () => {
  const reply = await ask('POST', '/store/pipelines', '', [{ name: 'p' }, { name: 'q' }]);
  if (!('text' in reply)) throw new Error('the answer is made as a whole');
  let text = '';
  for await (const piece of reply.text) text += piece;
  const error = { code: 503, message: expect.stringContaining('the disk is full') };
  expect(JSON.parse(text)).toEqual([{ error: { ...error, name: 'p' } }, { error: { ...error, name: 'q' } }]);
});
