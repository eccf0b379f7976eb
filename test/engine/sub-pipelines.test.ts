import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDestinationPolicy } from '../../src/destination.js';
import { createChildJobs } from '../../src/engine/child-jobs.js';
import type { Parts } from '../../src/engine/parts.js';
import { runPipeline, savePipeline } from '../../src/engine/pipelines.js';
import { createSubPipelines } from '../../src/engine/sub-pipelines.js';
import { UnavailableError } from '../../src/errors.js';
import { NO_LIMITS } from '../../src/limits.js';
import { type Loop, POLL_MS } from '../../src/loop.js';
import { MAX_TRIGGER_DEPTH } from '../../src/triggers.js';
import { ALL, Fixture } from '../sqlite/fixture.js';
import { recordingLog } from '../support/api.js';
import { fake } from '../support/fake.js';

describe('jobs that tasks start, in a server that hears nothing', () => {
  let f: Fixture;
  let parts: Parts;
  let log: ReturnType<typeof recordingLog>;
  const loops: Loop[] = [];
  beforeEach(async () => {
    f = await Fixture.open();
    log = recordingLog();
    parts = fake<Parts>('parts', {
      store: f.store,
      // What is said on this bus is lost.
      bus: { publish() {}, listen: () => () => {} },
      clock: f.clock,
      ids: f.ids,
      log,
      policy: createDestinationPolicy([]),
      limits: NO_LIMITS,
      algorithms: new Map([['one', 'one.mjs']]),
      formats: new Set(['STANDARD', 'HKUBE']),
    });
    const nodes = [{ nodeName: 'b', algorithmName: 'one' }];
    const descriptor = { name: 'child', nodes };
    await savePipeline(parts, f.account, { descriptor, mode: 'create', ifVersion: null });
  });
  afterEach(async () => {
    await Promise.all(loops.splice(0).map((loop) => loop.stop()));
    await f.close();
  });

  const turn = (loop: Loop) => {
    loops.push(loop);
    loop.start();
    return () => f.clock.advance(POLL_MS);
  };
  const node = { nodeName: 'a', kind: 'pipeline', spec: { name: 'child' } };
  const runs = async () =>
    (await f.store.jobs(f.account, { pipelines: ['child'] }, ALL)).map(({ status }) => status);

  it('are started and settled within a poll', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const parent = await f.submit({ name: 'parent', nodes: [node] });
    await poll();
    const [task] = await f.claim(1, ['one']);
    await f.succeed(task!, 'done');
    await poll();
    expect(await f.store.results(f.account, parent, 0, 10, 1e6)).toMatchObject([
      { resultJson: '[{"nodeName":"b","algorithmName":"one","result":"done"}]' },
    ]);
  });

  it('are not started with what repeats a batch until no memory holds it: their task fails', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const paths = Array.from({ length: 100_000 }, (_, index) => `@batch.${index}`);
    const parent = await f.submit({
      name: 'parent',
      nodes: [
        { nodeName: 'batch', algorithmName: 'one', input: ['#[1...40]'] },
        { ...node, input: paths },
      ],
    });
    const items = Array<string>(40).fill('[1]');
    await f.settleJob(parent, { kind: 'expanded', node: 0, at: f.at(), total: 40, from: 0, items });
    for (const task of await f.claim(32, ['one'])) await f.succeed(task, Array(1_000).fill(0));
    for (const task of await f.claim(32, ['one'])) await f.succeed(task, 0);
    await poll();
    const [task] = await f.store.tasks(f.account, parent, { nodeNames: ['a'] }, ALL);
    expect(task).toMatchObject({
      status: 'FAILED',
      error: {
        code: 'INPUT_TOO_LARGE',
        message: expect.stringMatching(/must be at most 2097152 bytes of JSON, got more/),
      },
    });
    expect(await runs()).toEqual([]);
  });

  it('are stopped within a poll when their parent is', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const parent = await f.submit({ name: 'parent', nodes: [node] });
    await poll();
    await f.settleJob(parent, { kind: 'cancel', at: f.at(), reason: 'r' });
    await poll();
    expect(await runs()).toEqual(['CANCELLED']);
  });

  it('have the ttl of their node, and fail its task as one that took too long', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const parent = await f.submit({ name: 'parent', nodes: [{ ...node, ttl: 7 }] });
    await poll();
    const [child] = await f.store.jobs(f.account, { pipelines: ['child'] }, ALL);
    const descriptor = JSON.parse((await f.store.descriptor(f.account, child!.id))!) as object;
    expect(descriptor).toMatchObject({ options: { ttl: 7 } });
    await f.settleJob(child!.id, { kind: 'cancel', at: f.at(), reason: 'pipeline expired' });
    await poll();
    expect((await f.store.job(f.account, parent))!.error).toMatchObject({
      code: 'TIMEOUT',
      message: 'Algorithm TTL expired',
    });
  });

  it('fail their task where the account has no room for them', async () => {
    const crowded = { ...parts, limits: { ...NO_LIMITS, runningJobs: 1 } };
    const poll = turn(createSubPipelines(crowded, { worker: 'w' }));
    const parent = await f.submit({ name: 'parent', nodes: [node] });
    await poll();
    expect((await f.store.job(f.account, parent))!.error?.message).toBe(
      'the limit runningJobs of every account of this server is 1, and 1 job has not ended: wait for one to end, or cancel one',
    );
  });

  it('are as deep as they lie within each other, however long the chain of triggers is that they belong to', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const descriptor = { name: 'last', nodes: [node] };
    await savePipeline(parts, f.account, { descriptor, mode: 'create', ifVersion: null });
    const last = (depth: number, parentId: string | null) =>
      runPipeline(parts, f.account, {
        ...{ name: 'last', version: null, overrides: {}, idempotencyKey: null, received: null },
        origin: { types: ['stored', 'trigger'], parentId, rerunOfId: null, depth },
      });
    const parent = await last(MAX_TRIGGER_DEPTH, (await last(MAX_TRIGGER_DEPTH - 1, null)).id);
    await poll();
    expect(await runs()).toEqual(['PENDING', 'PENDING']);
    const [child] = await f.store.jobs(f.account, { pipelines: ['child'] }, ALL);
    expect(child).toMatchObject({ parentId: parent.id, depth: MAX_TRIGGER_DEPTH + 1 });
  });

  it('do not wait for one that cannot be settled, and it is settled once it can be', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const nodes = ['a', 'c', 'd'].map((nodeName) => ({ ...node, nodeName }));
    const jobs = [await f.submit({ name: 'parent', nodes }), await f.submit({ name: 'parent', nodes })];
    await poll();
    const { results } = f.store;
    let failing = true;
    f.store.results = async (account, id, ...rest) => {
      if (failing && id === (await f.store.jobs(f.account, { pipelines: ['child'] }, ALL)).at(-1)!.id)
        throw new Error('cannot be read');
      return results(account, id, ...rest);
    };
    for (const task of await f.claim(10, ['one'])) await f.succeed(task);
    await poll();
    const open = async () =>
      (await Promise.all(jobs.map((id) => f.store.tasks(f.account, id, {}, ALL))))
        .flat()
        .filter(({ status }) => status === 'ACTIVE').length;
    expect(await open()).toBe(1);
    expect(log.lines.map(({ message }) => message)).toEqual([
      'a job and the task that has started it could not be kept together',
    ]);
    failing = false;
    await poll();
    expect(await open()).toBe(0);
  });

  it('wait for a disk that is full, and are started once when it is not', async () => {
    const poll = turn(createSubPipelines(parts, { worker: 'w' }));
    const parent = await f.submit({ name: 'parent', nodes: [node] });
    const { submit } = f.store;
    f.store.submit = async () => {
      throw new UnavailableError('the disk is full');
    };
    await poll();
    expect(await runs()).toEqual([]);
    f.store.submit = submit;
    // The lease under which it could not be started ends.
    await f.clock.advance(31_000);
    for (const { token } of await f.store.expiredLeases(f.at(), 10))
      await f.settle({ token }, { kind: 'expired' });
    await poll();
    expect(await runs()).toEqual(['PENDING']);
    expect((await f.store.job(f.account, parent))!.status).toBe('ACTIVE');
    expect(log.lines).toEqual([]);
  });

  it('of code are waited for by looking', async () => {
    const { jobs, loop } = createChildJobs(parts);
    const poll = turn(loop);
    const parent = await f.submit(f.single());
    const [task] = await f.claim(1, ['one']);
    const asked = { token: task!.token, accountId: f.account, jobId: parent };
    const results = jobs.run(asked, { kind: 'stored', name: 'child', flowInput: {} }, true);
    await poll();
    const [inner] = await f.claim(1, ['one']);
    await f.succeed(inner!, 7);
    await poll();
    expect(await results).toBe('[{"nodeName":"b","algorithmName":"one","result":7}]');

    await f.succeed(task!);
    await expect(jobs.run(asked, { kind: 'stored', name: 'child', flowInput: {} }, true)).rejects.toThrow(
      'the task that has asked for this job has ended',
    );
    expect(await runs()).toEqual(['COMPLETED']);
  });

  it('are not told of mistakes of ours but in the log', async () => {
    const { jobs } = createChildJobs(parts);
    f.store.submit = async () => {
      throw new Error('table jobs has no column named secret');
    };
    const asked = { token: 'x.y', accountId: f.account, jobId: 'parent:x' };
    await expect(jobs.run(asked, { kind: 'stored', name: 'child', flowInput: {} }, true)).rejects.toThrow(
      'Carillon could not start this job, or read its results; its log says why',
    );
    expect(log.lines).toMatchObject([{ level: 'error' }]);
  });
});
