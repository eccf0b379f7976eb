import { beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { MAX_ALGORITHMS } from '../../src/algorithm.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { type JobType, parseJobId, RAW } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import type { AlgorithmSave, DeliveryFilter, JobFilter, JobTarget, Store } from '../../src/store.js';
import type { Opened } from './store.js';

const ALL = { limit: 1_000, after: null, before: null, inverted: false };

/** What every Store must do about stored algorithms, and what lists can be asked for besides. */
export function hkubeCases(opened: () => Opened, storeOf: () => Store): void {
  let account: string;
  let store: Store;
  const at = () => opened().clock.now();
  beforeEach(async () => {
    store = storeOf();
    account = (await store.ensureAccount('default', 'whsec_account', 0)).id;
  });

  describe('stored algorithms', () => {
    const save = (name: string, document: string, more: Partial<AlgorithmSave> = {}) =>
      store.saveAlgorithm({
        accountId: account,
        name,
        document,
        mode: 'either',
        limits: NO_LIMITS,
        at: at(),
        ...more,
      });
    const stored = async () => (await store.usage(account)).storedBytes;

    it('are kept by name, replaced and deleted, and their bytes counted', async () => {
      const before = await stored();
      const algorithm = { name: 'b', document: '{"ü":1}', modifiedAt: at() };
      expect(await save('b', '{"ü":1}')).toEqual({ algorithm });
      await save('a', '{}');
      expect(await store.storedAlgorithm(account, 'b')).toEqual(algorithm);
      expect(await store.storedAlgorithmNames(account)).toEqual(['a', 'b']);
      expect(await stored()).toBe(before + 8 + 2);
      await save('b', '[]');
      expect(await stored()).toBe(before + 2 + 2);
      expect(await store.deleteAlgorithm(account, 'b')).toBe(true);
      expect(await store.deleteAlgorithm(account, 'b')).toBe(false);
      expect(await store.storedAlgorithm(account, 'b')).toBeNull();
      expect(await stored()).toBe(before + 2);
    });

    it('are created, updated or either, as is asked', async () => {
      expect(await save('a', '{}', { mode: 'update' })).toEqual({ missing: true });
      expect(await save('a', '{}', { mode: 'create' })).toHaveProperty('algorithm');
      expect(await save('a', '[]', { mode: 'create' })).toEqual({ exists: true });
      expect(await save('a', '[]', { mode: 'update' })).toHaveProperty('algorithm');
    });

    it('of another account are not there', async () => {
      await save('a', '{}');
      const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
      expect(await store.storedAlgorithm(other, 'a')).toBeNull();
      expect(await store.storedAlgorithmNames(other)).toEqual([]);
      expect(await store.deleteAlgorithm(other, 'a')).toBe(false);
    });

    it('need room, and an account has so many', async () => {
      const limits = { ...NO_LIMITS, storedBytes: (await stored()) + 10 };
      expect(await save('a', '"0123456789"', { limits })).toHaveProperty('noRoom');
      expect(await save('a', '"01234567"', { limits })).toHaveProperty('algorithm');
      for (let count = 1; count < MAX_ALGORITHMS; count++) await save(`n${count}`, '0');
      expect(await save('more', '0')).toEqual({ full: MAX_ALGORITHMS });
      expect(await save('a', '1')).toHaveProperty('algorithm');
    });
  });

  async function submit(descriptor: object, types: JobType[] = ['raw'], targets: JobTarget[] = []) {
    const parsed = parseDescriptor({ nodes: [{ nodeName: 'a', algorithmName: 'one' }], ...descriptor });
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const { graph } = graphOf(parsed.descriptor);
    const job = newJob(opened().ids.uuid(), parsed.descriptor, graph, { ...RAW, types }, at());
    const submitted = await store.submit({
      ...{ accountId: account, job, targets, idempotency: null, limits: NO_LIMITS, at: at() },
    });
    if (!('jobId' in submitted)) throw new Error(JSON.stringify(submitted));
    return submitted.jobId;
  }
  const cancel = (jobId: string) =>
    store.settle(
      { jobUuid: parseJobId(jobId)!.uuid, outcomes: [{ kind: 'cancel', at: at(), reason: 'enough' }] },
      advance,
    );

  it('jobs are found by experiment, type, algorithm, and by all of some tags', async () => {
    const two = [
      { nodeName: 'a', algorithmName: 'one' },
      { nodeName: 'b', algorithmName: 'two', input: ['@a'] },
    ];
    const first = await submit({ name: 'p', tags: ['x', 'y'], nodes: two });
    const second = await submit({ name: 'p', tags: ['x'], experimentName: 'other' }, ['stored', 'cron']);
    const found = (filter: JobFilter) =>
      store.jobs(account, filter, ALL).then((jobs) => jobs.map(({ id }) => id));
    expect(await found({ experiment: 'main' })).toEqual([first]);
    expect(await found({ experiment: 'other' })).toEqual([second]);
    expect(await found({ type: 'cron' })).toEqual([second]);
    expect(await found({ type: 'trigger' })).toEqual([]);
    expect(await found({ algorithm: 'two' })).toEqual([first]);
    expect(await found({ algorithm: 'one' })).toEqual([second, first]);
    expect(await found({ allTags: ['x', 'y'] })).toEqual([first]);
    expect(await found({ allTags: ['x'] })).toEqual([second, first]);
    expect(await found({ allTags: [] })).toEqual([second, first]);
  });

  it('the history of a job has what was done to it, newest first', async () => {
    const jobId = await submit({ name: 'p' });
    await opened().clock.advance(5);
    const [task] = await store.claim({ queues: ['one'], max: 1, worker: 'w', leaseMs: 1_000, at: at() });
    expect(task).toBeDefined();
    await cancel(jobId);
    const history = await store.jobHistory(account, jobId, 10);
    expect(history.map(({ type }) => type)).toEqual(['JOB_CANCELLED', 'JOB_PENDING']);
    expect(history[0]!.job).toMatchObject({ id: jobId, createdAt: at() - 5 });
    expect(await store.jobHistory(account, jobId, 1)).toEqual([history[0]]);
    expect(await store.jobHistory(account, 'p:nothing', 10)).toEqual([]);
    const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
    expect(await store.jobHistory(other, jobId, 10)).toEqual([]);
  });

  it('deliveries are found by where they stem from, and by whether they were tried', async () => {
    const target = (source: JobTarget['source']): JobTarget => ({
      ...{ source, url: `http://${source}.example/`, urlKey: source, format: 'HKUBE', verbosity: 'info' },
    });
    const jobId = await submit({ name: 'p' }, ['raw'], [target('JOB_PROGRESS'), target('JOB_RESULT')]);
    await cancel(jobId);
    const found = async (filter: DeliveryFilter) =>
      (await store.deliveries(account, { jobId, ...filter }, ALL, at())).map(
        ({ source, part }) => `${source} ${part}`,
      );
    expect(await found({})).toEqual(['JOB_PROGRESS EVENT', 'JOB_PROGRESS EVENT', 'JOB_RESULT RESULT']);
    expect(await found({ sources: ['JOB_RESULT'] })).toEqual(['JOB_RESULT RESULT']);
    expect(await found({ attempted: true })).toEqual([]);
    const claim = { max: 1, maxPerUrl: 1, maxResultBytes: 1_000, leaseMs: 1_000, at: at() };
    const [due] = await store.claimLanes(claim);
    const { deliveryId, token, number } = due!;
    const call = { startedAt: at(), durationMs: 1, outcome: 'DELIVERED', statusCode: 200 } as const;
    const answer = { responseSnippet: null, requestHeaders: [], body: null, bodyBytes: 0, bodySha256: '' };
    await store.recordAttempt({ deliveryId, token, number, ...call, ...answer }, 0, at());
    expect(await found({ attempted: true })).toEqual(['JOB_PROGRESS EVENT']);
    expect(await found({ attempted: true, sources: ['JOB_RESULT'] })).toEqual([]);
  });
}
