import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

interface Problem {
  code: string;
  message: string;
  path: string[];
}
interface Saved {
  pipeline: { id: string; version: number; descriptor: Record<string, unknown> } | null;
  userErrors: Problem[];
}
interface Run {
  job: { id: string; types: string[]; descriptor: Record<string, unknown> } | null;
  userErrors: Problem[];
}

const ERRORS = 'userErrors { code message path }';
const SAVE = `mutation ($input: SavePipelineInput!) { savePipeline(input: $input) {
  pipeline { id version descriptor } ${ERRORS} } }`;
const RUN = `mutation ($input: RunPipelineInput!) { runPipeline(input: $input) { job { id types descriptor } ${ERRORS} } }`;
const DELETE = `mutation ($name: String!) { deletePipeline(input: { name: $name }) {
  deletedPipelineName stoppedJobs ${ERRORS} } }`;
const RESULTS = 'query ($id: ID!) { job(id: $id) { status results { nodes { nodeName result } } } }';

describe('a stored pipeline', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const save = async (descriptor: object, more: object = {}) =>
    (await world.ask<{ savePipeline: Saved }>(SAVE, { input: { descriptor, ...more } })).savePipeline;
  const run = async (input: object) => (await world.ask<{ runPipeline: Run }>(RUN, { input })).runPipeline;
  const remove = async (name: string) =>
    (
      await world.ask<{
        deletePipeline: {
          deletedPipelineName: string | null;
          stoppedJobs: number | null;
          userErrors: Problem[];
        };
      }>(DELETE, { name })
    ).deletePipeline;
  const refused = async (answer: Promise<{ userErrors: Problem[] }>) => (await answer).userErrors;
  const resultsOf = async (id: string) => {
    await world.ended(id);
    const { job } = await world.ask<{
      job: { status: string; results: { nodes: { nodeName: string; result: unknown }[] } };
    }>(RESULTS, { id });
    return { status: job.status, results: job.results.nodes.map(({ result }) => result) };
  };

  const numbers = {
    name: 'numbers',
    description: 'adds what it is given',
    tags: ['sums', 'nightly'],
    flowInput: { data: [1, 2, 3], unit: 'cm' },
    nodes: [
      { nodeName: 'each', algorithmName: 'echo', input: ['#@flowInput.data', '@flowInput.unit'] },
      { nodeName: 'all', algorithmName: 'echo', input: ['@each'] },
    ],
  };

  it('is saved, found, run and listed with its jobs', async () => {
    const { pipeline } = await save(numbers);
    expect(pipeline).toMatchObject({ id: expect.stringMatching(/^pip_/), version: 1 });
    const { job } = await run({ name: 'numbers' });
    expect(job?.types).toEqual(['STORED']);
    expect(await resultsOf(job!.id)).toEqual({
      status: 'COMPLETED',
      results: [
        [
          [
            [1, 'cm'],
            [2, 'cm'],
            [3, 'cm'],
          ],
        ],
      ],
    });
    // One of the same name that was not made of it.
    const raw = await world.submit({ name: 'numbers', nodes: [{ nodeName: 'n', algorithmName: 'noop' }] });
    const found = await world.ask<object>(
      `query ($id: ID!) {
        node(id: $id) { ... on Pipeline { name } }
        none: pipeline(name: "number") { id }
        pipelines { nodes { name } }
        pipeline(name: "numbers") {
          id name version description tags
          versions { nodes { version } }
          jobs { nodes { id } }
          stored: jobs(filter: { tags: ["sums"] }) { nodes { id } }
          others: jobs(filter: { pipelines: ["other"] }) { nodes { id } }
        }
      }`,
      { id: pipeline!.id },
    );
    expect(found).toEqual({
      node: { name: 'numbers' },
      none: null,
      pipelines: { nodes: [{ name: 'numbers' }] },
      pipeline: {
        id: pipeline!.id,
        name: 'numbers',
        version: 1,
        description: 'adds what it is given',
        tags: ['sums', 'nightly'],
        versions: { nodes: [{ version: 1 }] },
        jobs: { nodes: [{ id: raw }, { id: job!.id }] },
        stored: { nodes: [{ id: job!.id }] },
        others: { nodes: [] },
      },
    });
  });

  // Case 62.
  it('has its defaults filled in, and what no descriptor has left out', async () => {
    const { pipeline } = await save({
      name: 'minimal',
      nodes: [{ nodeName: 'a', algorithmName: 'echo' }],
      whatever: 1,
    });
    expect(pipeline!.descriptor).toMatchObject({
      name: 'minimal',
      kind: 'batch',
      experimentName: 'main',
      priority: 3,
      options: { ttl: 3_600, batchTolerance: 80, progressVerbosityLevel: 'info' },
      nodes: [{ nodeName: 'a', algorithmName: 'echo', input: [], kind: 'algorithm' }],
    });
    expect(pipeline!.descriptor).not.toHaveProperty('whatever');
  });

  // Case 60, and HKube's examples of a merge.
  it('is run with what the run has of its own over what is stored', async () => {
    const options = { batchTolerance: 45, progressVerbosityLevel: 'debug', ttl: 85_900 };
    const webhooks = {
      progress: 'http://127.0.0.1:59999/p',
      result: 'http://127.0.0.1:59999/r',
      format: 'STANDARD',
    };
    await save({ ...numbers, options, webhooks, priority: 2 });
    const { job } = await run({
      name: 'numbers',
      options: { ttl: 255 },
      webhooks: { result: 'http://127.0.0.1:59999/other' },
      tags: ['daily'],
      nodes: [{}, { input: ['mine'] }],
      flowInput: { data: [7], unit: 'm' },
      externalId: 'theirs',
    });
    expect(job?.descriptor).toMatchObject({
      options: { ...options, ttl: 255 },
      webhooks: { ...webhooks, result: 'http://127.0.0.1:59999/other' },
      priority: 2,
      tags: ['daily', 'nightly'],
      flowInput: { data: [7], unit: 'm' },
      externalId: 'theirs',
      nodes: [{ nodeName: 'each' }, { nodeName: 'all', input: ['mine'] }],
    });
    // Its first node is nobody's parent now, so its results are results of the job.
    expect(await resultsOf(job!.id)).toMatchObject({ results: [[7, 'm'], ['mine']] });
    // What is stored has not changed.
    const { job: next } = await run({ name: 'numbers' });
    expect(next?.descriptor).toMatchObject({ options, webhooks, flowInput: numbers.flowInput });
    expect(next?.descriptor).not.toHaveProperty('externalId');
  });

  it('takes a flowInput whole, and says what the nodes miss in it', async () => {
    await save(numbers);
    const problem = {
      code: 'INVALID',
      message: 'unable to find flowInput.unit',
      path: ['input', 'name'],
    };
    expect(await refused(run({ name: 'numbers', flowInput: { data: [7] } }))).toEqual([problem]);
  });

  it('may be stored without its flowInput and before its algorithm, which its runs need', async () => {
    const { flowInput: _, ...open } = numbers;
    await save({ ...open, nodes: [{ nodeName: 'a', algorithmName: 'later', input: ['@flowInput.x'] }] });
    expect(await refused(run({ name: 'numbers' }))).toEqual([
      { code: 'INVALID', message: 'unable to find flowInput.x', path: ['input', 'name'] },
      {
        code: 'NOT_FOUND',
        message: expect.stringContaining('algorithm later Not Found'),
        path: ['input', 'name'],
      },
    ]);
    const { job } = await run({ name: 'numbers', flowInput: { x: 1 }, nodes: [{ algorithmName: 'echo' }] });
    expect(await resultsOf(job!.id)).toEqual({ status: 'COMPLETED', results: [[1]] });
  });

  it('is refused like a submission where its descriptor is wrong, with the place in it', async () => {
    expect(
      await refused(
        save({
          name: 'wrong',
          nodes: [
            { nodeName: 'a', algorithmName: 'echo', input: ['@b'] },
            { nodeName: 'a', algorithmName: 'echo', input: ['@flowInput.x'] },
          ],
        }),
      ),
    ).toEqual([
      {
        code: 'INVALID',
        message: 'node "a" is depend on node "b" which is not exists',
        path: ['input', 'descriptor', 'nodes', '0', 'input'],
      },
      {
        code: 'INVALID',
        message: 'found duplicate node "a"',
        path: ['input', 'descriptor', 'nodes', '1', 'nodeName'],
      },
    ]);
    expect(await refused(save({ ...numbers, webhooks: { result: 'http://10.0.0.1/' } }))).toEqual([
      {
        code: 'FORBIDDEN_DESTINATION',
        message: expect.any(String),
        path: ['input', 'descriptor', 'webhooks', 'result'],
      },
    ]);
    expect(await refused(save([]))).toMatchObject([{ code: 'INVALID', path: ['input', 'descriptor'] }]);
    expect(await world.ask('{ pipelines { nodes { name } } }')).toEqual({ pipelines: { nodes: [] } });
  });

  // Cases 58 and 63.
  it("says HKube's sentences where the name is taken or unknown", async () => {
    await save(numbers, { mode: 'CREATE' });
    expect(await refused(save(numbers, { mode: 'CREATE' }))).toEqual([
      {
        code: 'CONFLICT',
        message: 'pipeline numbers already exists',
        path: ['input', 'descriptor', 'name'],
      },
    ]);
    const missing = (path: string[]) => [
      { code: 'NOT_FOUND', message: 'pipeline not_found Not Found', path: ['input', ...path] },
    ];
    expect(await refused(run({ name: 'not_found' }))).toEqual(missing(['name']));
    expect(await refused(remove('not_found'))).toEqual(missing(['name']));
    expect(await refused(save({ ...numbers, name: 'not_found' }, { mode: 'UPDATE' }))).toEqual(
      missing(['descriptor', 'name']),
    );
  });

  it('keeps its versions, which can be read and run, and is not overwritten unseen', async () => {
    await save({ ...numbers, flowInput: { data: [1], unit: 'first' } });
    await save({ ...numbers, flowInput: { data: [1], unit: 'second' } }, { ifVersion: 1 });
    const late = save({ ...numbers, priority: 5 }, { ifVersion: 1 });
    expect(await refused(late)).toEqual([
      {
        code: 'CONFLICT',
        message:
          'pipeline numbers is at version 2, not 1: read it again, and save what is to follow that version',
        path: ['input', 'ifVersion'],
      },
    ]);
    expect(await refused(save(numbers, { mode: 'CREATE', ifVersion: 1 }))).toMatchObject([
      { code: 'INVALID', path: ['input', 'ifVersion'] },
    ]);
    const { pipeline } = await world.ask<{
      pipeline: { versions: { nodes: { version: number; descriptor: { flowInput: { unit: string } } }[] } };
    }>('{ pipeline(name: "numbers") { versions { nodes { version descriptor } } } }');
    expect(
      pipeline.versions.nodes.map(({ version, descriptor }) => [version, descriptor.flowInput.unit]),
    ).toEqual([
      [2, 'second'],
      [1, 'first'],
    ]);
    const { job } = await run({ name: 'numbers', version: 1 });
    expect(await resultsOf(job!.id)).toMatchObject({ results: [[[[1, 'first']]]] });
    expect(await refused(run({ name: 'numbers', version: 7 }))).toEqual([
      {
        code: 'NOT_FOUND',
        message: 'pipeline numbers has no version 7: the newest is 2, and old ones are removed',
        path: ['input', 'version'],
      },
    ]);
  });

  it('is run once for an idempotency key, though it has changed or gone meanwhile', async () => {
    await save(numbers);
    const input = { name: 'numbers', priority: 4, idempotencyKey: 'once' };
    const first = await run(input);
    await save({ ...numbers, priority: 1 });
    expect(await run(input)).toEqual(first);
    await world.ended(first.job!.id);
    await remove('numbers');
    expect(await run(input)).toEqual(first);
    expect(await refused(run({ ...input, priority: 5 }))).toMatchObject([
      { code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] },
    ]);
  });

  it('tells problems of what a run was given where it was given', async () => {
    await save(numbers);
    expect(
      await refused(
        run({
          name: 'numbers',
          priority: 6,
          options: { batchTolerance: 101 },
          tags: ['ok', 'x'.repeat(33)],
          nodes: [{}, {}, { algorithmName: 'echo' }],
        }),
      ),
    ).toMatchObject([
      { path: ['input', 'nodes', '2', 'nodeName'] },
      { path: ['input', 'options', 'batchTolerance'] },
      { path: ['input', 'priority'] },
      { path: ['input', 'tags', '1'] },
    ]);
    expect(await refused(run({ name: 'numbers', webhooks: { result: 'ftp://x/' } }))).toMatchObject([
      { code: 'FORBIDDEN_DESTINATION', path: ['input', 'webhooks', 'result'] },
    ]);
  });

  it('takes the jobs that were made of it along when it is deleted, and no others', async () => {
    const hanging = { name: 'hanging', nodes: [{ nodeName: 'n', algorithmName: 'hang' }] };
    await save(hanging);
    await save({ ...hanging, name: 'other' });
    const other = (await run({ name: 'other' })).job!.id;
    const raw = await world.submit(hanging);
    const own = [(await run({ name: 'hanging' })).job!.id, (await run({ name: 'hanging' })).job!.id];
    expect(await remove('hanging')).toEqual({
      deletedPipelineName: 'hanging',
      stoppedJobs: 2,
      userErrors: [],
    });
    for (const id of own)
      expect(await world.ask('query ($id: ID!) { job(id: $id) { status reason } }', { id })).toEqual({
        job: { status: 'CANCELLED', reason: 'pipeline has been deleted' },
      });
    for (const id of [other, raw]) {
      const { job } = await world.ask<{ job: { status: string } }>(
        'query ($id: ID!) { job(id: $id) { status } }',
        { id },
      );
      expect(job.status).not.toBe('CANCELLED');
    }
    expect(await world.ask('{ pipeline(name: "hanging") { id } }')).toEqual({ pipeline: null });
    expect(await save(hanging, { mode: 'CREATE' })).toMatchObject({ pipeline: { version: 1 } });
  });

  it('leaves no run behind when many are started while it is deleted', async () => {
    const { engine, store, defaultAccountId: account } = world.app;
    const hanging = { name: 'hanging', nodes: [{ nodeName: 'n', algorithmName: 'hang' }] };
    await save(hanging);
    const start = () =>
      engine
        .runPipeline(account, {
          name: 'hanging',
          version: null,
          overrides: {},
          received: {},
          idempotencyKey: null,
        })
        .then(
          ({ id }) => id,
          ({ message }: Error) => message,
        );
    const before = await Promise.all(Array.from({ length: 600 }, start));
    const during = Array.from({ length: 50 }, start);
    const deleted = engine.deletePipeline(account, 'hanging');
    for (let turn = 0; turn < 50; turn++) {
      during.push(start());
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { stoppedJobs } = await deleted;
    const answers = [...before, ...(await Promise.all(during))];
    const ids = answers.filter((answer) => answer !== 'pipeline hanging Not Found');
    expect(stoppedJobs).toBe(ids.length);
    for (const id of ids) expect((await store.job(account, id))?.status, id).toBe('CANCELLED');
    expect(await start()).toBe('pipeline hanging Not Found');
  });

  it('merges the flowInput of a run that another job has caused', async () => {
    await save(numbers);
    const job = await world.app.engine.runPipeline(world.app.defaultAccountId, {
      name: 'numbers',
      version: null,
      overrides: { name: 'not this', flowInput: { unit: 'm', parent: [1] } },
      flowInputMode: 'merge',
      origin: { types: ['stored', 'trigger'], parentId: 'numbers:parent', rerunOfId: null, depth: 2 },
      received: {},
      idempotencyKey: null,
    });
    expect(job).toMatchObject({
      pipelineName: 'numbers',
      types: ['stored', 'trigger'],
      parentId: 'numbers:parent',
      depth: 2,
    });
    const { job: shown } = await world.ask<{ job: { descriptor: { flowInput: object } } }>(
      'query ($id: ID!) { job(id: $id) { descriptor } }',
      { id: job.id },
    );
    expect(shown.descriptor.flowInput).toEqual({ data: [1, 2, 3], unit: 'm', parent: [1] });
  });

  it('is there after a restart', async () => {
    const { pipeline } = await save(numbers);
    await world.restart();
    const { job } = await run({ name: 'numbers' });
    expect(job?.descriptor).toEqual(pipeline!.descriptor);
  });
});
