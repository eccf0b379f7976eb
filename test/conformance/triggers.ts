import { beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { type Origin, RAW } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import type { Cause, CronRun, SavedTriggers, Store } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import { MAX_OWED_RUNS, TOO_MANY_OWED } from '../../src/triggers.js';
import type { Opened } from './store.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ALL = { limit: 1_000, after: null, before: null, inverted: false };
const PATTERN = { pattern: '* * * * *', timeZone: 'UTC' };

export function triggerCases(opened: () => Opened, storeOf: () => Store): void {
  let account: string;
  let other: string;
  let store: Store;
  const at = () => opened().clock.now();

  async function save(name: string, triggers: Partial<SavedTriggers> = {}, accountId = account) {
    const saved = await store.savePipeline({
      ...{ accountId, name, description: null, tags: [], mode: 'either', ifVersion: null, limits: NO_LIMITS },
      // Another one each time: the same descriptor makes no version.
      descriptor: JSON.stringify({ name, salt: opened().ids.uuid() }),
      triggers: { cron: null, pipelines: [], ...triggers },
      at: at(),
    });
    if (!('pipeline' in saved)) throw new Error(JSON.stringify(saved));
    return saved.pipeline;
  }

  /** Submits a job of one node; the answer may be that the cause is stale. */
  function submit(
    name: string,
    more: { cause?: Cause; origin?: Partial<Origin>; accountId?: string; nodes?: object[] } = {},
  ) {
    const nodes = more.nodes ?? [{ nodeName: 'a', algorithmName: 'one', input: [] }];
    const parsed = parseDescriptor({ name, nodes });
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const { graph } = graphOf(parsed.descriptor);
    return store.submit({
      accountId: more.accountId ?? account,
      job: newJob(opened().ids.uuid(), parsed.descriptor, graph, { ...RAW, ...more.origin }, at()),
      ...{ targets: [], idempotency: null, limits: NO_LIMITS, cause: more.cause, at: at() },
    });
  }
  async function submitted(name: string, more: Parameters<typeof submit>[1] = {}): Promise<string> {
    const answer = await submit(name, more);
    if (!('jobId' in answer)) throw new Error(JSON.stringify(answer));
    return answer.jobId;
  }

  /** Ends the one job that is ready. */
  async function end(kind: 'succeeded' | 'failed', result = '1') {
    const [task] = await store.claim({ queues: ['one'], max: 1, worker: 'w', leaseMs: 30_000, at: at() });
    const { jobUuid, node, item } = parseLeaseToken(task!.token)!;
    const base = { ref: { node, item }, token: task!.token, at: at() };
    const failure = { code: 'ALGORITHM_ERROR', message: 'no', crash: false } as const;
    return store.settle(
      {
        jobUuid,
        outcomes: [kind === 'succeeded' ? { kind, ...base, result } : { kind, ...base, ...failure }],
      },
      advance,
    );
  }

  beforeEach(async () => {
    store = storeOf();
    account = (await store.ensureAccount('default', 'whsec_account', 0)).id;
    other = (await store.ensureAccount('other', 'whsec_other', 0)).id;
  });

  describe('crons', () => {
    const cron = (nextAt: number | null, more: object = {}) => ({ cron: { ...PATTERN, nextAt, ...more } });
    const run = (pipelineId: string, scheduledAt: number, nextAt: number | null = scheduledAt + MINUTE) =>
      ({ pipelineId, ...PATTERN, scheduledAt, nextAt }) satisfies CronRun;

    it('are due in order once their time has come, some at a time, and the store knows when the next one is', async () => {
      expect(await store.dueCrons(at(), 10)).toEqual({ due: [], nextAt: null });
      const late = await save('late', cron(at() + 2 * MINUTE));
      const soon = await save('soon', cron(at() + MINUTE), other);
      await save('off', cron(null));
      await save('none');
      expect(await store.dueCrons(at(), 10)).toEqual({ due: [], nextAt: at() + MINUTE });
      const due = (pipeline: { id: string; name: string; accountId: string }, scheduledAt: number) => ({
        ...{ accountId: pipeline.accountId, pipelineId: pipeline.id, pipelineName: pipeline.name },
        ...{ ...PATTERN, scheduledAt, lastError: null },
      });
      const all = [due(soon, at() + MINUTE), due(late, at() + 2 * MINUTE)];
      expect((await store.dueCrons(at() + MINUTE, 10)).due).toEqual(all.slice(0, 1));
      const atOnce = (await store.dueCrons(at() + HOUR, 10)).due;
      expect(atOnce.sort((a, b) => a.scheduledAt - b.scheduledAt)).toEqual(all);
      const later = await save('later', cron(at() + 3 * MINUTE));
      const ofTwo = (await store.dueCrons(at() + HOUR, 10)).due.filter(
        ({ accountId }) => accountId === account,
      );
      expect(ofTwo).toEqual([due(late, at() + 2 * MINUTE), due(later, at() + 3 * MINUTE)]);
      expect((await store.dueCrons(at() + HOUR, 1)).due).toHaveLength(1);
    });

    it('are due of each account in turns, however many of another are due since when', async () => {
      for (const name of ['p', 'q', 'r']) await save(name, cron(at()));
      await save('p', cron(at() + MINUTE), other);
      const accounts = async (limit: number) =>
        (await store.dueCrons(at() + HOUR, limit)).due.map(({ accountId }) => accountId);
      expect(new Set(await accounts(2))).toEqual(new Set([account, other]));
      expect(new Set([...(await accounts(1)), ...(await accounts(1))])).toEqual(new Set([account, other]));
      expect((await accounts(10)).slice(0, 2)).toContain(other);
      expect(await accounts(10)).toHaveLength(4);
    });

    it('go on with the job that is submitted for a run, of however many who try', async () => {
      const { id } = await save('p', cron(at()));
      const cause: Cause = { kind: 'cron', ...run(id, at()) };
      const answers = await Promise.all([1, 2, 3].map(() => submit('p', { cause })));
      const [made] = answers.filter((one) => 'jobId' in one);
      expect(answers.filter((one) => 'stale' in one)).toHaveLength(2);
      expect((await store.jobs(account, {}, ALL)).map((job) => job.id)).toEqual([made!.jobId]);
      expect(await store.cron(account, 'p')).toEqual({
        ...PATTERN,
        ...{ nextRunAt: at() + MINUTE, lastRunAt: at(), lastJobId: made!.jobId, lastError: null },
      });
      store = await opened().reopen();
      expect(await submit('p', { cause })).toEqual({ stale: true });
      expect((await store.usage(account)).runningJobs).toBe(1);
    });

    it('go on without a job where it is refused, and remember why until one is submitted', async () => {
      const { id } = await save('p', cron(at()));
      expect(await store.skipCron(run(id, at()), 'there is no room')).toBe(true);
      expect(await store.skipCron(run(id, at()), 'there is no room')).toBe(false);
      expect(await store.cron(account, 'p')).toMatchObject({
        ...{ nextRunAt: at() + MINUTE, lastRunAt: at(), lastJobId: null, lastError: 'there is no room' },
      });
      const jobId = await submitted('p', { cause: { kind: 'cron', ...run(id, at() + MINUTE) } });
      expect(await store.cron(account, 'p')).toMatchObject({ lastJobId: jobId, lastError: null });
    });

    it('are taken by nobody who knows another pattern, another time or another pipeline', async () => {
      const { id } = await save('p', cron(at()));
      const good = run(id, at());
      const wrong: CronRun[] = [
        { ...good, pattern: '*/2 * * * *' },
        { ...good, timeZone: 'Asia/Tokyo' },
        { ...good, scheduledAt: at() - MINUTE },
        { ...good, pipelineId: 'pip_other' },
      ];
      for (const one of wrong) {
        expect(await submit('p', { cause: { kind: 'cron', ...one } })).toEqual({ stale: true });
        expect(await store.skipCron(one, null)).toBe(false);
      }
      await store.deletePipeline(account, 'p');
      await save('p', cron(at()));
      expect(await submit('p', { cause: { kind: 'cron', ...good } })).toEqual({ stale: true });
      expect(await store.jobs(account, {}, ALL)).toEqual([]);
    });

    it('keep the run that is due where the pipeline is saved for another reason, and are set anew where they change', async () => {
      const next = async () => (await store.cron(account, 'p'))?.nextRunAt;
      await save('p', cron(at()));
      await save('p', cron(at() + HOUR));
      expect(await next()).toBe(at());
      await save('p', cron(at() + HOUR, { pattern: '0 * * * *' }));
      expect(await next()).toBe(at() + HOUR);
      await save('p', cron(at() + 2 * HOUR, { pattern: '0 * * * *', timeZone: 'Asia/Tokyo' }));
      expect(await next()).toBe(at() + 2 * HOUR);
      await save('p', cron(null, { pattern: '0 * * * *', timeZone: 'Asia/Tokyo' }));
      expect(await next()).toBe(null);
      await save('p', cron(at() + 3 * HOUR, { pattern: '0 * * * *', timeZone: 'Asia/Tokyo' }));
      expect(await next()).toBe(at() + 3 * HOUR);
      await save('p');
      expect(await store.cron(account, 'p')).toBeNull();
      expect(await store.dueCrons(at() + 24 * HOUR, 10)).toEqual({ due: [], nextAt: null });
    });

    it("are not shown to another account, nor are another's taken for one's own", async () => {
      await save('p', cron(at()));
      expect(await store.cron(other, 'p')).toBeNull();
      expect(await store.cron(account, 'q')).toBeNull();
    });
  });

  describe('triggers', () => {
    const due = () => store.dueTriggers(100, 1_000_000);

    it('owe a run to every pipeline that follows one whose run has completed, and to no other', async () => {
      await save('source');
      await save('first', { pipelines: ['source', 'another'] });
      await save('second', { pipelines: ['source'] });
      await save('third', { pipelines: ['another'] });
      await save('foreign', { pipelines: ['source'] }, other);
      await submitted('source');
      expect((await end('failed')).committed.triggered).toBe(false);
      expect(await due()).toEqual([]);
      const jobId = await submitted('source', { origin: { depth: 3 } });
      expect((await end('succeeded', '"12345"')).committed.triggered).toBe(true);
      const owed = { accountId: account, jobId, depth: 3, resultBytes: 8 };
      expect(await due()).toEqual([
        { key: expect.any(Number), pipelineName: 'first', ...owed },
        { key: expect.any(Number), pipelineName: 'second', ...owed },
      ]);
      await submitted('nobody');
      expect((await end('succeeded')).committed.triggered).toBe(false);
      store = await opened().reopen();
      expect(await due()).toHaveLength(2);
      expect(await store.dueTriggers(1, 1_000_000)).toHaveLength(1);
      expect(await store.dueTriggers(100, 1)).toHaveLength(1);
    });

    it('are given of each account in turns, in order within one: nobody waits for what another is owed', async () => {
      const followers = ['b', 'c', 'd', 'e'];
      for (const name of followers) await save(name, { pipelines: ['a'] });
      await save('b', { pipelines: ['a'] }, other);
      await submitted('a');
      await end('succeeded');
      await submitted('a', { accountId: other });
      await end('succeeded');
      const named = async (limit: number) =>
        (await store.dueTriggers(limit, 1_000_000)).map(
          ({ accountId, pipelineName }) => `${accountId === other ? 'other ' : ''}${pipelineName}`,
        );
      expect((await named(2)).sort()).toEqual(['b', 'other b']);
      expect(new Set([...(await named(1)), ...(await named(1))])).toEqual(new Set(['b', 'other b']));
      const all = await named(100);
      expect(all.filter((name) => name !== 'other b')).toEqual(followers);
      expect(all.indexOf('other b')).toBeLessThan(2);
    });

    it('owe an account so many runs and no more, and tell the pipelines whose runs are not owed', async () => {
      const names = Array.from({ length: 500 }, (_, index) => `p${String(index).padStart(3, '0')}`);
      for (const name of names) await save(name, { pipelines: ['a'] });
      await save('b', { pipelines: ['a'] }, other);
      const complete = async (accountId = account) => {
        await submitted('a', { accountId });
        return (await end('succeeded')).committed.triggered;
      };
      for (let runs = 0; runs < MAX_OWED_RUNS / 500; runs++) expect(await complete()).toBe(true);
      await store.dropTrigger((await due())[0]!.key, 'one less');
      expect(await complete()).toBe(true);
      expect((await store.pipeline(account, names[0]!))?.triggerError).toBe('one less');
      expect((await store.pipeline(account, names[1]!))?.triggerError).toBe(TOO_MANY_OWED);
      expect(await complete()).toBe(false);
      expect(await store.dueTriggers(2 * MAX_OWED_RUNS, 1e9)).toHaveLength(MAX_OWED_RUNS);
      expect(await complete(other)).toBe(true);
    });

    it('are paid with one job, of however many who try', async () => {
      await save('b', { pipelines: ['a'] });
      await submitted('a');
      await end('succeeded');
      const [{ key } = { key: 0 }] = await due();
      const answers = await Promise.all([1, 2].map(() => submit('b', { cause: { kind: 'trigger', key } })));
      expect(answers.filter((one) => 'stale' in one)).toHaveLength(1);
      expect(await due()).toEqual([]);
      expect((await store.jobs(account, {}, ALL)).map((job) => job.pipelineName)).toEqual(['b', 'a']);
    });

    it('that are refused are owed no more, and remembered until one is paid', async () => {
      await save('b', { pipelines: ['a'] });
      const refused = async () => (await store.pipeline(account, 'b'))?.triggerError;
      for (const error of ['too much', null]) {
        await submitted('a');
        await end('succeeded');
        const [{ key } = { key: 0 }] = await due();
        if (error) await store.dropTrigger(key, error);
        else await submitted('b', { cause: { kind: 'trigger', key } });
        expect(await due()).toEqual([]);
        expect(await refused()).toBe(error);
        await store.dropTrigger(key, 'too late');
        expect(await refused()).toBe(error);
      }
    });

    it('go with their pipeline: what it was owed is owed to nobody', async () => {
      await save('b', { pipelines: ['a'], cron: { ...PATTERN, nextAt: at() } });
      await submitted('a');
      await end('succeeded');
      const [{ key } = { key: 0 }] = await due();
      await store.deletePipeline(account, 'b');
      // It may get the place of the one that is gone.
      await save('c', {}, other);
      expect(await due()).toEqual([]);
      expect((await store.dueCrons(at(), 10)).due).toEqual([]);
      expect(await submit('b', { cause: { kind: 'trigger', key } })).toEqual({ stale: true });
      await submitted('a');
      expect((await end('succeeded')).committed.triggered).toBe(false);
    });

    it('are those of the newest version, and can be read from both ends', async () => {
      await save('c', { pipelines: ['b', 'a'] });
      await save('b', { pipelines: ['a'] });
      await save('x', { pipelines: ['a', 'c'] }, other);
      const sources = (name: string) => store.triggerSources(account, name);
      const targets = (name: string) => store.triggerTargets(account, name);
      expect(await sources('c')).toEqual(['a', 'b']);
      expect(await sources('b')).toEqual(['a']);
      expect(await targets('a')).toEqual(['b', 'c']);
      expect(await targets('b')).toEqual(['c']);
      expect(await targets('c')).toEqual([]);
      expect(await store.triggerEdges(account)).toEqual([
        { source: 'a', pipelineName: 'b' },
        { source: 'a', pipelineName: 'c' },
        { source: 'b', pipelineName: 'c' },
      ]);
      await save('c', { pipelines: ['x'] });
      expect(await sources('c')).toEqual(['x']);
      expect(await targets('b')).toEqual([]);
      expect(await sources('x')).toEqual([]);
      expect(await store.triggerEdges('acc_nobody')).toEqual([]);
    });
  });

  it("a job's children are those of its account, oldest first and in pages", async () => {
    const parentId = await submitted('p');
    const children: string[] = [];
    for (let count = 0; count < 5; count++) {
      children.push(await submitted('c', { origin: { parentId, depth: 1 } }));
      await submitted('c');
    }
    const page = async (more: object) =>
      (await store.children(account, parentId, { ...ALL, ...more })).map((job) => job.id);
    expect(await page({})).toEqual(children);
    expect(await page({ limit: 2, after: children[1] })).toEqual(children.slice(2, 4));
    expect(await page({ limit: 2, before: children[4], inverted: true })).toEqual([children[3], children[2]]);
    expect(await store.children(other, parentId, ALL)).toEqual([]);
    expect(await store.children(account, children[0]!, ALL)).toEqual([]);
  });
}
