import { afterEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

interface Job {
  id: string;
  status: string;
  reason: string | null;
  error: { code: string; message: string } | null;
  results: { nodes: { result: unknown }[] };
}

const FIELDS = `id status reason error { code message } results(first: 24) { nodes { result } }`;

describe('the code of an algorithm', () => {
  let world: World;
  afterEach(() => world.close());

  const open = async (threads = 2) => {
    world = await World.open({ CARILLON_WORKER_THREADS: String(threads) });
  };
  const store = (descriptor: object, accountId = world.app.defaultAccountId) =>
    world.app.engine.savePipeline(accountId, { descriptor, mode: 'create', ifVersion: null });
  const job = async (id: string) =>
    (await world.ask<{ job: Job }>(`query ($id: ID!) { job(id: $id) { ${FIELDS} } }`, { id })).job;
  const single = (algorithmName: string, input: unknown[], more: object = {}) => ({
    name: 'parent',
    nodes: [{ nodeName: 'a', algorithmName, input, ...more }],
  });
  const run = async (descriptor: object) => {
    const id = await world.submit(descriptor);
    await world.ended(id);
    return job(id);
  };
  /** What the calls come to: results, or messages. */
  const calls = async (...given: unknown[][]) => {
    const input = given.map((_, index) => `@flowInput.calls.${index}`);
    const done = await run({ ...single('starter', input), flowInput: { calls: given } });
    return done.results.nodes[0]!.result;
  };
  const runsOf = async (name: string) =>
    (
      await world.ask<{ jobs: { nodes: Job[] } }>(
        `query ($names: [String!]) { jobs(first: 30, filter: { pipelines: $names }) { nodes { ${FIELDS} } } }`,
        { names: [name] },
      )
    ).jobs.nodes;
  /** The id of the first job of this pipeline of which an event of this type comes, from now on. */
  const until = async (type: string, pipeline: string) => {
    for await (const { data } of world.client().iterate<{ events: { job: { id: string } } }>({
      query: `subscription ($filter: EventFilter) { events(filter: $filter) { job { id } } }`,
      variables: { filter: { types: [type], pipelines: [pipeline] } },
    }))
      return data!.events.job.id;
    throw new Error('the subscription has ended');
  };

  it('starts algorithms, stored pipelines and pipelines of its own, and gets their results', async () => {
    await open();
    await store({
      name: 'stored',
      flowInput: { kept: 1 },
      nodes: [{ nodeName: 'inner', algorithmName: 'echo', input: ['@flowInput'] }],
    });
    const nodes = [{ nodeName: 'each', algorithmName: 'sum', input: ['#@flowInput.list', 10] }];
    const results = await calls(
      ['startAlgorithm', 'sum', [1, 2]],
      ['startAlgorithm', 'list'],
      ['startStoredSubpipeline', 'stored', { given: 2 }],
      ['startStoredSubpipeline', 'stored'],
      ['startRawSubpipeline', 'raw', nodes, { list: [1, 2] }, { ttl: 60 }],
      ['startAlgorithm', 'sum', [1], false],
    );
    expect(results).toEqual([
      [{ nodeName: 'sum', algorithmName: 'sum', result: 3 }],
      [{ nodeName: 'list', algorithmName: 'list', result: [] }],
      [{ nodeName: 'inner', algorithmName: 'echo', result: [{ kept: 1, given: 2 }] }],
      [{ nodeName: 'inner', algorithmName: 'echo', result: [{ kept: 1 }] }],
      [
        { nodeName: 'each', batchIndex: 1, algorithmName: 'sum', result: 11 },
        { nodeName: 'each', batchIndex: 2, algorithmName: 'sum', result: 12 },
      ],
      null,
    ]);
    expect((await runsOf('raw')).map(({ status }) => status)).toEqual(['COMPLETED']);
  });

  it('hands over arguments as they are: what starts with a sign is no reference', async () => {
    await open();
    const values = ['@flowInput', '#[1,2]', { deep: ['*@x'] }, null];
    expect(await calls(['startAlgorithm', 'echo', values])).toEqual([
      [{ nodeName: 'echo', algorithmName: 'echo', result: values }],
    ]);
  });

  it('is told why a job was refused, or has failed', async () => {
    await open();
    const other = await world.app.store.ensureAccount('other', 'whsec_b3RoZXI=', 0);
    await store({ name: 'theirs', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] }, other.id);
    const messages = await calls(
      ['startAlgorithm', 'fail', ['the sea is dry']],
      ['startAlgorithm', 'fail', ['quietly'], false],
      ['startAlgorithm', 'nowhere'],
      ['startAlgorithm', 'echo', { not: 'an array' }],
      ['startStoredSubpipeline', 'absent'],
      ['startStoredSubpipeline', 'theirs'],
      ['startRawSubpipeline', 'raw', []],
    );
    expect(messages).toEqual([
      'the sea is dry',
      'quietly',
      expect.stringMatching(/^algorithm nowhere Not Found/),
      'the input of startAlgorithm must be an array: the arguments',
      'pipeline absent Not Found',
      'pipeline theirs Not Found',
      expect.stringMatching(/node/),
    ]);
  });

  it('takes its jobs with it when it ends', async () => {
    await open();
    const done = await run(single('leaver', []));
    expect(done).toMatchObject({ status: 'COMPLETED', results: { nodes: [{ result: 'left' }] } });
    const [left] = await runsOf('hang');
    await world.ended(left!.id);
    expect(await job(left!.id)).toMatchObject({ status: 'CANCELLED', reason: 'parent pipeline exit' });
  });

  it('takes its jobs with it when it fails, and they say so', async () => {
    await open();
    await run(single('leaver', ['the moon is gone']));
    const [left] = await runsOf('hang');
    await world.ended(left!.id);
    expect(await job(left!.id)).toMatchObject({
      status: 'CANCELLED',
      reason: 'parent algorithm failed: the moon is gone',
    });
  });

  it('that is cancelled takes its jobs with it, and is told of one that was', async () => {
    await open();
    const cancel = (id: string, reason: string) =>
      world.ask('mutation ($input: CancelJobInput!) { cancelJob(input: $input) { job { id } } }', {
        input: { id, reason },
      });
    const first = until('TASK_ACQUIRED', 'hang');
    const parent = await world.submit(single('starter', [['startAlgorithm', 'hang']]));
    await first;
    await cancel(parent, 'enough');
    await world.ended(await first);
    expect(await job(await first)).toMatchObject({ status: 'CANCELLED', reason: 'parent pipeline exit' });

    const second = until('TASK_ACQUIRED', 'hang');
    const told = calls(['startAlgorithm', 'hang']);
    await cancel(await second, 'not today');
    expect(await told).toEqual(['not today']);
  });

  it('waits for its jobs without holding up others: six wait where there are two threads', async () => {
    await open(2);
    const each = ['startAlgorithm', 'sum', ['#@flowInput.list', 100]];
    const done = await run({ ...single('starter', [each]), flowInput: { list: [1, 2, 3, 4, 5, 6] } });
    expect(done.results.nodes.map(({ result }) => result)).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => [[{ nodeName: 'sum', algorithmName: 'sum', result: 100 + n }]]),
    );
  });

  it('that starts its own pipeline again and again is refused at the depth', async () => {
    await open(5);
    await store({
      name: 'deep',
      nodes: [{ nodeName: 'a', algorithmName: 'starter', input: [['startStoredSubpipeline', 'deep']] }],
    });
    const results = JSON.stringify(await calls(['startStoredSubpipeline', 'deep']));
    expect(results).toContain('pipelines may run in pipelines at most 16 deep, got 17');
    expect(await runsOf('deep')).toHaveLength(16);
  });

  it('of many items at once waits for many jobs, and none is refused', async () => {
    await open(2);
    const list = Array.from({ length: 24 }, (_, index) => index);
    const nodes = [
      { nodeName: 'x', algorithmName: 'nap', input: [5] },
      { nodeName: 'y', algorithmName: 'nap', input: ['@x'] },
    ];
    const done = await run({
      ...single('starter', ['@flowInput.call', ['startAlgorithm', 'sum', ['#@flowInput.list']]]),
      flowInput: { list, call: ['startRawSubpipeline', 'raw', nodes] },
    });
    expect(done.results.nodes.map(({ result }) => result)).toEqual(
      list.map((n) => [
        [{ nodeName: 'y', algorithmName: 'nap', result: 5 }],
        [{ nodeName: 'sum', algorithmName: 'sum', result: n }],
      ]),
    );
  });
});
