import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

interface Item {
  nodeName: string;
  batchIndex: number | null;
  algorithmName: string;
  result: unknown;
  error: string | null;
}
interface Job {
  id: string;
  status: string;
  reason: string | null;
  error: { code: string; message: string; nodeName: string | null } | null;
  tasks: {
    nodes: {
      nodeName: string;
      algorithmName: string;
      status: string;
      attempt: number;
      worker: string | null;
      error: { code: string; message: string } | null;
    }[];
  };
  results: { nodes: Item[] };
}

const FIELDS = `id status reason error { code message nodeName }
  tasks(first: 100) { nodes { nodeName algorithmName status attempt worker error { code message } } }
  results(first: 100) { nodes { nodeName batchIndex algorithmName result error } }`;

describe('a node of kind "pipeline"', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const store = async (name: string, nodes: object[], more: object = {}) => {
    const { savePipeline } = await world.ask<{ savePipeline: { userErrors: object[] } }>(
      'mutation ($d: JSON!) { savePipeline(input: { descriptor: $d }) { userErrors { message } } }',
      { d: { name, nodes, ...more } },
    );
    expect(savePipeline.userErrors).toEqual([]);
  };
  const echo = (...input: unknown[]) => ({ nodeName: 'inner', algorithmName: 'echo', input });
  const node = (name: string, input: unknown[] = [], more: object = {}) => ({
    nodeName: 'outer',
    kind: 'pipeline',
    spec: { name },
    input,
    ...more,
  });
  const parent = (...nodes: object[]) => ({ name: 'parent', nodes });

  const job = async (id: string) =>
    (await world.ask<{ job: Job }>(`query ($id: ID!) { job(id: $id) { ${FIELDS} } }`, { id })).job;
  const runsOf = async (name: string) =>
    (
      await world.ask<{ jobs: { nodes: Pick<Job, 'id' | 'status'>[] } }>(
        `query ($names: [String!]) { jobs(first: 100, filter: { pipelines: $names }) { nodes { id status } } }`,
        { names: [name] },
      )
    ).jobs.nodes;
  const run = async (descriptor: object) => {
    const id = await world.submit(descriptor);
    const events = await world.ended(id);
    return { ...(await job(id)), types: events.map(({ type }) => type) };
  };
  /** The events of the whole account, from now on, until one of this type of a job of this pipeline has come. */
  const until = async (type: string, pipeline: string) => {
    for await (const { data } of world.client().iterate<{ events: { job: { id: string } } }>({
      query: `subscription ($filter: EventFilter) { events(filter: $filter) { job { id } } }`,
      variables: { filter: { types: [type], pipelines: [pipeline] } },
    }))
      return data!.events.job.id;
    throw new Error('the subscription has ended');
  };
  const cancel = (id: string, reason: string) =>
    world.ask(
      'mutation ($id: ID!, $reason: String) { cancelJob(input: { id: $id, reason: $reason }) { job { id } } }',
      {
        id,
        reason,
      },
    );

  it('over a batch runs the stored pipeline for each item, and hands on its results', async () => {
    await store('child', [echo('@flowInput.n', '@flowInput.fixed')], { flowInput: { fixed: 'f', n: 0 } });
    const { types, ...done } = await run({
      ...parent(node('child', ['#@flowInput.items']), {
        nodeName: 'after',
        algorithmName: 'echo',
        input: ['@outer'],
      }),
      flowInput: { items: [1, 2, 3, 4, 5].map((n) => ({ n })) },
    });
    const item = (n: number) => [{ nodeName: 'inner', algorithmName: 'echo', result: [n, 'f'] }];
    expect(done).toMatchObject({
      status: 'COMPLETED',
      results: { nodes: [{ nodeName: 'after', result: [[1, 2, 3, 4, 5].map(item)] }] },
    });
    expect(types.filter((type) => type === 'TASK_ACQUIRED')).toHaveLength(6);
    expect(types.filter((type) => type === 'TASK_COMPLETED')).toHaveLength(6);
    const runs = await runsOf('child');
    expect(runs).toHaveLength(5);
    expect(runs.every(({ status }) => status === 'COMPLETED')).toBe(true);
    expect(done.tasks.nodes.filter(({ nodeName }) => nodeName === 'outer')).toMatchObject(
      Array(5).fill({ algorithmName: 'child', status: 'SUCCEEDED', attempt: 1, worker: null }),
    );
  });

  it.each([
    [[], { stored: 1 }],
    [[{ given: 2 }], { stored: 1, given: 2 }],
    [[{ stored: 3 }], { stored: 3 }],
    [['a', 2], { stored: 1, input: ['a', 2] }],
    [[[1]], { stored: 1, input: [[1]] }],
    [[null], { stored: 1, input: [null] }],
  ])('given %j runs with the flowInput %j', async (input, flowInput) => {
    await store('child', [echo('@flowInput')], { flowInput: { stored: 1 } });
    const done = await run(parent(node('child', input)));
    expect(done.results.nodes[0]!.result).toEqual([
      { nodeName: 'inner', algorithmName: 'echo', result: [flowInput] },
    ]);
  });

  it('runs pipelines in pipelines, three deep, and batches and skipped nodes show in their results', async () => {
    await store(
      'deepest',
      [
        { nodeName: 'each', algorithmName: 'echo', input: ['#[1...2]', '@flowInput.from'] },
        { nodeName: 'none', algorithmName: 'echo', input: ['#[]'] },
      ],
      { flowInput: { from: null } },
    );
    await store('middle', [node('deepest', [{ from: '@flowInput.from' }])], { flowInput: { from: null } });
    await store('top', [node('middle', [{ from: '@flowInput.from' }])], { flowInput: { from: null } });
    const done = await run({
      ...parent(node('top', [{ from: '@flowInput.from' }])),
      flowInput: { from: 'x' },
    });
    const within = (result: unknown, algorithmName: string) => [{ nodeName: 'outer', algorithmName, result }];
    expect(done.results.nodes[0]!.result).toEqual(
      within(
        within(
          [
            { nodeName: 'each', batchIndex: 1, algorithmName: 'echo', result: [1, 'x'] },
            { nodeName: 'each', batchIndex: 2, algorithmName: 'echo', result: [2, 'x'] },
            { nodeName: 'none', batchIndex: -1, algorithmName: 'echo' },
          ],
          'deepest',
        ),
        'middle',
      ),
    );
  });

  it('fails with what its pipeline has failed with', async () => {
    await store('child', [{ nodeName: 'inner', algorithmName: 'fail', input: ['the sea is dry'] }]);
    const done = await run(parent(node('child')));
    expect(done).toMatchObject({
      status: 'FAILED',
      error: { code: 'ALGORITHM_ERROR', message: 'the sea is dry', nodeName: 'outer' },
    });
    expect(done.types).toEqual(['JOB_PENDING', 'JOB_ACTIVE', 'TASK_ACQUIRED', 'TASK_FAILED', 'JOB_FAILED']);
  });

  it('of a batch goes on with what is left within its tolerance', async () => {
    await store('child', [echo('@flowInput.n')]);
    const done = await run({
      ...parent(node('child', ['#@flowInput.items'])),
      options: { batchTolerance: 60 },
      flowInput: { items: [{ n: 1 }, {}, { n: 3 }] },
    });
    const result = (n: number) => [{ nodeName: 'inner', algorithmName: 'echo', result: [n] }];
    expect(done).toMatchObject({
      status: 'COMPLETED',
      results: {
        nodes: [
          { batchIndex: 1, algorithmName: 'child', result: result(1), error: null },
          { batchIndex: 2, algorithmName: 'child', result: null, error: 'unable to find flowInput.n' },
          { batchIndex: 3, algorithmName: 'child', result: result(3), error: null },
        ],
      },
    });
  });

  it('retries by a new run', async () => {
    await store('child', [{ nodeName: 'inner', algorithmName: 'fail', input: ['no'] }]);
    const done = await run(parent(node('child', [], { retry: { policy: 'OnError', limit: 2 } })));
    expect(done.tasks.nodes).toMatchObject([{ status: 'FAILED', attempt: 2 }]);
    expect((await runsOf('child')).map(({ status }) => status)).toEqual(['FAILED', 'FAILED']);
  });

  it('shows its run as the worker, and stops it when its job is cancelled', async () => {
    await store('child', [{ nodeName: 'inner', algorithmName: 'hang' }]);
    const started = until('TASK_ACQUIRED', 'child');
    const id = await world.submit(parent(node('child')));
    const child = await started;
    expect((await job(id)).tasks.nodes).toMatchObject([{ status: 'ACTIVE', worker: child }]);
    await cancel(id, 'enough');
    await world.ended(child);
    expect(await job(child)).toMatchObject({ status: 'CANCELLED', reason: 'parent pipeline exit' });
  });

  it('stops the other runs of its job when one fails', async () => {
    await store('left', [{ nodeName: 'inner', algorithmName: 'hang' }]);
    await store('right', [{ nodeName: 'inner', algorithmName: 'hang' }]);
    const started = [until('TASK_ACQUIRED', 'left'), until('TASK_ACQUIRED', 'right')];
    const id = await world.submit(parent(node('left'), { ...node('right'), nodeName: 'other' }));
    const [left, right] = await Promise.all(started);
    await cancel(left!, 'not today');
    await world.ended(right!);
    expect(await job(right!)).toMatchObject({ status: 'CANCELLED', reason: 'parent pipeline exit' });
    expect(await job(id)).toMatchObject({ status: 'FAILED', error: { message: 'not today' } });
  });

  it('fails with the reason for which its run was cancelled', async () => {
    await store('child', [{ nodeName: 'inner', algorithmName: 'hang' }]);
    const started = until('TASK_ACQUIRED', 'child');
    const id = await world.submit(parent(node('child')));
    await cancel(await started, 'not today');
    await world.ended(id);
    expect(await job(id)).toMatchObject({
      status: 'FAILED',
      error: { message: 'not today', nodeName: 'outer' },
    });
  });

  it('that runs its own pipeline ends at the depth', async () => {
    await store('ouroboros', [node('ouroboros')]);
    const done = await run(parent(node('ouroboros')));
    expect(done.error?.message).toBe(
      'pipelines may run in pipelines at most 16 deep, got 17: see whether one of them runs itself',
    );
    expect(await runsOf('ouroboros')).toHaveLength(16);
  });

  it('is refused where the account has no such pipeline, or none is named', async () => {
    const refused = async (more: object) =>
      (
        await world.ask<{ submitDescriptor: { userErrors: object[] } }>(
          'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { userErrors { code message path } } }',
          { d: parent(node('x', [], more)) },
        )
      ).submitDescriptor.userErrors;
    // Of another account, which is the same as nowhere.
    const other = await world.app.store.ensureAccount('other', 'whsec_b3RoZXI=', 0);
    await world.app.engine.savePipeline(other.id, {
      descriptor: { name: 'x', nodes: [echo()] },
      mode: 'create',
      ifVersion: null,
    });
    expect(await refused({})).toEqual([
      {
        code: 'NOT_FOUND',
        message: 'pipeline x Not Found',
        path: ['input', 'descriptor', 'nodes', '0', 'spec'],
      },
    ]);
    for (const spec of [undefined, {}, { name: '' }])
      expect(await refused({ spec })).toMatchObject([
        { code: 'INVALID', message: 'node outer must have spec with name' },
      ]);
  });

  it('fails where its pipeline was deleted, or takes its input badly', async () => {
    await store('child', [echo('@flowInput.needed')]);
    const lacking = await run(parent(node('child')));
    expect(lacking.error).toMatchObject({
      code: 'INPUT_INVALID',
      message: 'unable to find flowInput.needed',
    });
    await world.ask('mutation { deletePipeline(input: { name: "child" }) { userErrors { message } } }');
    await store('caller', [node('child')]);
    const gone = await run(parent(node('caller')));
    expect(gone.error?.message).toBe('pipeline child Not Found');
  });

  it('fails where what it is given, or gives back, is too large', async () => {
    await store('child', [echo('@flowInput')], { flowInput: {} });
    const text = 'x'.repeat(1_000_000);
    const given = await run({
      ...parent(node('child', [{ a: '@flowInput.text', b: '@flowInput.text', c: '@flowInput.text' }])),
      flowInput: { text },
    });
    expect(given.error).toMatchObject({ code: 'INPUT_TOO_LARGE' });
    await store(
      'large',
      [{ nodeName: 'inner', algorithmName: 'echo', input: ['#[1...5]', '@flowInput.text'] }],
      { flowInput: { text } },
    );
    const back = await run(parent(node('large')));
    expect(back.error).toMatchObject({ code: 'RESULT_TOO_LARGE' });
  });
});
