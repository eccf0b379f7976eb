import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';

interface JobAnswer {
  job: {
    status: string;
    error: { code: string; message: string; nodeName: string | null; taskId: string | null } | null;
    nodes: {
      name: string;
      status: string;
      dependsOn: string[];
      progress: { total: number; succeeded: number };
    }[];
    tasks: {
      nodes: { batchId: string | null; status: string; attempt: number; error: { code: string } | null }[];
    };
    results: {
      nodes: { nodeName: string; batchIndex: number | null; result: unknown; error: string | null }[];
    };
  };
}

const JOB = `query ($id: ID!) { job(id: $id) { status error { code message nodeName taskId }
  nodes { name status dependsOn progress { total succeeded } }
  tasks(first: 100) { nodes { batchId status attempt error { code } } }
  results(first: 100) { nodes { nodeName batchIndex result error } } } }`;

describe('a pipeline', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const run = async (descriptor: object) => {
    const id = await world.submit(descriptor);
    const events = await world.ended(id);
    return {
      id,
      types: events.map((event) => event.type),
      events,
      ...(await world.ask<JobAnswer>(JOB, { id })),
    };
  };
  const one = (algorithmName: string, input: unknown[] = [], more: object = {}) => ({
    name: 'one',
    nodes: [{ nodeName: 'a', algorithmName, input, ...more }],
  });

  it('whose module posts messages to the server by itself is none the worse for it, nor are the others', async () => {
    const { job } = await run(one('forger'));
    expect(job).toMatchObject({ status: 'COMPLETED', results: { nodes: [{ result: 'done' }] } });
    expect((await run(one('echo', [1]))).job.status).toBe('COMPLETED');
  });

  it('of a diamond with a batch in it gives results, statuses and events in order', async () => {
    const { job, types, events } = await run({
      name: 'diamond',
      flowInput: { count: 3 },
      nodes: [
        { nodeName: 'bottom', algorithmName: 'echo', input: ['@left', { right: '@right' }] },
        { nodeName: 'left', algorithmName: 'sum', input: ['#@top', 100], includeInResults: true },
        { nodeName: 'right', algorithmName: 'sum', input: ['@top'] },
        { nodeName: 'top', algorithmName: 'list', input: ['@flowInput.count'] },
      ],
    });
    expect(job.status).toBe('COMPLETED');
    expect(job.results.nodes).toEqual([
      { nodeName: 'bottom', batchIndex: null, result: [[101, 102, 103], { right: 6 }], error: null },
      { nodeName: 'left', batchIndex: 1, result: 101, error: null },
      { nodeName: 'left', batchIndex: 2, result: 102, error: null },
      { nodeName: 'left', batchIndex: 3, result: 103, error: null },
    ]);
    expect(job.nodes.map((node) => [node.name, node.status, node.dependsOn])).toEqual([
      ['bottom', 'SUCCEEDED', ['left', 'right']],
      ['left', 'SUCCEEDED', ['top']],
      ['right', 'SUCCEEDED', ['top']],
      ['top', 'SUCCEEDED', []],
    ]);
    expect(events.map((event) => event.sequence)).toEqual(events.map((_, index) => index + 1));
    expect(types.slice(0, 4)).toEqual(['JOB_PENDING', 'JOB_ACTIVE', 'TASK_ACQUIRED', 'TASK_COMPLETED']);
    expect(types.slice(-2)).toEqual(['TASK_COMPLETED', 'JOB_COMPLETED']);
    expect(types.filter((type) => type === 'TASK_COMPLETED')).toHaveLength(6);
    expect(types.filter((type) => type === 'TASK_ACQUIRED')).toHaveLength(6);
  });

  it('fails with what its algorithm said', async () => {
    const { job, types } = await run(one('fail', ['the sea is dry']));
    expect(job).toMatchObject({
      status: 'FAILED',
      error: { code: 'ALGORITHM_ERROR', message: 'the sea is dry', nodeName: 'a' },
      results: { nodes: [] },
    });
    expect(types.slice(-2)).toEqual(['TASK_FAILED', 'JOB_FAILED']);
  });

  it('tries a task again by its retry policy', async () => {
    const { job, types } = await run(one('fail', ['no'], { retry: { policy: 'Always', limit: 2 } }));
    expect(types.filter((type) => type.startsWith('TASK_'))).toEqual([
      'TASK_ACQUIRED',
      'TASK_RETRIED',
      'TASK_ACQUIRED',
      'TASK_FAILED',
    ]);
    expect(job.tasks.nodes).toMatchObject([{ attempt: 2, status: 'FAILED' }]);
  });

  it('ends a task that takes longer than its ttl', async () => {
    const { job } = await run(one('hang', [], { ttl: 1 }));
    expect(job.error).toMatchObject({ code: 'TIMEOUT', message: 'Algorithm TTL expired' });
  });

  it('carries on with what is left of a batch within its tolerance', async () => {
    const { job } = await run({
      name: 'tolerant',
      options: { batchTolerance: 60 },
      flowInput: { waits: [1, 'x', 3] },
      nodes: [
        { nodeName: 'a', algorithmName: 'nap', input: ['#@flowInput.waits'] },
        { nodeName: 'b', algorithmName: 'echo', input: ['@a'] },
      ],
    });
    expect(job.status).toBe('COMPLETED');
    expect(job.results.nodes[0]!.result).toEqual([[1, 'x', 3]]);
  });

  it('over an empty list is skipped, and its children run with nothing', async () => {
    const { job } = await run({
      name: 'empty',
      flowInput: { none: [] },
      nodes: [
        { nodeName: 'a', algorithmName: 'echo', input: ['#@flowInput.none'] },
        { nodeName: 'b', algorithmName: 'echo', input: ['#@a'] },
        { nodeName: 'c', algorithmName: 'echo', input: ['@a'] },
      ],
    });
    expect(job.nodes.map((node) => node.status)).toEqual(['SKIPPED', 'SKIPPED', 'SUCCEEDED']);
    expect(job.results.nodes).toEqual([
      { nodeName: 'b', batchIndex: -1, result: null, error: null },
      { nodeName: 'c', batchIndex: null, result: [[]], error: null },
    ]);
  });

  it('fails clearly where a batch is over a path that a result does not have', async () => {
    const { job } = await run({
      name: 'missing',
      nodes: [
        { nodeName: 'parent', algorithmName: 'echo', input: [{ list: [1] }] },
        { nodeName: 'child', algorithmName: 'echo', input: ['#@parent.size'] },
      ],
    });
    expect(job.error).toMatchObject({
      code: 'INPUT_INVALID',
      nodeName: 'child',
      message: 'node "child": path "size" of "#@parent.size" was not found in the result of node "parent"',
    });
  });

  it('can be cancelled while it runs; the code is told to stop, and what waits never starts', async () => {
    const id = await world.submit({
      name: 'long',
      nodes: [{ nodeName: 'a', algorithmName: 'hang', input: ['#[1,2,3,4,5]'] }],
    });
    const types: string[] = [];
    let cancelled = false;
    for await (const { data } of world.client().iterate<{ jobEvents: { type: string } }>({
      query: 'subscription ($id: ID!) { jobEvents(jobId: $id) { type } }',
      variables: { id },
    })) {
      types.push(data!.jobEvents.type);
      if (cancelled || types.filter((type) => type === 'TASK_ACQUIRED').length < 2) continue;
      cancelled = true;
      const { cancelJob } = await world.ask<{ cancelJob: { job: { status: string; reason: string } } }>(
        'mutation ($id: ID!) { cancelJob(input: { id: $id, reason: "enough" }) { job { status reason } userErrors { message } } }',
        { id },
      );
      expect(cancelJob.job).toEqual({ status: 'CANCELLED', reason: 'enough' });
    }
    expect(types.at(-1)).toBe('JOB_CANCELLED');
    const { job } = await world.ask<JobAnswer>(JOB, { id });
    expect(new Set(job.tasks.nodes.map((task) => task.status))).toEqual(new Set(['CANCELLED']));
    // The threads are free again: a second job runs at once.
    const { job: next } = await run(one('echo', [1]));
    expect(next.status).toBe('COMPLETED');
    const again = await world.ask<{ cancelJob: { userErrors: { code: string }[] } }>(
      'mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code message } } }',
      { id },
    );
    expect(again.cancelJob.userErrors).toMatchObject([{ code: 'NOT_ALLOWED_IN_STATE' }]);
  });

  it(
    `of ${heavy ? '50,000' : '2,000'} no-op items completes`,
    async () => {
      const count = heavy ? 50_000 : 2_000;
      const id = await world.submit({
        name: 'many',
        nodes: [{ nodeName: 'a', algorithmName: 'noop', input: [`#[1...${count}]`] }],
      });
      const { jobEvents } = (
        await world.follow<{ jobEvents: { type: string; progress: { succeeded: number } } }>(
          'subscription ($id: ID!) { jobEvents(jobId: $id, types: [JOB_COMPLETED, JOB_FAILED]) { type ... on JobStatusChanged { progress { succeeded } } } }',
          { id },
        )
      )[0]!;
      expect(jobEvents).toEqual({ type: 'JOB_COMPLETED', progress: { succeeded: count } });
    },
    heavy ? 300_000 : 60_000,
  );

  it('fails where its algorithm was removed before a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'carillon-algorithms-'));
    const file = join(folder, 'gone.mjs');
    await writeFile(file, 'export const start = ({ progress }) => (progress(50), new Promise(() => {}));');
    const other = await World.open({ CARILLON_ALGORITHMS_DIR: folder });
    try {
      const id = await other.submit(one('gone', [], { retry: { policy: 'OnCrash', limit: 2 } }));
      const query = 'subscription ($id: ID!) { jobEvents(jobId: $id, types: [TASK_PROGRESS]) { type } }';
      for await (const _ of other.client().iterate({ query, variables: { id } })) break;
      await rm(file);
      await other.restart();
      await other.ended(id);
      const { job } = await other.ask<JobAnswer>(JOB, { id });
      expect(job.status).toBe('FAILED');
      expect(job.error).toMatchObject({
        code: 'ALGORITHM_NOT_FOUND',
        message: 'algorithm "gone" is not in the algorithms folder of this server',
      });
    } finally {
      await other.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  describe('submitted again with one idempotencyKey', () => {
    const submit = (descriptor: object, key: string) =>
      world.ask<{
        submitDescriptor: { job: { id: string } | null; userErrors: { code: string; path: string[] }[] };
      }>(
        'mutation ($d: JSON!, $key: String) { submitDescriptor(input: { descriptor: $d, idempotencyKey: $key }) { job { id } userErrors { code path message } } }',
        { d: descriptor, key },
      );

    it('is one job, also in the same instant and across a restart', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => submit(one('echo', [1]), 'k')));
      const ids = new Set(answers.map((answer) => answer.submitDescriptor.job!.id));
      expect(ids.size).toBe(1);
      await world.restart();
      expect((await submit(one('echo', [1]), 'k')).submitDescriptor.job!.id).toBe([...ids][0]);
      const { jobs } = await world.ask<{ jobs: { nodes: unknown[] } }>('{ jobs { nodes { id } } }');
      expect(jobs.nodes).toHaveLength(1);
    });

    it('is refused with another body, and a refused submission keeps no key', async () => {
      expect((await submit({ name: 'x', nodes: [] }, 'k')).submitDescriptor.job).toBeNull();
      await submit(one('echo', [1]), 'k');
      const { submitDescriptor } = await submit(one('echo', [2]), 'k');
      expect(submitDescriptor).toMatchObject({
        job: null,
        userErrors: [{ code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] }],
      });
    });
  });
});
