import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blocksOf } from '../docs/blocks.js';
import { ALGORITHMS, World } from '../support/world.js';

interface RerunAnswer {
  rerunJob: {
    job: { id: string; pipelineName: string; rerunOf: { id: string } | null } | null;
    userErrors: { code: string; message: string; path: string[] }[];
  };
}

interface JobAnswer {
  job: {
    status: string;
    error: { code: string; message: string } | null;
    tags: string[];
    priority: number;
    externalId: string | null;
    descriptor: { nodes: { nodeName: string; input: unknown[] }[] };
    progress: { percent: number; total: number; succeeded: number; failed: number; skipped: number };
    nodes: { name: string; status: string; progress: { total: number; succeeded: number; failed: number } }[];
    tasks: { nodes: { nodeName: string; batchId: string | null; status: string; input: unknown }[] };
    results: { nodes: { nodeName: string; batchIndex: number | null; result: unknown }[] };
  };
}

const JOB = `query ($id: ID!) { job(id: $id) { status error { code message } tags priority externalId descriptor
  progress { percent total succeeded failed skipped }
  nodes { name status progress { total succeeded failed } }
  tasks(first: 100) { nodes { nodeName batchId status input } }
  results(first: 100) { nodes { nodeName batchIndex result } } } }`;
const RERUN = `mutation ($input: RerunJobInput!) { rerunJob(input: $input) {
  job { id pipelineName rerunOf { id } } userErrors { code message path } } }`;

/** For what takes a tenth of a second. */
const PATIENT = { timeout: 10_000 };

describe('running a job again', () => {
  let world: World;
  let folder: string;
  beforeEach(async () => {
    world = await World.open();
    folder = await mkdtemp(join(tmpdir(), 'carillon-rerun-'));
  });
  afterEach(async () => {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  const jobOf = async (id: string) => (await world.ask<JobAnswer>(JOB, { id })).job;
  const ended = async (id: string) => {
    const events = await world.ended(id);
    return { id, types: events.map(({ type }) => type), ...(await jobOf(id)) };
  };
  const run = async (descriptor: object) => ended(await world.submit(descriptor));
  const ask = async (input: object) => (await world.ask<RerunAnswer>(RERUN, { input })).rerunJob;
  const rerun = async (input: object) => {
    const { job, userErrors } = await ask(input);
    if (!job) throw new Error(JSON.stringify(userErrors));
    return job;
  };
  const problem = async (input: object) => {
    const { job, userErrors } = await ask(input);
    expect(job).toBeNull();
    expect(userErrors).toHaveLength(1);
    return userErrors[0]!;
  };
  const again = async (input: object) => ended((await rerun(input)).id);
  const cancel = async (id: string) => {
    await world.ask('mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { message } } }', {
      id,
    });
  };
  const resultsOf = ({ results }: JobAnswer['job']) => results.nodes.map(({ result }) => result);

  /** Names of the tasks that have run since the last call, sorted. */
  const ran = async () => {
    const text = await readFile(join(folder, 'runs'), 'utf8').catch(() => '');
    await rm(join(folder, 'runs'), { force: true });
    return text.split('\n').filter(Boolean).sort();
  };
  const bad = (...names: string[]) =>
    Promise.all(names.map((name) => writeFile(join(folder, `bad ${name}`), '')));
  const good = (...names: string[]) => Promise.all(names.map((name) => rm(join(folder, `bad ${name}`))));
  /** A node that notes that it has run. */
  const tally = (nodeName: string, value: unknown, more: object = {}) => ({
    nodeName,
    algorithmName: 'tally',
    input: ['@flowInput.folder', nodeName, value],
    retry: { policy: 'Never' },
    ...more,
  });
  /** A batch whose items note that they have run, and give their own names. */
  const batch = (nodeName: string, items: string) => ({
    ...tally(nodeName, items),
    input: ['@flowInput.folder', items, items],
  });

  describe('from a node', () => {
    const chain = {
      name: 'chain',
      flowInput: { value: 10 },
      tags: ['t'],
      externalId: 'x',
      nodes: [
        { nodeName: 'one', algorithmName: 'sum', input: ['@flowInput.value', 7] },
        { nodeName: 'two', algorithmName: 'sum', input: ['@one', 12] },
      ],
    };

    it('gives 29 again for 10 + 7 + 12, from the first node and from the second', async () => {
      const first = await run(chain);
      expect(resultsOf(first)).toEqual([29]);
      for (const nodeName of ['one', 'two']) {
        const job = await rerun({ id: first.id, from: 'NODE', nodeName });
        expect(job).toMatchObject({ pipelineName: `chain-${nodeName}`, rerunOf: { id: first.id } });
        expect(await ended(job.id)).toMatchObject({
          status: 'COMPLETED',
          tags: ['t'],
          externalId: 'x',
          results: { nodes: [{ nodeName: 'two', batchIndex: null, result: 29 }] },
        });
      }
    });

    it('runs the node and its successors alone, with the results of the other parents', async () => {
      const { id } = await run({
        name: 'web',
        flowInput: { folder },
        options: { debugOverride: ['top', 'low'] },
        nodes: [
          batch('list', '#[1,2,3]'),
          { ...tally('top', '@list', { includeInResults: true }) },
          tally('side', 5, { includeInResults: true }),
          tally('middle', ['@top.0', '@list', '@side']),
          tally('low', '@middle'),
          tally('other', '@top'),
        ],
      });
      await ran();
      const job = await again({ id, from: 'NODE', nodeName: 'middle' });
      expect(await ran()).toEqual(['low', 'middle']);
      expect(job.status).toBe('COMPLETED');
      expect(job.results.nodes).toEqual([
        { nodeName: 'low', batchIndex: null, result: ['1', ['1', '2', '3'], 5] },
      ]);
      expect(job.nodes.map(({ name, status }) => [name, status])).toEqual([
        ['list', 'SUCCEEDED'],
        ['top', 'SUCCEEDED'],
        ['side', 'SUCCEEDED'],
        ['middle', 'SUCCEEDED'],
        ['low', 'SUCCEEDED'],
      ]);
      expect(job.progress).toMatchObject({ total: 7, succeeded: 7, percent: 100 });
      expect(job.types.filter((type) => type === 'TASK_COMPLETED')).toHaveLength(2);
    });

    it('goes on from a rerun of a node: again as it was, from the start, and from what failed', async () => {
      const first = await run({
        name: 'deep',
        flowInput: { folder },
        nodes: [batch('top', '#[1,2,3]'), tally('middle', '@top'), tally('low', '@middle')],
      });
      await bad('low');
      const second = await again({ id: first.id, from: 'NODE', nodeName: 'middle' });
      expect(second.status).toBe('FAILED');
      await good('low');
      await ran();
      const failed = await again({ id: second.id, from: 'FAILED' });
      expect(await ran()).toEqual(['low']);
      const start = await again({ id: second.id });
      expect(await ran()).toEqual(['low', 'middle']);
      const third = await again({ id: start.id, from: 'NODE', nodeName: 'middle' });
      expect(await ran()).toEqual(['low', 'middle']);
      for (const job of [failed, start, third]) expect(resultsOf(job)).toEqual([['1', '2', '3']]);
      expect(await problem({ id: second.id, from: 'NODE', nodeName: 'top' })).toEqual({
        code: 'INVALID',
        message: `node "top" does not run in this job: its result is of job "${first.id}"; run that one again from it`,
        path: ['input', 'nodeName'],
      });
    });

    it('hands on what was skipped, and what failed within the tolerance, as it was', async () => {
      await bad('2');
      const { id, status } = await run({
        name: 'gaps',
        flowInput: { folder, none: [] },
        nodes: [
          batch('some', '#[1,2,3]'),
          { nodeName: 'none', algorithmName: 'echo', input: ['#@flowInput.none'] },
          tally('end', ['@some', '@none']),
        ],
      });
      expect(status).toBe('COMPLETED');
      await good('2');
      await ran();
      const job = await again({ id, from: 'NODE', nodeName: 'end' });
      expect(await ran()).toEqual(['end']);
      expect(resultsOf(job)).toEqual([[['1', '3'], []]]);
      expect(job.progress).toMatchObject({ total: 5, succeeded: 3, failed: 1, skipped: 1 });
      expect(job.types).not.toContain('TASK_FAILED');
    });

    it('is refused where the node is unknown, or a parent has no result', async () => {
      await bad('left');
      const { id } = await run({
        name: 'half',
        flowInput: { folder },
        nodes: [tally('left', 1), tally('low', '@left')],
      });
      expect(await problem({ id, from: 'NODE', nodeName: 'nope' })).toEqual({
        code: 'INVALID',
        message: 'cant find relations for nope',
        path: ['input', 'nodeName'],
      });
      expect(await problem({ id, from: 'NODE', nodeName: 'low' })).toEqual({
        code: 'NOT_ALLOWED_IN_STATE',
        message:
          'node "low" needs the result of node "left", which did not succeed; run the job again from FAILED, or from that node',
        path: ['input', 'nodeName'],
      });
    });

    it('gives a name that a pipeline may have', async () => {
      const name = 'p'.repeat(190);
      const { id } = await run({
        name,
        nodes: [{ nodeName: 'ein Knoten/ünd mehr', algorithmName: 'noop' }],
      });
      const job = await rerun({ id, from: 'NODE', nodeName: 'ein Knoten/ünd mehr' });
      expect(job.pipelineName).toBe(`${name}-ein-Knote`);
      await world.ended(job.id);
    });
  });

  describe('from what failed', () => {
    it.each([
      { tolerance: 80, status: 'COMPLETED' },
      { tolerance: 30, status: 'FAILED' },
    ])(
      'runs the 3 of 10 items that failed and what depends on them, at tolerance $tolerance',
      async ({ tolerance, status }) => {
        await bad('3', '5', '7');
        const first = await run({
          name: 'batch',
          options: { batchTolerance: tolerance },
          flowInput: { folder },
          nodes: [tally('top', 'x'), batch('items', '#[1...10]'), tally('end', ['@items', '@top'])],
        });
        expect(first.status).toBe(status);
        // The job may have been failed by the third before the last ones have run.
        const done = first.tasks.nodes.filter((task) => task.status === 'SUCCEEDED');
        const open = 12 - done.length;
        await good('3', '5', '7');
        await ran();
        const job = await again({ id: first.id, from: 'FAILED' });
        const names = await ran();
        expect(names).toHaveLength(status === 'COMPLETED' ? 4 : open);
        expect(names).toEqual(expect.arrayContaining(['3', '5', '7', 'end']));
        expect(new Set(names).size).toBe(names.length);
        expect(job.status).toBe('COMPLETED');
        expect(resultsOf(job)).toEqual([[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'x']]);
        expect(job.tasks.nodes.map(({ nodeName, batchId, status }) => [nodeName, batchId, status])).toEqual([
          ['top', null, 'SUCCEEDED'],
          ...Array.from({ length: 10 }, (_, index) => ['items', `items#${index + 1}`, 'SUCCEEDED']),
          ['end', null, 'SUCCEEDED'],
        ]);
        expect(job.tasks.nodes[1]!.input).toEqual([folder, 1, 1]);
        expect(job.progress).toMatchObject({ percent: 100, total: 12, succeeded: 12, failed: 0 });
      },
    );

    it('of a diamond runs the side that failed and the bottom', async () => {
      await bad('right');
      const first = await run({
        name: 'diamond',
        flowInput: { folder },
        nodes: [
          tally('bottom', ['@left', '@right']),
          tally('left', '@top'),
          tally('right', ['@top', '@late']),
          tally('late', '@left'),
          tally('top', 1),
        ],
      });
      expect(first.status).toBe('FAILED');
      await good('right');
      await ran();
      const job = await again({ id: first.id, from: 'FAILED' });
      expect(await ran()).toEqual(['bottom', 'right']);
      expect(resultsOf(job)).toEqual([[1, [1, 1]]]);
      // Kept tasks are told by nobody.
      expect(job.types).toEqual([
        'JOB_PENDING',
        ...job.types.filter((type) => type === 'JOB_PROGRESS').slice(0, -2),
        ...job.types.slice(-8),
      ]);
      expect(job.types.filter((type) => type === 'TASK_COMPLETED')).toHaveLength(2);
    });

    it('of a job that was cancelled half way runs the rest, and keeps what was skipped', async () => {
      const id = await world.submit({
        name: 'half',
        flowInput: { folder, none: [] },
        nodes: [
          batch('items', '#[1,2,3]'),
          { nodeName: 'none', algorithmName: 'echo', input: ['#@flowInput.none'] },
          { nodeName: 'wait', algorithmName: 'hang', input: ['@items', '@none'] },
          tally('end', ['@items', '@none']),
        ],
      });
      await expect
        .poll(async () => (await jobOf(id)).nodes.map(({ status }) => status), PATIENT)
        .toEqual(['SUCCEEDED', 'SKIPPED', 'ACTIVE', 'SUCCEEDED']);
      expect(await problem({ id, from: 'FAILED' })).toEqual({
        code: 'NOT_ALLOWED_IN_STATE',
        message:
          'unable to rerun pipeline half because its in active status; wait for its end, cancel it, or run it again from START',
        path: ['input', 'id'],
      });
      await cancel(id);
      await ran();
      const job = await rerun({ id, from: 'FAILED' });
      await expect
        .poll(async () => (await jobOf(job.id)).nodes.map(({ status }) => status), PATIENT)
        .toEqual(['SUCCEEDED', 'SKIPPED', 'ACTIVE', 'SUCCEEDED']);
      await cancel(job.id);
      expect(await ran()).toEqual([]);
      expect((await jobOf(job.id)).progress).toMatchObject({ total: 6, succeeded: 4, skipped: 1 });
    });

    it('of nodes that wait for items keeps those that have got them, and the output node runs anew', async () => {
      await bad('late2');
      const { id, status } = await run({
        name: 'stream',
        flowInput: { folder },
        nodes: [
          batch('items', '#[1,2,3]'),
          { ...tally('each', 'each'), input: ['@flowInput.folder', '*@items', '*@items'] },
          { ...tally('late', 'late'), input: ['@flowInput.folder', '#[late2,late3]', '*@each'] },
          { nodeName: 'out', kind: 'output', input: ['@late', '@each'] },
        ],
      });
      expect(status).toBe('COMPLETED');
      await good('late2');
      expect(await ran()).toHaveLength(12);
      const job = await again({ id, from: 'FAILED' });
      expect(await ran()).toEqual(['late2', 'late2', 'late2']);
      expect(resultsOf(job)).toEqual([
        [
          ['1', '1', '2', '2', '3', '3'],
          ['1', '2', '3'],
        ],
      ]);
      expect(await problem({ id, from: 'NODE', nodeName: 'late' })).toEqual({
        code: 'INVALID',
        message: 'relation waitAny for node late is not allowed',
        path: ['input', 'nodeName'],
      });
    });

    it('is refused where nothing failed', async () => {
      const { id } = await run({ name: 'fine', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] });
      expect(await problem({ id, from: 'FAILED' })).toEqual({
        code: 'NOT_ALLOWED_IN_STATE',
        message: `job "${id}" has nothing that failed: all its nodes succeeded; run it again from START, or from a node`,
        path: ['input', 'id'],
      });
    });

    it('keeps the results of an algorithm that is gone', async () => {
      const algorithms = join(folder, 'algorithms');
      await cp(ALGORITHMS, algorithms, { recursive: true });
      await world.close();
      world = await World.open({ CARILLON_ALGORITHMS_DIR: algorithms });
      await bad('low');
      const { id } = await run({
        name: 'gone',
        flowInput: { folder },
        nodes: [{ nodeName: 'top', algorithmName: 'list', input: [2] }, tally('low', '@top')],
      });
      await good('low');
      await rm(join(algorithms, 'list.mjs'));
      await world.restart();
      expect((await problem({ id })).message).toMatch(/^algorithm list Not Found/);
      expect(resultsOf(await again({ id, from: 'FAILED' }))).toEqual([[1, 2]]);
    });
  });

  describe('from the start', () => {
    it('runs everything, with the webhooks, tags, priority and external id of the first', async () => {
      const receiver = await world.receiver();
      const first = await world.submit({
        name: 'whole',
        flowInput: { folder },
        webhooks: { result: receiver.url },
        tags: ['a', 'b'],
        priority: 4,
        externalId: 'mine',
        nodes: [tally('top', 1), { nodeName: 'wait', algorithmName: 'hang', input: ['@top'] }],
      });
      const begun = (id: string) =>
        expect
          .poll(async () => (await jobOf(id)).nodes.map(({ status }) => status), PATIENT)
          .toEqual(['SUCCEEDED', 'ACTIVE']);
      await begun(first);
      expect(await ran()).toEqual(['top']);
      // Also while the first still runs.
      const job = await rerun({ id: first });
      expect(job).toMatchObject({ pipelineName: 'whole', rerunOf: { id: first } });
      await begun(job.id);
      expect(await ran()).toEqual(['top']);
      const now = await jobOf(job.id);
      expect(now).toMatchObject({ tags: ['a', 'b'], priority: 4, externalId: 'mine' });
      expect(now.descriptor).toEqual((await jobOf(first)).descriptor);
      await cancel(job.id);
      await expect.poll(() => receiver.calls.length, PATIENT).toBe(1);
    });

    it('is done as docs/jobs.md shows it', async () => {
      const { id } = await run({
        name: 'shown',
        nodes: [
          { nodeName: 'one', algorithmName: 'list', input: [2] },
          { nodeName: 'two', algorithmName: 'sum', input: ['@one'] },
        ],
      });
      const [block] = blocksOf('docs/jobs.md').filter(({ info }) => info === 'run');
      const answer = await world.ask<Record<'whole' | 'part', RerunAnswer['rerunJob']>>(block!.code, {
        id,
        nodeName: 'two',
      });
      expect(answer).toEqual({
        whole: { job: { id: expect.any(String), rerunOf: { id } }, userErrors: [] },
        part: { job: { id: expect.any(String), pipelineName: 'shown-two' }, userErrors: [] },
      });
      for (const { job } of Object.values(answer)) expect(resultsOf(await ended(job!.id))).toEqual([3]);
    });

    it('makes one job of an idempotency key', async () => {
      const { id } = await run({ name: 'once', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] });
      const [one, two] = [await rerun({ id, idempotencyKey: 'k' }), await rerun({ id, idempotencyKey: 'k' })];
      expect(two.id).toBe(one.id);
      expect(await problem({ id, from: 'NODE', nodeName: 'a', idempotencyKey: 'k' })).toMatchObject({
        code: 'IDEMPOTENCY_CONFLICT',
        path: ['input', 'idempotencyKey'],
      });
    });

    it('is refused for an unknown job, and where the place is not clear', async () => {
      const { id } = await run({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] });
      expect(await problem({ id: 'p:x' })).toEqual({
        code: 'NOT_FOUND',
        message: 'job "p:x" was not found',
        path: ['input', 'id'],
      });
      expect(await problem({ id, from: 'NODE' })).toEqual({
        code: 'INVALID',
        message: 'nodeName must name the node to begin at where from is NODE, got nothing',
        path: ['input', 'nodeName'],
      });
      expect(await problem({ id, from: 'FAILED', nodeName: 'a' })).toEqual({
        code: 'INVALID',
        message: 'nodeName must not be given where from is FAILED; leave it out, or begin from NODE',
        path: ['input', 'nodeName'],
      });
    });
  });
});
