import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HkubeClient } from '../support/hkube.js';
import type { TestReceiver } from '../support/receiver.js';
import { refusals } from '../support/refusals.js';
import { World } from '../support/world.js';

/** Acceptance cases of HKube's API and webhooks, over HTTP; the numbers are those of the list of cases. */
let world: World;
let hkube: HkubeClient;
beforeAll(async () => {
  world = await World.open({ CARILLON_WORKER_THREADS: '4' });
  hkube = new HkubeClient(world.app.url);
});
afterAll(() => world.close());

const node = (nodeName: string, input: unknown[] = [], more: object = {}) => ({
  nodeName,
  algorithmName: 'echo',
  input,
  ...more,
});
const pipeline = (more: object = {}) => ({ name: 'simple', nodes: [node('a')], ...more });
const refused = (code: number, message: unknown) => ({ status: code, json: { error: { code, message } } });

const refusedCases: [number: number, what: string, given: object, message: string, code?: number][] = [
  [44, 'no name', {}, "data should have required property 'name'"],
  [44, 'a name that is no text', { name: {} }, 'data.name should be string'],
  [44, 'an empty name', { name: '' }, 'data.name should NOT be shorter than 1 characters'],
  [44, 'no nodes', { name: 'string' }, 'pipeline must have at least one node'],
  ...['exec/raw', '*xecraw', 'exec%raw', 'exec"raw', 'exec#raw'].map(
    (name): [number, string, object, string] => [
      45,
      `the name ${name}`,
      { ...pipeline(), name },
      'pipeline name must contain only alphanumeric, dash, dot or underscore',
    ],
  ),
  [46, 'two nodes of a name', pipeline({ nodes: [node('dup'), node('dup')] }), 'found duplicate node "dup"'],
  [
    48,
    'a reference to a node that is not there',
    pipeline({ nodes: [node('A'), node('B', ['@C'])] }),
    'node "B" is depend on node "C" which is not exists',
  ],
  [
    49,
    'a cycle',
    pipeline({ nodes: [node('A', ['@B']), node('B', ['@A'])] }),
    'cyclic nodes are not allowed on batch pipeline',
  ],
  [
    49,
    'a node that waits for itself',
    pipeline({ nodes: [node('A', ['@A'])] }),
    'cyclic nodes are not allowed on batch pipeline',
  ],
  [
    50,
    'a path that flowInput lacks',
    pipeline({ nodes: [node('a', ['@flowInput.notExist'])], flowInput: {} }),
    'unable to find flowInput.notExist',
  ],
  [
    50,
    'one of the second node',
    pipeline({
      nodes: [node('one', ['@flowInput.inp']), node('two', ['@flowInput.two'])],
      flowInput: { inp: 0 },
    }),
    'unable to find flowInput.two',
  ],
  [52, 'priority 8', pipeline({ priority: 8 }), 'data.priority should be <= 5'],
  ...(
    [
      [-2, '>= 0'],
      [101, '<= 100'],
      [20.6, 'integer'],
      ['twenty', 'integer'],
    ] as const
  ).map(([batchTolerance, rule]): [number, string, object, string] => [
    54,
    `batchTolerance ${batchTolerance}`,
    pipeline({ options: { batchTolerance } }),
    `data.options.batchTolerance should be ${rule}`,
  ]),
  [
    56,
    'an unknown algorithm',
    pipeline({ nodes: [node('a', [], { algorithmName: 'not.exists' })] }),
    'algorithm not.exists Not Found',
    404,
  ],
];

/** Resolves once the job has had an event of this type. */
const until = async (jobId: string, type: string) => {
  const query = `subscription ($id: ID!) { jobEvents(jobId: $id, types: [${type}]) { type } }`;
  for await (const _ of world.client().iterate({ query, variables: { id: jobId } })) return;
};

describe('raw', () => {
  it.each(refusedCases)('case %i: %s is refused', async (_number, _what, given, message, code = 400) => {
    expect(await hkube.post('/exec/raw', given)).toMatchObject(refused(code, message));
  });

  it('every refusal that HKube words is answered in its words', async () => {
    for (const { given, hkube: message, code } of refusals) {
      // What is not run here is told in our words.
      if (given === undefined || /is not supported/.test(message)) continue;
      const { status, json } = await hkube.post('/exec/raw', JSON.stringify(given));
      expect({ given, status, ...json }).toEqual({
        given,
        status: code === 'NOT_FOUND' ? 404 : 400,
        error: { code: status, message },
      });
    }
  });

  it('case 51: a flowInput of null is a value', async () => {
    const given = pipeline({ nodes: [node('a', ['@flowInput.inputs'])], flowInput: { inputs: null } });
    const jobId = await hkube.run(given);
    await world.ended(jobId);
    expect((await hkube.get(`/exec/results/${jobId}`)).json.data[0].result).toEqual([null]);
  });

  it('case 55: what HKube does not know is let be', async () => {
    expect((await hkube.post('/exec/raw', pipeline({ unknown: { x: 1 } }))).status).toBe(200);
  });

  it('case 56: an algorithm without an image and a module is missing', async () => {
    await hkube.take('POST', '/store/algorithms', { name: 'no-image-alg' });
    const given = pipeline({ nodes: [node('a', [], { algorithmName: 'no-image-alg' })] });
    expect(await hkube.post('/exec/raw', given)).toMatchObject(
      refused(400, 'missing image for algorithm no-image-alg'),
    );
  });

  it('means the same as by GraphQL', async () => {
    const given = {
      name: 'same',
      nodes: [
        node('one', ['#@flowInput.list', { deep: ['@flowInput'] }]),
        node('two', ['@one'], { ttl: '60' }),
      ],
      flowInput: { list: [1, 2] },
      options: { batchTolerance: '50', progressVerbosityLevel: 'debug' },
      priority: '4',
      tags: ['a'],
    };
    const ids = [await hkube.run(given), await world.submit(given)];
    const [raw, over] = await Promise.all(
      ids.map(async (id) => {
        await world.ended(id);
        const { jobId, startTime, lastRunResult, ...rest } = (await hkube.get(`/exec/pipelines/${id}`)).json;
        const { data } = (await hkube.get(`/exec/results/${id}`)).json;
        return { ...rest, data };
      }),
    );
    expect(raw).toEqual(over);
  });
});

describe('stored', () => {
  it('case 58: an unknown pipeline does not run', async () => {
    expect(await hkube.post('/exec/stored', { name: 'not_found' })).toMatchObject(
      refused(404, 'pipeline not_found Not Found'),
    );
  });

  it.each<[object, string]>([
    [{}, "data should have required property 'name'"],
    [{ name: null }, 'data.name should NOT be shorter than 1 characters'],
    [{ name: 'not found' }, 'pipeline name must contain only alphanumeric, dash, dot or underscore'],
    [{ name: 'not_found', priority: 8 }, 'data.priority should be <= 5'],
    [{ name: 'not_found', flowInput: [] }, 'data.flowInput should be object,null'],
    [{ name: 'not_found', webhooks: { result: 'x' } }, 'data.webhooks.result should match format "url"'],
    [{ name: 'not_found', nodes: [{ input: 7 }] }, 'data.nodes[0].input should be array'],
    [
      { name: 'not_found', options: { concurrentPipelines: { foo: 1 } } },
      'data.options.concurrentPipelines should NOT have additional properties (foo)',
    ],
  ])('what is wrong in %j is told before the pipeline is looked for', async (given, message) => {
    expect(await hkube.post('/exec/stored', given)).toMatchObject(refused(400, message));
  });

  it('a node of a run needs no name of its own: it has that of its place', async () => {
    await hkube.take('POST', '/store/pipelines', pipeline({ name: 'placed', nodes: [node('a', [1, 2, 3])] }));
    const body = { name: 'placed', nodes: [{ input: [9] }] };
    const { jobId } = await hkube.take('POST', '/exec/stored', body);
    await world.ended(jobId);
    expect((await hkube.get(`/exec/results/${jobId}`)).json.data[0].result).toEqual([9, 2, 3]);
  });

  it('case 60: options are merged key by key', async () => {
    const options = { batchTolerance: 45, progressVerbosityLevel: 'debug', ttl: 85900 };
    await hkube.take('POST', '/store/pipelines', pipeline({ name: 'flow60', options }));
    const { jobId } = await hkube.take('POST', '/exec/stored', { name: 'flow60', options: { ttl: 255 } });
    const { json } = await hkube.get(`/exec/pipelines/${jobId}`);
    expect(json).toMatchObject({ options: { ...options, ttl: 255 }, types: ['stored'] });
  });

  it('case 62: what is not given has its default', async () => {
    const { json } = await hkube.post('/store/pipelines', pipeline({ name: 'flow62' }));
    expect(json).toMatchObject({
      kind: 'batch',
      experimentName: 'main',
      priority: 3,
      options: { ttl: 3600, batchTolerance: 80, progressVerbosityLevel: 'info' },
      nodes: [{ nodeName: 'a', algorithmName: 'echo', input: [], kind: 'algorithm' }],
    });
  });

  it('case 63: a name is stored once', async () => {
    await hkube.take('POST', '/store/pipelines', pipeline({ name: 'flow1' }));
    expect(await hkube.post('/store/pipelines', pipeline({ name: 'flow1' }))).toMatchObject(
      refused(409, 'pipeline flow1 already exists'),
    );
  });
});

describe('of an unknown id', () => {
  it.each([
    ['/exec/status/no_such_id', 'status no_such_id Not Found'],
    ['/exec/results/no_such_id', 'status no_such_id Not Found'],
    ['/graph/raw/no_such_id', 'graph no_such_id Not Found'],
    ['/graph/parsed/no_such_id', 'graph no_such_id Not Found'],
    ['/webhooks/status/no_such', 'webhook no_such Not Found'],
    ['/webhooks/results/no_such', 'webhook no_such Not Found'],
    ['/webhooks/list/no_such', 'webhook no_such Not Found'],
    ['/exec/pipelines/no_such_id', 'pipeline no_such_id Not Found'],
    ['/exec/tree/no_such_id', 'tree no_such_id Not Found'],
    ['/exec/auditTrail/no_such_id', 'auditTrail no_such_id Not Found'],
  ])('case 64: %s is not found', async (path, message) => {
    expect(await hkube.get(path)).toMatchObject(refused(404, message));
  });

  it.each([
    '/exec/status',
    '/exec/results/',
    '/exec/pipelines',
    '/exec/tree',
    '/exec/auditTrail',
    '/exec/flowInput',
    '/graph/raw',
    '/graph/parsed',
    '/webhooks/status',
    '/webhooks/results',
    '/webhooks/list',
  ])('%s alone says what is missing', async (path) => {
    expect(await hkube.get(path)).toMatchObject(refused(400, "data should have required property 'jobId'"));
  });

  it('case 65: nothing is stopped', async () => {
    expect(await hkube.post('/exec/stop', { jobId: 'no_such_id' })).toMatchObject(
      refused(404, 'No jobs found matching criteria (jobId: no_such_id, statuses: active,pending,paused)'),
    );
  });

  it('nothing is run again', async () => {
    expect(await hkube.post('/exec/rerun', { jobId: 'no_such_id' })).toMatchObject(
      refused(404, 'jobId no_such_id Not Found'),
    );
    expect(await hkube.post('/exec/rerun', {})).toMatchObject(
      refused(400, "data should have required property 'jobId'"),
    );
    const body = { jobId: 'no_such_id', nodeName: 'a' };
    expect(await hkube.post('/exec/caching', body)).toMatchObject(
      refused(400, 'unable to find pipeline no_such_id'),
    );
    expect(await hkube.post('/exec/caching', { ...body, stam: 1 })).toMatchObject(
      refused(400, 'data should NOT have additional properties (stam)'),
    );
  });
});

describe('a job that is paused', () => {
  /** One task runs and waits to be stopped; `next` would come after it. */
  const runs = (name: string, more: object = {}) =>
    hkube.run({ name, nodes: [node('a', [300], { algorithmName: 'nap' }), node('next', ['@a'])], ...more });

  it('case 67: is paused, goes on, and completes; what was done to it is told', async () => {
    const jobId = await runs('paused');
    await until(jobId, 'TASK_ACQUIRED');
    expect(await hkube.post('/exec/pause', { jobId })).toMatchObject({
      status: 200,
      json: { message: 'OK' },
    });
    expect((await hkube.get(`/exec/status/${jobId}`)).json.status).toBe('paused');
    expect(await hkube.post('/exec/pause', { jobId })).toMatchObject(
      refused(400, 'unable to pause pipeline paused because its in paused status'),
    );
    expect(await hkube.get(`/exec/results/${jobId}`)).toMatchObject(
      refused(400, 'unable to get results for pipeline paused because its in paused status'),
    );
    expect(await hkube.post('/exec/resume', { jobId })).toMatchObject({
      status: 200,
      json: { message: 'OK' },
    });
    await world.ended(jobId);
    expect((await hkube.get(`/exec/status/${jobId}`)).json.status).toBe('completed');
    const trail = (await hkube.get(`/exec/auditTrail/${jobId}`)).json;
    expect([trail[0], trail[1], trail[2]].map(({ action }) => action)).toEqual(['resume', 'pause', 'run']);
    for (const verb of ['pause', 'resume'])
      expect(await hkube.post(`/exec/${verb}`, { jobId })).toMatchObject(
        refused(400, `unable to ${verb} pipeline paused because its in completed status`),
      );
  });

  it('case 68: can be stopped', async () => {
    const jobId = await runs('halted');
    await hkube.take('POST', '/exec/pause', { jobId });
    expect(await hkube.take('POST', '/exec/stop', { jobId })).toEqual({ stoppedJobIds: [jobId] });
    expect((await hkube.get(`/exec/status/${jobId}`)).json.status).toBe('stopped');
  });

  it('has to be there', async () => {
    for (const verb of ['pause', 'resume']) {
      expect(await hkube.post(`/exec/${verb}`, { jobId: 'no_such_id' })).toMatchObject(
        refused(404, 'jobId no_such_id Not Found'),
      );
      expect(await hkube.post(`/exec/${verb}`, {})).toMatchObject(
        refused(400, "data should have required property 'jobId'"),
      );
    }
  });
});

it('one job of a pipeline too many is refused, in the words of HKube', async () => {
  const given = {
    name: 'alone',
    nodes: [node('a', [], { algorithmName: 'hang' })],
    options: { concurrentPipelines: { amount: 1 } },
  };
  const jobId = await hkube.run(given);
  expect(await hkube.post('/exec/raw', given)).toMatchObject(
    refused(400, 'maximum number [1] of concurrent pipelines has been reached'),
  );
  const waits = { ...given, options: { concurrentPipelines: { amount: 1, rejectOnFailure: false } } };
  const held = await hkube.run(waits);
  expect((await hkube.get(`/exec/status/${held}`)).json.status).toBe('pending');
  await hkube.take('POST', '/exec/stop', { pipelineName: 'alone' });
  expect(jobId).not.toBe(held);
});

it('results of a job that runs are not there yet', async () => {
  const jobId = await hkube.run(pipeline({ nodes: [node('a', [], { algorithmName: 'hang' })] }));
  expect(await hkube.get(`/exec/results/${jobId}`)).toMatchObject(
    refused(
      400,
      expect.stringMatching(
        /^unable to get results for pipeline simple because its in (pending|active) status$/,
      ),
    ),
  );
  await hkube.take('POST', '/exec/stop', { jobId });
});

describe.each(['hkube', 'hkube-v2'])('webhooks of the format %s', (format) => {
  let receiver: TestReceiver;
  beforeAll(async () => {
    receiver = await world.receiver();
  });

  const run = async (name: string, descriptor: object, stop = false) => {
    const [progress, result] = ['progress', 'result'].map((kind) => `${receiver.url}/${name}/${kind}`);
    const jobId = await hkube.run({ ...descriptor, name, webhooks: { progress, result, format } });
    if (stop) await hkube.take('POST', '/exec/stop', { jobId });
    const [told] = await receiver.received(1, `/${name}/result`);
    const states = receiver.calls
      .filter((call) => call.path === `/${name}/progress`)
      .map((call) => call.json);
    return { jobId, states, result: told!.json };
  };
  /** What webhooks and routes both tell: HKube's rule, the times apart. */
  const sameAsRoutes = async (
    jobId: string,
    last: Record<string, unknown>,
    result: Record<string, unknown>,
  ) => {
    const untimed = ({ timestamp, startTime, timeTook, ...rest }: Record<string, unknown>) => rest;
    const status = (await hkube.get(`/exec/status/${jobId}`)).json;
    expect(untimed(last)).toEqual(untimed(status));
    expect(Date.parse(String(last['timestamp']))).toBe(status.timestamp);
    const results = (await hkube.get(`/exec/results/${jobId}`)).json;
    expect(untimed(result)).toEqual(untimed(results));
    expect(Date.parse(String(result['timestamp']))).toBe(results.timestamp);
  };

  it('case 70, 71 and 76: a batch that completes', async () => {
    const nodes = [node('green', ['#[1,2,3]'], { algorithmName: 'green-alg' })];
    const { jobId, states, result } = await run('completes', { nodes });
    expect(states.map(({ status }) => status)).toEqual(['pending', 'active', 'completed']);
    for (const state of states)
      expect(state).toMatchObject({
        jobId,
        level: 'info',
        pipeline: 'completes',
        timestamp: expect.any(String),
      });
    expect(states[2]!['data']).toEqual(
      format === 'hkube'
        ? { progress: '100.00', details: '100.00% completed, 3 succeed' }
        : { progress: 100, states: { succeed: 3 }, details: '100% completed, 3 succeed' },
    );
    expect(result['data']).toEqual(
      [1, 2, 3].map((n) => ({
        nodeName: 'green',
        ...(format === 'hkube' ? { batchID: `green#${n}` } : { batchIndex: n }),
        algorithmName: 'green-alg',
        result: n * 10,
      })),
    );
    await sameAsRoutes(jobId, states[2]!, result);
  });

  it('case 73: a job that fails', async () => {
    const nodes = [node('a', ['no way'], { algorithmName: 'fail', retry: { policy: 'Never' } })];
    const { jobId, states, result } = await run('fails', { nodes });
    expect(states.map(({ status, level }) => [status, level])).toEqual([
      ['pending', 'info'],
      ['active', 'info'],
      ['failed', 'error'],
    ]);
    expect(result).toMatchObject({ status: 'failed', data: null, error: 'no way', nodeName: 'a' });
    await sameAsRoutes(jobId, states[2]!, result);
  });

  it('a job that is stopped', async () => {
    const nodes = [node('a', [], { algorithmName: 'hang' })];
    const { jobId, states, result } = await run('stops', { nodes }, true);
    expect(states.at(-1)).toMatchObject({
      status: 'stopped',
      level: 'info',
      reason: 'stopped due to request',
    });
    expect(result).toMatchObject({ status: 'stopped', data: null, reason: 'stopped due to request' });
    await sameAsRoutes(jobId, states.at(-1)!, result);
  });

  it('case 67: a job that is paused and resumed', async () => {
    const path = '/waits/progress';
    const webhooks = { progress: receiver.url + path, result: `${receiver.url}/waits/result`, format };
    const nodes = [node('a', [300], { algorithmName: 'nap' }), node('b', ['@a'])];
    const jobId = await hkube.run({ name: 'waits', nodes, webhooks });
    await until(jobId, 'JOB_ACTIVE');
    await hkube.take('POST', '/exec/pause', { jobId });
    await hkube.take('POST', '/exec/resume', { jobId });
    await receiver.received(1, '/waits/result');
    const states = receiver.calls.filter((call) => call.path === path).map((call) => call.json);
    expect(states.map(({ status }) => status)).toEqual([
      'pending',
      'active',
      'paused',
      'resumed',
      'completed',
    ]);
    for (const state of states.slice(1)) expect(state['data']).toEqual(expect.any(Object));
  });

  it('case 74: a large item is told of, a smaller one is sent', async () => {
    const nodes = [node('large', ['x'.repeat(600_000)]), node('small', ['x'.repeat(50_000)])];
    const { jobId, result } = await run('large', { nodes });
    const [large, small] = result['data'] as Record<string, unknown>[];
    expect(large).toEqual({
      nodeName: 'large',
      algorithmName: 'echo',
      info: {
        path: `/api/v1/exec/results/${jobId}`,
        size: 600_004,
        isBigData: true,
        message: expect.any(String),
      },
    });
    expect(small).toEqual({ nodeName: 'small', algorithmName: 'echo', result: ['x'.repeat(50_000)] });
    const { path } = large!['info'] as { path: string };
    const { data } = (await hkube.get(path.replace('/api/v1', ''))).json;
    expect(data[0].result).toEqual(['x'.repeat(600_000)]);
  });

  it('case 75: of level debug only where it is wanted', async () => {
    const nodes = [
      node('a', ['#[1...3]'], { algorithmName: 'noop' }),
      node('b', [], { algorithmName: 'hang' }),
    ];
    const told = async (name: string, progressVerbosityLevel: string, before: number) => {
      const path = `/${name}/progress`;
      const webhooks = { progress: receiver.url + path, result: `${receiver.url}/${name}/result`, format };
      const jobId = await hkube.run({ name, nodes, webhooks, options: { progressVerbosityLevel } });
      // The first news of progress is sent at once; what follows within a second is held back.
      await receiver.received(before, path);
      await until(jobId, 'TASK_COMPLETED');
      await hkube.take('POST', '/exec/stop', { jobId });
      await receiver.received(1, `/${name}/result`);
      return receiver.calls.filter((call) => call.path === path).map((call) => call.json['level']);
    };
    const loud = await told('loud', 'debug', 3);
    expect(loud.slice(0, 3)).toEqual(['info', 'info', 'debug']);
    expect(loud.at(-1)).toBe('info');
    expect(await told('quiet', 'info', 2)).toEqual(['info', 'info', 'info']);
    expect(await told('silent', 'error', 0)).toEqual([]);
  });

  it('records of the last call are kept', async () => {
    receiver.answer((call, response) => response.writeHead(call.path.endsWith('result') ? 500 : 204).end());
    const { jobId } = await run('recorded', { nodes: [node('a')] });
    const tried = async () => (await hkube.get(`/webhooks/results/${jobId}`)).json;
    while ((await tried()).httpResponse === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await tried()).toEqual({
      jobId,
      url: `${receiver.url}/recorded/result`,
      pipelineStatus: 'completed',
      status: 'pending',
      responseStatus: 'failed',
      httpResponse: { statusCode: 500, statusMessage: 'Internal Server Error' },
      timestamp: expect.any(Number),
    });
    expect((await hkube.get(`/webhooks/status/${jobId}`)).json).toMatchObject({
      status: 'completed',
      responseStatus: 'succeed',
      httpResponse: { statusCode: 204, statusMessage: 'No Content' },
    });
  });
});

it('case 79: a node is run again with what it was given, and gives the same', async () => {
  const jobId = await hkube.run({
    name: 'cached',
    nodes: [
      node('one', ['@flowInput.start', 7], { algorithmName: 'sum' }),
      node('two', ['@one', 12], { algorithmName: 'sum' }),
    ],
    flowInput: { start: 10 },
  });
  await world.ended(jobId);
  for (const nodeName of ['one', 'two']) {
    const { jobId: again } = await hkube.take('POST', '/exec/caching', { jobId, nodeName });
    await world.ended(again);
    expect(again).toMatch(new RegExp(`^cached-${nodeName}:`));
    expect((await hkube.get(`/exec/results/${again}`)).json.data).toMatchObject([
      { nodeName: 'two', result: 29 },
    ]);
    expect((await hkube.get(`/exec/pipelines/${again}`)).json.types).toContain('node');
  }
  expect(await hkube.post('/exec/caching', { jobId, nodeName: 'three' })).toMatchObject(
    refused(400, 'cant find relations for three'),
  );
});
