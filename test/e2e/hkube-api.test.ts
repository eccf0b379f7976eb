import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HkubeClient } from '../support/hkube.js';
import { World } from '../support/world.js';

const MS = expect.any(Number);
const SECONDS = expect.any(Number);
const refused = (code: number, message: unknown) => ({ status: code, json: { error: { code, message } } });
const node = (nodeName: string, algorithmName: string, input: unknown[] = [], more: object = {}) => ({
  nodeName,
  algorithmName,
  input,
  ...more,
});
const single = (name: string, algorithmName = 'echo', more: object = {}) => ({
  name,
  nodes: [node('a', algorithmName, [1])],
  ...more,
});
const batch = {
  name: 'batch',
  nodes: [node('green', 'green-alg', ['#[1,2,3]'])],
  flowInput: { files: ['a', 'b'] },
  tags: ['red', 'blue'],
};

let world: World;
let hkube: HkubeClient;
beforeAll(async () => {
  world = await World.open({ CARILLON_WORKER_THREADS: '4' });
  hkube = new HkubeClient(world.app.url);
});
afterAll(() => world.close());

const ended = async (descriptor: object) => {
  const jobId = await hkube.run(descriptor);
  await world.ended(jobId);
  return jobId;
};
/** Resolves once the job has had an event of this type. */
const until = async (jobId: string, type: string) => {
  const query = `subscription ($id: ID!) { jobEvents(jobId: $id, types: [${type}]) { type } }`;
  for await (const _ of world.client().iterate({ query, variables: { id: jobId } })) return;
};
/** What a client does that knows no events: it asks again. */
const eventually = async (isTrue: () => Promise<boolean>) => {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
};
const poll = async (jobId: string, status: string) => {
  const now = () => hkube.take('GET', `/exec/status/${jobId}`);
  await eventually(async () => (await now()).status === status);
  return now();
};

it('runs the way of a client from the first algorithm to the second run', async () => {
  const receiver = await world.receiver();
  const algorithm = { name: 'green-alg', algorithmImage: 'hkube/green:v1', cpu: 0.5, mem: '512Mi' };
  expect(await hkube.post('/store/algorithms', algorithm)).toMatchObject({
    status: 201,
    json: { ...algorithm, type: 'Image', module: true },
  });
  const webhooks = { progress: `${receiver.url}/progress`, result: `${receiver.url}/result` };
  const stored = { name: 'colours', nodes: [node('green', 'green-alg', ['#@flowInput.numbers'])], webhooks };
  expect((await hkube.post('/store/pipelines', stored)).status).toBe(201);

  const { jobId } = await hkube.take('POST', '/exec/stored', {
    name: 'colours',
    flowInput: { numbers: [4, 5] },
  });
  const status = await poll(jobId, 'completed');
  expect(status.data.details).toBe('100.00% completed, 2 succeed');
  const results = await hkube.take('GET', `/exec/results/${jobId}`);
  expect(results.data.map((item: { result: number }) => item.result)).toEqual([40, 50]);
  await receiver.received(1, '/result');
  await eventually(async () => (await hkube.get(`/webhooks/results/${jobId}`)).json.status === 'completed');
  expect(await hkube.take('GET', `/webhooks/list/${jobId}`)).toMatchObject({
    jobId,
    result: { url: webhooks.result, pipelineStatus: 'completed', responseStatus: 'succeed' },
    progress: { url: webhooks.progress, pipelineStatus: 'completed', responseStatus: 'succeed' },
  });

  const { jobId: again } = await hkube.take('POST', '/exec/rerun', { jobId });
  expect(again).not.toBe(jobId);
  await world.ended(again);
  expect((await hkube.take('GET', `/exec/results/${again}`)).data).toEqual(results.data);
  expect((await hkube.take('GET', `/exec/pipelines/${again}`)).rootJobId).toBe(jobId);

  const hanging = await hkube.run(single('waits', 'hang'));
  expect(await hkube.take('POST', '/exec/stop', { jobId: hanging })).toEqual({ stoppedJobIds: [hanging] });
  expect((await poll(hanging, 'stopped')).reason).toBe('stopped due to request');
});

describe('of a job that has completed', () => {
  let jobId: string;
  beforeAll(async () => {
    jobId = await ended(batch);
  });
  const items = (batchOf: (n: number) => object) =>
    [1, 2, 3].map((n) => ({ nodeName: 'green', ...batchOf(n), algorithmName: 'green-alg', result: n * 10 }));
  const seed = items((n) => ({ batchID: `green#${n}` }));
  const ofJob = () => ({ jobId, timestamp: MS, pipeline: 'batch', status: 'completed' });

  it("the status is HKube's, of either generation", async () => {
    const { json } = await hkube.get(`/exec/status/${jobId}`);
    expect(json).toEqual({
      ...ofJob(),
      level: 'info',
      data: { progress: '100.00', details: '100.00% completed, 3 succeed' },
    });
    expect((await hkube.get(`/exec/status/${encodeURIComponent(jobId)}?format=hkube-v2`)).json).toEqual({
      ...ofJob(),
      level: 'info',
      data: { progress: 100, states: { succeed: 3 }, details: '100% completed, 3 succeed' },
      activeTime: MS,
      netTimeTook: SECONDS,
      grossTimeTook: SECONDS,
    });
    expect(await hkube.get(`/exec/status/${jobId}?format=report`)).toMatchObject(
      refused(400, 'data.format should be equal to one of the allowed values (hkube,hkube-v2)'),
    );
  });

  it("the results are HKube's, of either generation", async () => {
    const times = { startTime: MS, timeTook: SECONDS };
    expect((await hkube.get(`/exec/results/${jobId}`)).json).toEqual({ ...ofJob(), ...times, data: seed });
    expect((await hkube.get(`/exec/results/${jobId}?format=hkube-v2`)).json).toEqual({
      ...ofJob(),
      ...times,
      data: items((n) => ({ batchIndex: n })),
      storageModule: '@carillon/store',
    });
  });

  it('the descriptor is told as it was executed, and posted again it means the same', async () => {
    const { json } = await hkube.get(`/exec/pipelines/${jobId}`);
    expect(json).toMatchObject({
      ...batch,
      jobId,
      startTime: MS,
      types: ['raw'],
      priority: 3,
      options: { ttl: 3600, batchTolerance: 80, progressVerbosityLevel: 'info' },
    });
    expect(json).not.toHaveProperty('webhooks');
    const again = await ended(json);
    const { json: second } = await hkube.get(`/exec/pipelines/${again}`);
    expect(second.lastRunResult).toEqual({ timestamp: MS, status: 'completed', timeTook: SECONDS });
    const { lastRunResult: _last, ...rest } = second;
    expect(rest).toEqual({ ...json, jobId: again, startTime: MS, lastRunResult: undefined });
  });

  it('the flowInput is given, also as a file', async () => {
    expect((await hkube.get(`/exec/flowInput/${jobId}`)).json).toEqual(batch.flowInput);
    const { headers } = await hkube.get(`/exec/flowInput/${jobId}?download=true`);
    expect(headers.get('content-disposition')).toBe('attachment; filename="flowInput.json"');
    expect(await hkube.get('/exec/flowInput/no_such_id')).toMatchObject({ status: 404, json: null });
  });

  it('the audit trail is an object with numbers for keys', async () => {
    expect((await hkube.get(`/exec/auditTrail/${jobId}`)).json).toEqual({
      jobId,
      '0': { timestamp: MS, user: 'anonymous', action: 'run' },
    });
  });

  it('the tree is the job alone', async () => {
    expect((await hkube.get(`/exec/tree/${jobId}`)).json).toEqual({ name: 'batch', jobId, children: [] });
  });

  it('there is no record of webhooks that it does not have', async () => {
    for (const kind of ['status', 'results', 'list'])
      expect(await hkube.get(`/webhooks/${kind}/${jobId}`)).toMatchObject(
        refused(404, `webhook ${jobId} Not Found`),
      );
  });
});

it('the graph tells nodes, batches and how they hang together', async () => {
  const jobId = await ended({
    name: 'graph',
    nodes: [
      node('one', 'list', [3]),
      node('two', 'green-alg', ['#@one']),
      node('three', 'sum', ['*@two', '@one']),
    ],
  });
  for (const kind of ['raw', 'parsed']) {
    const { json } = await hkube.get(`/graph/${kind}/${jobId}`);
    expect(json).toMatchObject({ jobId, timestamp: MS });
    expect(
      json.nodes.map((one: { nodeName: string; status: string; level: number }) => [one.nodeName, one.level]),
    ).toEqual([
      ['one', 0],
      ['two', 1],
      ['three', 2],
    ]);
    const [one, two] = json.nodes;
    expect(one).toEqual({
      nodeName: 'one',
      algorithmName: 'list',
      taskId: expect.stringMatching(/^tsk_/),
      retries: 0,
      startTime: MS,
      endTime: MS,
      input: [3],
      status: 'succeed',
      level: 0,
    });
    expect(two.batchInfo).toEqual({ idle: 0, completed: 3, errors: 0, running: 0, total: 3 });
    expect(
      two.batch.map((item: { batchIndex: number; status: string }) => [item.batchIndex, item.status]),
    ).toEqual([
      [1, 'succeed'],
      [2, 'succeed'],
      [3, 'succeed'],
    ]);
    expect(json.edges).toEqual([
      { from: 'one', to: 'two', value: { types: ['waitBatch'] } },
      { from: 'two', to: 'three', value: { types: ['waitAny'] } },
      { from: 'one', to: 'three', value: { types: ['waitNode'] } },
    ]);
  }
});

it('the graph of a job that failed tells where, and what never ran', async () => {
  const jobId = await ended({
    name: 'broken',
    nodes: [node('bad', 'fail', ['#[x,y]']), node('after', 'echo', ['@bad'])],
  });
  const [bad, after] = (await hkube.get(`/graph/raw/${jobId}`)).json.nodes;
  expect(bad.status).toBe('failed');
  expect(bad.batch.map((item: { error?: string }) => item.error)).toContain('x');
  expect(bad.batchInfo.errors).toBeGreaterThan(0);
  expect(after).toMatchObject({ nodeName: 'after', status: 'stopped', level: 1 });
});

it('the graph tells what runs, what waits and what was stopped', async () => {
  const graph = async (jobId: string) =>
    (await hkube.get(`/graph/raw/${jobId}`)).json.nodes.map(
      ({ nodeName, status, batchInfo }: { nodeName: string; status: string; batchInfo?: object }) => ({
        nodeName,
        status,
        ...(batchInfo && { batchInfo }),
      }),
    );
  const jobId = await hkube.run({
    name: 'paused-graph',
    nodes: [node('all', 'hang', ['#[1...6]']), node('one', 'hang'), node('after', 'echo', ['@one'])],
  });
  await hkube.take('POST', '/exec/pause', { jobId });
  const [all, one, after] = await graph(jobId);
  const { running } = all.batchInfo;
  expect(all).toEqual({
    nodeName: 'all',
    status: running > 0 ? 'active' : 'creating',
    batchInfo: { idle: 6 - running, completed: 0, errors: 0, running, total: 6 },
  });
  expect([one, after]).toEqual([
    { nodeName: 'one', status: 'creating' },
    { nodeName: 'after', status: 'creating' },
  ]);
  await hkube.take('POST', '/exec/stop', { jobId });
  expect(await graph(jobId)).toEqual([
    {
      nodeName: 'all',
      status: 'stopped',
      batchInfo: { idle: 6, completed: 0, errors: 0, running: 0, total: 6 },
    },
    { nodeName: 'one', status: 'stopped' },
    { nodeName: 'after', status: 'stopped' },
  ]);
});

it('of a large batch the first thousand items are shown, and all are counted', async () => {
  const jobId = await ended({ name: 'large', nodes: [node('a', 'noop', ['#[1...1500]'])] });
  const { json } = await hkube.get(`/graph/raw/${jobId}`);
  expect(json.nodes[0].batch).toHaveLength(1_000);
  expect(json.nodes[0].batchInfo).toMatchObject({ completed: 1_500, total: 1_500 });
});

it('all results are given, whatever they take', async () => {
  const text = 'x'.repeat(300_000);
  const jobId = await ended({ name: 'heavy', nodes: [node('a', 'echo', [text, '#[1...20]'])] });
  const { json } = await hkube.get(`/exec/results/${jobId}`);
  expect(
    json.data.map((item: { result: [string, number] }) => [item.result[0].length, item.result[1]]),
  ).toEqual(Array.from({ length: 20 }, (_, n) => [300_000, n + 1]));
  const many = await ended({ name: 'many', nodes: [node('a', 'noop', ['#[1...2500]'])] });
  expect((await hkube.get(`/exec/results/${many}`)).json.data).toHaveLength(2_500);
});

describe('lists', () => {
  const name = 'listed';
  let first: string;
  let failed: string;
  let running: string;
  beforeAll(async () => {
    first = await ended(single(name, 'echo', { tags: ['x', 'y'] }));
    failed = await ended(single(name, 'fail', { tags: ['x'], experimentName: 'other' }));
    running = await hkube.run(single(name, 'hang', { externalId: 'order-1' }));
    await until(running, 'TASK_ACQUIRED');
  });
  afterAll(() => hkube.post('/exec/stop', { jobId: running }));

  const idsOf = (list: { jobId: string }[]) => list.map((one) => one.jobId);
  const found = async (query: object, more: object = {}) =>
    idsOf(
      (await hkube.take('POST', '/exec/search', { query: { pipelineName: name, ...query }, ...more })).hits,
    );

  it('of jobs that run tell their ids, or their descriptors', async () => {
    const { json } = await hkube.get('/exec/jobs');
    expect(json).toContainEqual({ jobId: running, status: 'active', pipelineName: name });
    expect(idsOf(json)).not.toContain(first);
    expect((await hkube.get('/exec/jobs?raw=true&status=completed')).json).toContain(first);
    expect((await hkube.get('/exec/jobs?status=nonsense')).json).toEqual([]);
    for (const status of ['', 'completed, active', 'active,pending'])
      expect((await hkube.get(`/exec/jobs?raw=true&status=${status}`)).json).toContain(running);
    const list = await hkube.take('GET', '/exec/pipeline/list');
    expect(list.find((one: { jobId: string }) => one.jobId === running)).toMatchObject({
      ...single(name, 'hang'),
      externalId: 'order-1',
    });
  });

  it('of the runs of a pipeline go by its name and experiment, newest first', async () => {
    const results = (query: string) => hkube.get(`/pipelines/results?name=${name}${query}`);
    expect(idsOf((await results('')).json)).toEqual([first]);
    expect(idsOf((await results('&experimentName=other&limit=5')).json)).toEqual([failed]);
    expect((await results('&experimentName=other')).json[0]).toMatchObject({
      status: 'failed',
      error: '1',
      nodeName: 'a',
      data: null,
    });
    const states = (query: string) => hkube.get(`/pipelines/status?name=${name}&limit=10${query}`);
    expect(idsOf((await states('')).json)).toEqual([running, first]);
    expect(idsOf((await states('&sort=asc')).json)).toEqual([first, running]);
    expect(await hkube.get('/pipelines/results?name=nobody')).toMatchObject(
      refused(404, 'pipeline results nobody Not Found'),
    );
    expect(await hkube.get('/pipelines/status?name=nobody')).toMatchObject(
      refused(404, 'pipeline status nobody Not Found'),
    );
  });

  it.each([
    ['limit=0', 'data.limit should be >= 1'],
    ['limit=100001', 'data.limit should be <= 100000'],
    ['limit=1.5', 'data.limit should be integer'],
    ['limit=x', 'data.limit should be integer'],
    ['sort=up', 'data.sort should be equal to one of the allowed values (asc,desc)'],
    ['format=report', 'data.format should be equal to one of the allowed values (hkube,hkube-v2)'],
  ])('refuse %s', async (query, message) => {
    for (const path of ['/pipelines/results', '/pipelines/status', '/cron/results', '/cron/status'])
      expect(await hkube.get(`${path}?name=${name}&${query}`)).toMatchObject(refused(400, message));
  });

  it('are searched by what jobs have', async () => {
    expect(await found({})).toEqual([running, failed, first]);
    expect(await found({}, { sort: 'asc' })).toEqual([first, failed, running]);
    expect(await found({ pipelineStatus: 'failed' })).toEqual([failed]);
    expect(await found({ experimentName: 'other' })).toEqual([failed]);
    expect(await found({ algorithmName: 'hang' })).toEqual([running]);
    expect(await found({ pipelineType: 'raw' })).toHaveLength(3);
    expect(await found({ pipelineType: 'cron' })).toEqual([]);
    expect(await found({ pipelineType: 'debug', pipelineStatus: 'failed' })).toEqual([]);
    expect(await found({ tags: ['x', 'y'] })).toEqual([first]);
    expect(await found({ tags: ['x'] })).toEqual([failed, first]);
    expect(await found({ datesRange: { from: '2100-01-01' } })).toEqual([]);
    expect(await found({ datesRange: { from: 0, to: Date.now() + 60_000 } })).toHaveLength(3);
    const query = `pipelineName=${name}&tags=x,y&limit=1`;
    expect(idsOf((await hkube.take('GET', `/exec/search?${query}`)).hits)).toEqual([first]);
  });

  it('are searched page by page, by a cursor that new jobs do not move', async () => {
    const page = (more: object) =>
      hkube.take('POST', '/exec/search', { query: { pipelineName: name }, limit: 2, ...more });
    const one = await page({});
    expect(idsOf(one.hits)).toEqual([running, failed]);
    await ended(single(name));
    const two = await page({ cursor: one.cursor });
    expect(idsOf(two.hits)).toEqual([first]);
    expect((await page({ cursor: two.cursor })).hits).toEqual([]);
    expect(idsOf((await page({ pageNum: 1 })).hits)).toEqual([failed, first]);
    expect(await hkube.post('/exec/search', { cursor: 'nonsense' })).toMatchObject(
      refused(400, expect.stringContaining('data.cursor')),
    );
    expect(await hkube.post('/exec/search', { limit: 101 })).toMatchObject(
      refused(400, 'data.limit should be <= 100'),
    );
    expect(await page({ limit: 0 })).toMatchObject({ hits: [] });
  });

  it.each([
    ['limit=abc', 'data.limit should be integer'],
    ['sort=', 'data.sort should be equal to one of the allowed values (asc,desc)'],
    ['query=[]', 'data.query should be object'],
    ['query=7', 'data.query should be object'],
    ['query={"pipelineName":{}}', 'data.query.pipelineName should be string'],
    ['query={"tags":"x"}', 'data.query.tags should be array'],
    ['datesRange=1', 'data.query.datesRange should be object'],
    [
      'pipelineType=x',
      'data.query.pipelineType should be equal to one of the allowed values (raw,stored,algorithm,node,rerun,cron,trigger,sub-pipeline,internal,debug,dev-mode,tensorboard)',
    ],
    ['tags=x&query={"tags":[{}]}', 'data.query.tags[0] should be string'],
  ])('are not searched by %s', async (query, message) => {
    expect(await hkube.get(`/exec/search?${query}`)).toMatchObject(refused(400, message));
  });

  it('show of a hit what is asked for', async () => {
    const of = async (fields?: object) =>
      (await hkube.take('POST', '/exec/search', { query: { pipelineName: name, tags: ['y'] }, fields }))
        .hits[0];
    expect(Object.keys(await of())).toEqual(['jobId', 'pipeline', 'status', 'result']);
    expect(await of({ result: true })).toEqual({
      jobId: first,
      result: { timestamp: MS, status: 'completed', timeTook: SECONDS },
    });
  });
});

describe('stopping', () => {
  const hang = (name: string, more: object = {}) => hkube.run(single(name, 'hang', more));

  it('takes every job that matches: by id, external id, name and time', async () => {
    const [a, b, c] = [
      await hang('stop-1', { externalId: 'ext-1' }),
      await hang('stop-2'),
      await hang('stop-2'),
    ];
    const stop = async (body: object) => (await hkube.take('POST', '/exec/stop', body)).stoppedJobIds;
    expect(await stop({ jobId: 'ext-1', reason: 'enough' })).toEqual([a]);
    expect((await hkube.get(`/exec/status/${a}`)).json).toMatchObject({
      status: 'stopped',
      reason: 'enough',
    });
    expect(
      (await hkube.post('/exec/stop', { pipelineName: 'stop-2', startTime: { to: '2001-01-01' } })).status,
    ).toBe(404);
    expect(await stop({ pipelineName: 'stop-2', startTime: { from: '2001-01-01' } })).toEqual([c, b]);
    expect(await hkube.get(`/exec/results/${c}`)).toMatchObject({
      status: 200,
      json: { status: 'stopped', data: null, reason: 'stopped due to request' },
    });
  });

  it('says what it looked for where nothing matches', async () => {
    const body = {
      jobId: 'x',
      pipelineName: 'p',
      startTime: { from: '2020-01-01', to: '2020-01-02' },
      statusToStop: 'active',
    };
    expect(await hkube.post('/exec/stop', body)).toMatchObject(
      refused(
        404,
        'No jobs found matching criteria (jobId: x, pipelineName: p, datesRange: 2020-01-01 to 2020-01-02, statuses: active)',
      ),
    );
    for (const nothing of [{}, { startTime: {} }, { startTime: { from: '', to: null } }])
      expect(await hkube.post('/exec/stop', nothing)).toMatchObject(
        refused(400, "data should have required property 'jobId'"),
      );
    expect(await hkube.post('/exec/stop', { pipelineName: 'p', startTime: {} })).toMatchObject(
      refused(404, 'No jobs found matching criteria (pipelineName: p, statuses: active,pending,paused)'),
    );
    const long = { startTime: { from: `2100-01-01 (${'x'.repeat(10_000)})` } };
    expect((await hkube.post('/exec/stop', long)).json.error.message.length).toBeLessThan(300);
  });

  it.each(['active, paused ', ['active', 'pending'], null])(
    'takes statusToStop as %j',
    async (statusToStop) => {
      const jobId = await hang('stop-3');
      await until(jobId, 'JOB_ACTIVE');
      for (const other of ['paused', 'completed', []])
        expect((await hkube.post('/exec/stop', { jobId, statusToStop: other })).status).toBe(404);
      const stopped = await hkube.take('POST', '/exec/stop', { jobId, statusToStop });
      expect(stopped).toEqual({ stoppedJobIds: [jobId] });
    },
  );
});

describe('stored pipelines', () => {
  it('are listed, read, replaced and deleted', async () => {
    const given = {
      name: 'kept',
      description: 'one',
      nodes: [node('a', 'hang')],
      webhooks: { result: 'http://127.0.0.1/hook' },
    };
    const { json: stored } = await hkube.post('/store/pipelines', given);
    expect(stored).toMatchObject({ ...given, modified: MS, version: '1', priority: 3 });
    expect(stored.auditTrail).toEqual([{ user: 'anonymous', timestamp: MS, version: '1' }]);
    expect((await hkube.get('/store/pipelines/kept')).json).toEqual(stored);
    const put = await hkube.ask('PUT', '/store/pipelines', { ...stored, description: 'two' });
    expect(put).toMatchObject({ status: 200, json: { description: 'two', version: '2' } });
    expect(put.json.auditTrail).toHaveLength(2);
    expect((await hkube.get('/store/pipelines')).json).toContainEqual(put.json);
    await hkube.take('POST', '/exec/stored', { name: 'kept' });
    expect(await hkube.ask('DELETE', '/store/pipelines/kept')).toMatchObject({
      status: 200,
      json: {
        message: 'pipeline kept successfully deleted from store, stopped related running pipelines 1/1',
      },
    });
    for (const method of ['GET', 'DELETE'])
      expect(await hkube.ask(method, '/store/pipelines/kept')).toMatchObject(
        refused(404, 'pipeline kept Not Found'),
      );
    expect(await hkube.ask('PUT', '/store/pipelines', given)).toMatchObject(
      refused(404, 'pipeline kept Not Found'),
    );
  });

  it('are stored many at once, and each is told for itself', async () => {
    const { status, json } = await hkube.post('/store/pipelines', [
      single('s1'),
      single('s1'),
      { name: 'bad/' },
      7,
    ]);
    expect(status).toBe(201);
    expect(json).toEqual([
      expect.objectContaining({ name: 's1', version: '1' }),
      { error: { code: 409, message: 'pipeline s1 already exists', name: 's1' } },
      { error: { code: 400, message: expect.stringContaining('pipeline name must contain'), name: 'bad/' } },
      { error: { code: 400, message: 'data should be object' } },
    ]);
    const overwritten = await hkube.post('/store/pipelines?overwrite=true', [single('s1', 'noop')]);
    expect(overwritten.json).toEqual([expect.objectContaining({ version: '2' })]);
  });

  it('run by the clock once they are told to', async () => {
    await hkube.take('POST', '/store/pipelines', single('timed'));
    expect(await hkube.post('/cron/start', { name: 'timed' })).toMatchObject({
      status: 200,
      json: { message: 'OK' },
    });
    expect((await hkube.get('/cron/list')).json).toEqual([
      { name: 'timed', cron: { enabled: true, pattern: '0 * * * *' } },
    ]);
    await hkube.take('POST', '/cron/stop', { name: 'timed', pattern: '*/5 * * * *' });
    expect((await hkube.get('/cron/list')).json).toEqual([
      { name: 'timed', cron: { enabled: false, pattern: '*/5 * * * *' } },
    ]);
    expect(await hkube.post('/cron/start', { name: 'timed', pattern: 'x' })).toMatchObject(
      refused(400, 'data.pattern should match format "cron"'),
    );
    expect(await hkube.post('/cron/start', { name: 'nobody' })).toMatchObject(
      refused(404, 'pipeline nobody Not Found'),
    );
    expect(await hkube.get('/cron/results?name=timed')).toMatchObject(
      refused(404, 'cron results timed Not Found'),
    );
    expect(await hkube.get('/cron/status?name=timed')).toMatchObject(
      refused(404, 'cron status timed Not Found'),
    );
  });

  it('run after others, and show how in a tree', async () => {
    expect(await hkube.get('/pipelines/triggers/tree')).toMatchObject(
      refused(400, 'unable to find any pipeline with triggers'),
    );
    const runsAfter = (name: string, ...pipelines: string[]) =>
      hkube.take(
        'POST',
        '/store/pipelines?overwrite=true',
        single(name, 'noop', { triggers: { pipelines } }),
      );
    await runsAfter('t2', 't1');
    await runsAfter('t3', 't1', 't2');
    const t3 = { name: 't3', children: [] };
    const t2 = { name: 't2', children: [t3] };
    expect((await hkube.get('/pipelines/triggers/tree')).json).toEqual([{ name: 't1', children: [t2, t3] }]);
    expect((await hkube.get('/pipelines/triggers/tree?name=t2')).json).toEqual([t2]);
    expect(await hkube.get('/pipelines/triggers/tree?name=nobody')).toMatchObject(
      refused(404, 'triggers tree nobody Not Found'),
    );
    await hkube.take('POST', '/store/pipelines', single('t1'));
    const { jobId } = await hkube.take('POST', '/exec/stored', { name: 't1' });
    const treeText = async () => JSON.stringify((await hkube.get(`/exec/tree/${jobId}`)).json);
    await eventually(async () => /"name":"t1".*"name":"t2".*"name":"t3"/.test(await treeText()));
    await runsAfter('t2', 't1', 't3');
    expect(await hkube.get('/pipelines/triggers/tree')).toMatchObject(
      refused(400, 'the pipelines triggers is cyclic'),
    );
    for (const name of ['t1', 't2', 't3']) await hkube.take('DELETE', `/store/pipelines/${name}`);
  });
});

describe('algorithms', () => {
  it('are stored as documents, beside the modules that run', async () => {
    const given = { name: 'my-alg', algorithmImage: 'x/y', env: 'python', gpu: '2', custom: { kept: true } };
    expect(await hkube.post('/store/algorithms', given)).toMatchObject({
      status: 201,
      json: {
        ...given,
        gpu: 2,
        cpu: 0.1,
        mem: '256Mi',
        type: 'Image',
        minHotWorkers: 0,
        modified: MS,
        module: false,
      },
    });
    expect(await hkube.post('/store/algorithms', given)).toMatchObject(
      refused(409, 'algorithm my-alg already exists'),
    );
    expect(await hkube.ask('PUT', '/store/algorithms', { name: 'my-alg', cpu: 2 })).toMatchObject({
      status: 200,
      json: { name: 'my-alg', cpu: 2 },
    });
    expect((await hkube.get('/store/algorithms/my-alg')).json).toMatchObject({ cpu: 2, module: false });
    expect((await hkube.get('/store/algorithms/echo')).json).toMatchObject({ name: 'echo', module: true });
    const names = (await hkube.get('/store/algorithms')).json.map((one: { name: string }) => one.name);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(['my-alg', 'echo', 'sum']));
    expect((await hkube.get('/store/algorithms?name=my&limit=1')).json).toHaveLength(1);
    expect(await hkube.ask('DELETE', '/store/algorithms/my-alg')).toMatchObject({
      json: { message: 'algorithm my-alg successfully deleted from store' },
    });
    expect(await hkube.get('/store/algorithms/my-alg')).toMatchObject(
      refused(404, 'algorithm my-alg Not Found'),
    );
    expect(await hkube.ask('PUT', '/store/algorithms', given)).toMatchObject(
      refused(404, 'algorithm my-alg Not Found'),
    );
    expect(await hkube.ask('DELETE', '/store/algorithms/echo')).toMatchObject(
      refused(400, expect.stringContaining('is a module of this server')),
    );
  });

  it('are applied, as long as nothing has to be built', async () => {
    expect(await hkube.post('/store/algorithms/apply', { payload: '{"name":"applied"}' })).toMatchObject({
      status: 200,
      json: { algorithm: { name: 'applied' }, messages: [expect.any(String)] },
    });
    expect(
      await hkube.post('/store/algorithms/apply', { payload: { name: 'applied', type: 'Git' } }),
    ).toMatchObject(refused(400, expect.stringContaining('not built here')));
    await hkube.take('DELETE', '/store/algorithms/applied');
  });

  it.each([
    [{}, "data should have required property 'name'"],
    [{ name: 'Upper' }, 'algorithm name must contain only lower-case alphanumeric, dash or dot'],
    [{ name: 'x'.repeat(33) }, 'data.name should NOT be longer than 32 characters'],
    [{ name: 'alg', mem: '1Mi' }, 'memory must be at least 4 Mi'],
    [{ name: 'alg', cpu: 'much' }, 'data.cpu should be number'],
    [{ name: 'alg', gpu: -1 }, 'data.gpu should be >= 0'],
    [
      { name: 'alg', env: 'cobol' },
      'data.env should be equal to one of the allowed values (nodejs,python,java)',
    ],
    [{ name: 'alg', x: 'x'.repeat(70_000) }, expect.stringContaining('at most 65536 bytes')],
    ['[]', 'data should be object'],
  ])('like %j are refused', async (body, message) => {
    expect(await hkube.post('/store/algorithms', body)).toMatchObject(refused(400, message));
  });

  it('without a module are refused where they are to run, with what is known of them', async () => {
    await hkube.take('POST', '/store/algorithms', { name: 'imaged', algorithmImage: 'x/y' });
    const message = expect.stringContaining('images are not run here: put a module of the name imaged');
    expect(await hkube.post('/exec/algorithm', { name: 'imaged' })).toMatchObject(refused(400, message));
    expect(await hkube.post('/exec/raw', single('p', 'imaged'))).toMatchObject(refused(400, message));
    await hkube.take('POST', '/store/pipelines', single('with-image', 'imaged'));
    expect(await hkube.post('/exec/stored', { name: 'with-image' })).toMatchObject(refused(400, message));
  });

  it('run alone, in a pipeline of their name', async () => {
    const { jobId } = await hkube.take('POST', '/exec/algorithm', { name: 'sum', input: [1, 2] });
    await world.ended(jobId);
    expect((await hkube.get(`/exec/results/${jobId}`)).json.data).toEqual([
      { nodeName: 'sum', algorithmName: 'sum', result: 3 },
    ]);
    expect((await hkube.get(`/exec/pipelines/${jobId}`)).json).toMatchObject({
      name: 'sum',
      types: ['algorithm'],
    });
    expect(await hkube.post('/exec/algorithm', { name: 'sum', stam: 1 })).toMatchObject(
      refused(400, 'data should NOT have additional properties (stam)'),
    );
    expect(await hkube.post('/exec/algorithm', { name: 'nobody' })).toMatchObject(
      refused(404, 'algorithm nobody Not Found'),
    );
  });
});
