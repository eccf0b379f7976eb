import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { eventId, jobStatusEvents } from '../../src/event.js';
import { graphOf } from '../../src/graph.js';
import type { Ids } from '../../src/id.js';
import { parseJobId, RAW } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import { type Limits, NO_LIMITS } from '../../src/limits.js';
import type { Kept } from '../../src/rerun.js';
import type { Outcome, Spawned } from '../../src/state.js';
import type { AttemptRecord, DueDelivery, IdempotencyKey, JobTarget, Store } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import type { VirtualClock } from '../support/clock.js';
import { hkubeCases } from './hkube.js';
import { linkCases } from './links.js';
import { pipelineCases } from './pipelines.js';
import { triggerCases } from './triggers.js';

export interface Opened {
  store: Store;
  clock: VirtualClock;
  ids: Ids;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<Store>;
  close(): Promise<void>;
}

const MINUTE = 60_000;
const NO_PAGE = { limit: 100, after: null, before: null, inverted: false };

/** What every Store must do. An implementation's own test file opens it, and that is all. */
export function storeSuite(name: string, open: () => Promise<Opened>): void {
  describe(`the store on ${name}`, () => {
    let opened: Opened;
    let store: Store;
    let account: string;

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
      account = (await store.ensureAccount('default', 'whsec_account', opened.clock.now())).id;
    });
    afterEach(() => opened.close());

    const at = () => opened.clock.now();

    async function submit(
      descriptor: object,
      more: {
        targets?: JobTarget[];
        idempotency?: IdempotencyKey;
        accountId?: string;
        kept?: ReadonlyMap<string, Kept>;
      } = {},
    ) {
      const submitted = await tryToSubmit(descriptor, more);
      if (!('jobId' in submitted)) throw new Error(JSON.stringify(submitted));
      return submitted;
    }

    async function tryToSubmit(
      descriptor: object,
      more: {
        targets?: JobTarget[];
        idempotency?: IdempotencyKey;
        accountId?: string;
        kept?: ReadonlyMap<string, Kept>;
        limits?: Partial<Limits>;
      } = {},
    ) {
      const parsed = parseDescriptor(descriptor);
      if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
      const { graph } = graphOf(parsed.descriptor);
      return store.submit({
        accountId: more.accountId ?? account,
        job: newJob(opened.ids.uuid(), parsed.descriptor, graph, RAW, at(), more.kept),
        targets: more.targets ?? [],
        idempotency: more.idempotency ?? null,
        limits: { ...NO_LIMITS, ...more.limits },
        at: at(),
      });
    }

    async function settle(
      task: Pick<LeasedTask, 'token'>,
      outcome: Partial<Outcome> & { kind: Outcome['kind'] },
    ) {
      const ref = parseLeaseToken(task.token)!;
      const outcomes = [
        { ref: { node: ref.node, item: ref.item }, token: task.token, at: at(), ...outcome } as Outcome,
      ];
      return store.settle({ jobUuid: ref.jobUuid, outcomes }, advance);
    }

    async function settleJob(jobId: string, outcome: Outcome) {
      return store.settle({ jobUuid: parseJobId(jobId)!.uuid, outcomes: [outcome] }, advance);
    }

    const claim = (max: number, queues = ['one', 'two']) =>
      store.claim({ queues, max, worker: 'w', leaseMs: 30_000, at: at() });
    const succeed = (task: LeasedTask, result: unknown = 1) =>
      settle(task, { kind: 'succeeded', result: JSON.stringify(result) });
    const single = (more: object = {}) => ({
      name: 'p',
      nodes: [{ nodeName: 'a', algorithmName: 'one', input: [1] }],
      ...more,
    });
    const target = (source: JobTarget['source'], url: string): JobTarget => ({
      source,
      url,
      urlKey: url,
      format: 'HKUBE',
      verbosity: 'info',
    });

    async function expandAll(jobId: string, node: number, count: number) {
      const items = Array.from({ length: count }, (_, index) => JSON.stringify([index]));
      return settleJob(jobId, { kind: 'expanded', node, at: at(), total: count, from: 0, items });
    }

    async function deliver(due: DueDelivery, outcome: AttemptRecord['outcome'] = 'DELIVERED') {
      return store.recordAttempt(
        {
          deliveryId: due.deliveryId,
          token: due.token,
          number: due.number,
          startedAt: at(),
          durationMs: 3,
          outcome,
          statusCode: outcome === 'DELIVERED' ? 200 : null,
          responseSnippet: null,
          requestHeaders: [],
          body: '{}',
          bodyBytes: 2,
          bodySha256: 'hash',
        },
        0.5,
        at(),
      );
    }
    const lanes = (max = 10) =>
      store.claimLanes({ max, maxPerUrl: 4, maxResultBytes: 1_000_000, leaseMs: 90_000, at: at() });
    const webhook = (url: string, more: object = {}) =>
      store.registerWebhook({
        accountId: account,
        url,
        urlKey: url,
        description: null,
        events: [...jobStatusEvents],
        pipelines: [],
        format: 'STANDARD',
        headers: [],
        secret: 'whsec_own',
        timeoutMs: 5_000,
        maxPerSecond: null,
        enabled: true,
        at: at(),
        ...more,
      });

    describe('submitting', () => {
      it('numbers jobs in their account and runs in their pipeline, and logs JOB_PENDING', async () => {
        const first = await submit(single());
        const second = await submit(single({ name: 'q' }));
        const third = await submit(single());
        const jobs = await Promise.all([first, second, third].map(({ jobId }) => store.job(account, jobId)));
        expect(jobs.map((job) => [job!.number, job!.run])).toEqual([
          [1, 1],
          [2, 1],
          [3, 2],
        ]);
        expect(third.committed.events.map((event) => [event.type, event.position, event.sequence])).toEqual([
          ['JOB_PENDING', 3, 1],
        ]);
        expect(third.committed.readyQueues).toEqual(['one']);
      });

      it('answers the job of the first submission to a second one with the same key, also at the same instant', async () => {
        const idempotency = { operation: 'submitPipeline', key: 'k', hash: 'h' };
        const both = await Promise.all([
          submit(single(), { idempotency }),
          submit(single(), { idempotency }),
        ]);
        expect(both[0]!.jobId).toBe(both[1]!.jobId);
        expect(both.map((one) => one.replayed).sort()).toEqual([false, true]);
        await expect(submit(single(), { idempotency: { ...idempotency, hash: 'other' } })).rejects.toThrow(
          'conflict',
        );
        store = await opened.reopen();
        expect(await store.findIdempotent(account, idempotency)).toEqual({ jobId: both[0]!.jobId });
        expect(await store.findIdempotent(account, { ...idempotency, hash: 'other' })).toEqual({
          conflict: true,
        });
        expect(await store.findIdempotent(account, { ...idempotency, operation: 'runAlgorithm' })).toBeNull();
        expect(await store.jobs(account, {}, NO_PAGE)).toHaveLength(1);
      });

      it('lists jobs newest first, by filter and page', async () => {
        for (let number = 0; number < 5; number++) {
          await submit(
            single({
              name: number % 2 ? 'odd' : 'even',
              tags: [`t${number}`, 'all'],
              externalId: `x${number}`,
            }),
          );
        }
        const numbers = async (filter: object, page: object = {}) =>
          (await store.jobs(account, filter, { ...NO_PAGE, ...page })).map((job) => job.number);
        expect(await numbers({})).toEqual([5, 4, 3, 2, 1]);
        expect(await numbers({ pipelines: ['odd'] })).toEqual([4, 2]);
        expect(await numbers({ tags: ['t2', 't4', 'none'] })).toEqual([5, 3]);
        expect(await numbers({ tags: ['all', 't2'] })).toEqual([5, 4, 3, 2, 1]);
        expect(await numbers({ externalId: 'x4' })).toEqual([5]);
        expect(await numbers({ statuses: ['COMPLETED'] })).toEqual([]);
        const third = (await store.jobs(account, { externalId: 'x2' }, NO_PAGE))[0]!.id;
        expect(await numbers({}, { after: third, limit: 1 })).toEqual([2]);
        expect(await numbers({}, { before: third, inverted: true, limit: 1 })).toEqual([4]);
      });
    });

    describe('claiming', () => {
      it('leases each task to one holder only', async () => {
        const { jobId } = await submit({
          name: 'p',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] }],
        });
        await expandAll(jobId, 0, 100);
        const claims = await Promise.all([claim(60), claim(60), claim(60)]);
        const tokens = claims.flat().map((task) => task.taskId);
        expect(tokens).toHaveLength(100);
        expect(new Set(tokens).size).toBe(100);
      });

      it('carries no more texts than it can at once, and leaves the other tasks to the next claim', async () => {
        const { jobId } = await submit({
          name: 'p',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] }],
        });
        const large = JSON.stringify(['x'.repeat(1024 * 1024)]);
        const items = Array<string>(20).fill(large);
        await settleJob(jobId, { kind: 'expanded', node: 0, at: at(), total: 20, from: 0, items });
        const counts: number[] = [];
        const seen = new Set<string>();
        while (seen.size < 20) {
          const tasks = await claim(20);
          counts.push(tasks.length);
          for (const task of tasks) seen.add(task.taskId);
        }
        expect(counts).toEqual([8, 8, 4]);
        expect(await claim(20)).toEqual([]);
      });

      it('takes the highest priority first, then turns between accounts, then between jobs', async () => {
        const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
        const batch = (priority: number) => ({
          name: 'p',
          priority,
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }],
        });
        const jobs: Record<string, string> = {};
        for (const [label, accountId, priority] of [
          ['mine1', account, 3],
          ['mine2', account, 3],
          ['theirs', other, 3],
          ['urgent', account, 5],
        ] as const) {
          const { jobId } = await submit(batch(priority), { accountId });
          jobs[jobId] = label;
          await expandAll(jobId, 0, 70);
        }
        const order: string[] = [];
        for (let turn = 0; turn < 9; turn++) {
          const tasks = await claim(32);
          const labels = new Set(tasks.map((task) => jobs[task.jobId]));
          order.push([...labels].join('+'));
        }
        // The third claim of the urgent job has only 6 tasks left, and is filled up from the next in line.
        expect(order.slice(0, 2)).toEqual(['urgent', 'urgent']);
        expect(order[2]!.startsWith('urgent+')).toBe(true);
        const later = order.slice(3).join(' ');
        for (const label of ['mine1', 'mine2', 'theirs']) expect(later).toContain(label);
      });

      it('ranks a job that has waited too long one priority higher', async () => {
        const old = await submit(single({ priority: 1 }));
        await opened.clock.advance(11 * MINUTE);
        await store.agePriorities(at(), 10 * MINUTE);
        const young = await submit(single({ priority: 1 }));
        const claimed = [...(await claim(1)), ...(await claim(1))].map((task) => task.jobId);
        expect(claimed).toEqual([old.jobId, young.jobId]);
        await submit(single({ priority: 2 }));
        const low = await submit(single({ priority: 1 }));
        await opened.clock.advance(11 * MINUTE);
        await store.agePriorities(at(), 10 * MINUTE);
        await opened.clock.advance(11 * MINUTE);
        await store.agePriorities(at(), 10 * MINUTE);
        await submit(single({ priority: 2 }));
        await claim(1);
        expect((await claim(1))[0]!.jobId).toBe(low.jobId);
      });

      it('lets no job starve, however many of the highest priority come after it', async () => {
        const { jobId: low } = await submit(single({ priority: 1 }));
        const MINUTE = 60_000;
        let minutes = 0;
        for (let found = false; !found && minutes < 200; minutes++) {
          for (let count = 0; count < 3; count++) await submit(single({ priority: 5 }));
          await opened.clock.advance(MINUTE);
          await store.agePriorities(at(), 10 * MINUTE);
          // Two workers for three jobs a minute: those of priority 5 alone are more than they can do.
          const tasks = await claim(2);
          for (const task of tasks) await succeed(task);
          found = tasks.some((task) => task.jobId === low);
        }
        // Four steps of ten minutes, and then in line behind those of priority 5 that had come by then.
        expect(minutes).toBeLessThanOrEqual(41);
        expect(minutes).toBeGreaterThanOrEqual(40);
      });

      it('hands over what the input is made of', async () => {
        const { jobId } = await submit({
          name: 'p',
          flowInput: { x: [7, 8] },
          nodes: [
            { nodeName: 'a', algorithmName: 'one', input: ['#@flowInput.x'] },
            {
              nodeName: 'b',
              algorithmName: 'two',
              input: ['@a', '@flowInput.x.0'],
              extraData: { hint: true },
              ttl: 2,
            },
          ],
        });
        expect(await store.nextExpansion(null)).toMatchObject({ node: 0, expanded: 0 });
        const inputs = await store.expansionInputs(parseJobId(jobId)!.uuid, 0);
        expect(inputs).toMatchObject({
          nodeName: 'a',
          operation: 'indexed',
          source: { flowInput: '{"x":[7,8]}' },
        });
        await settleJob(jobId, {
          kind: 'expanded',
          node: 0,
          at: at(),
          total: 2,
          from: 0,
          items: ['[7]', '[8]'],
        });
        expect(await store.nextExpansion(null)).toBeNull();
        const tasks = await claim(10);
        expect(tasks.map((task) => [task.batchIndex, task.source.item])).toEqual([
          [1, '[7]'],
          [2, '[8]'],
        ]);
        await succeed(tasks[1]!, 'second');
        await succeed(tasks[0]!, 'first');
        const [last] = await claim(10);
        expect(last).toMatchObject({
          nodeName: 'b',
          batchIndex: null,
          timeoutMs: 2_000,
          extraData: '{"hint":true}',
          attempt: 1,
        });
        expect(last!.source).toMatchObject({
          flowInput: '{"x":[7,8]}',
          results: { a: { batch: true, json: '["first","second"]' } },
          item: null,
        });
        expect(await store.inputSource(account, last!.taskId)).toEqual(last!.source);
      });
    });

    describe('items that are taken one by one', () => {
      /** Node 0 is a batch of three under lease; node 1 takes its items one by one. */
      async function waiting(...input: unknown[]) {
        const { jobId } = await submit({
          name: 'p',
          options: { batchTolerance: 100 },
          nodes: [
            { nodeName: 'a', algorithmName: 'one', input: ['#[1,2,3]'], retry: { policy: 'Never' } },
            { nodeName: 'b', algorithmName: 'two', input: ['*@a', ...input] },
          ],
        });
        await expandAll(jobId, 0, 3);
        const { uuid } = parseJobId(jobId)!;
        const look = async () => (await store.waiting(uuid, 1, 10))!;
        type Looked = Awaited<ReturnType<typeof look>>;
        const spawn = async (looked: Looked, rows: Spawned['rows'], more: Partial<Spawned> = {}) => {
          const arrivals = looked.looked.flatMap((one) => one.arrivals);
          const base = { node: 1, at: at(), from: looked.expanded, fan: 1, scanned: looked.width };
          return settleJob(jobId, { kind: 'spawned', ...base, arrivals, rows, ...more });
        };
        return { jobId, uuid, look, spawn, tasks: await claim(10) };
      }
      const toLookAt = async () => (await store.nextExpansion(null))?.node ?? null;
      const made = ({ looked }: { looked: { item: number; made: number | null }[] }) =>
        looked.map((one) => [one.item, one.made]);

      it('are looked at once in order, and again when they have ended', async () => {
        const { uuid, look, spawn, tasks } = await waiting();
        expect(await store.nextExpansion(null)).toMatchObject({ node: 1, expanded: 0, waits: true });
        const first = await look();
        expect(first).toMatchObject({ nodeName: 'b', expanded: 0, scanned: 0, width: 3, more: false });
        expect(made(first)).toEqual([
          [1, null],
          [2, null],
          [3, null],
        ]);
        await spawn(first, []);
        expect(await toLookAt()).toBeNull();
        expect(await store.waiting(uuid, 1, 10)).toBeNull();

        const { committed } = await succeed(tasks[1]!, 'second');
        expect(committed.expansion).toBe(true);
        await settle(tasks[0]!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no', crash: false });
        const second = await look();
        expect(made(second)).toEqual([
          [2, 0],
          [1, 0],
        ]);
        const settled = await spawn(second, [
          { item: 2, json: null },
          { item: 1, json: null },
        ]);
        expect(settled.committed.readyQueues).toEqual(['two']);
        expect(await toLookAt()).toBeNull();
        const leased = await claim(10);
        expect(leased.map(({ batchIndex, source }) => [batchIndex, source.own])).toEqual([
          [1, { a: null }],
          [2, { a: '"second"' }],
        ]);
        expect(await store.inputSource(account, leased[1]!.taskId)).toEqual(leased[1]!.source);
      });

      it('that end while others are looked at are not forgotten', async () => {
        const { look, spawn, tasks } = await waiting();
        const first = await look();
        await succeed(tasks[0]!);
        expect((await spawn(first, [])).accepted).toEqual([true]);
        expect(await toLookAt()).toBe(1);
        const second = await look();
        await succeed(tasks[2]!);
        await spawn(second, [{ item: 1, json: null }]);
        expect(await toLookAt()).toBe(1);
        expect(made(await look())).toEqual([[3, 0]]);
        // Whoever looked before that is too late, and takes nothing away.
        expect((await spawn(second, [{ item: 1, json: null }])).accepted).toEqual([false]);
        expect(made(await look())).toEqual([[3, 0]]);
      });

      it('with several tasks each have as many rows as were made, and each task has its own item', async () => {
        const { look, spawn, tasks } = await waiting('#[x,y]');
        await succeed(tasks[0]!, 'first');
        await succeed(tasks[1]!, 'second');
        await spawn(await look(), [{ item: 1, json: '["x"]' }], { fan: 2, arrivals: [], scanned: 0 });
        expect(made(await look()).slice(0, 2)).toEqual([
          [1, 1],
          [2, 0],
        ]);
        await spawn(
          await look(),
          [
            { item: 2, json: '["y"]' },
            { item: 3, json: '["x"]' },
            { item: 4, json: '["y"]' },
          ],
          { fan: 2 },
        );
        const leased = await claim(10);
        expect(leased.map(({ source }) => [source.own!['a'], source.item])).toEqual([
          ['"first"', '["x"]'],
          ['"first"', '["y"]'],
          ['"second"', '["x"]'],
          ['"second"', '["y"]'],
        ]);
      });

      it('are looked at in portions', async () => {
        const { uuid, spawn, tasks } = await waiting();
        for (const task of tasks) await succeed(task);
        const first = (await store.waiting(uuid, 1, 2))!;
        expect(first).toMatchObject({ more: true });
        expect(made(first)).toEqual([
          [1, 0],
          [2, 0],
        ]);
        const rows = [1, 2].map((item) => ({ item, json: null }));
        await spawn(first, rows, { scanned: first.scanned });
        expect(made((await store.waiting(uuid, 1, 2))!)).toEqual([
          [3, 0],
          [1, 1],
        ]);
      });

      it('are not looked at once the job has ended, nor after a restart', async () => {
        const { jobId, uuid, tasks } = await waiting();
        await succeed(tasks[0]!);
        await settleJob(jobId, { kind: 'cancel', at: at(), reason: 'enough' });
        expect(await toLookAt()).toBeNull();
        // Of so few nothing is left to be removed.
        expect(await store.forgetArrivals()).toBe(false);
        store = await opened.reopen();
        expect(await toLookAt()).toBeNull();
        expect(await store.waiting(uuid, 1, 10)).toBeNull();
      });
    });

    describe('settling', () => {
      it('commits state, result and events together, and gives positions and sequences without gaps', async () => {
        const { jobId } = await submit(single());
        const [task] = await claim(1);
        const settled = await succeed(task!, { deep: [1] });
        expect(settled.accepted).toEqual([true]);
        expect(settled.committed.events.map((event) => [event.type, event.position, event.sequence])).toEqual(
          [
            ['JOB_ACTIVE', 2, 2],
            ['TASK_ACQUIRED', 3, 3],
            ['TASK_COMPLETED', 4, 4],
            ['JOB_COMPLETED', 5, 5],
          ],
        );
        expect(await store.job(account, jobId)).toMatchObject({
          status: 'COMPLETED',
          sequence: 5,
          position: 5,
          progress: { percent: 100 },
        });
        expect(await store.taskResult(account, task!.taskId)).toBe('{"deep":[1]}');
        expect(await store.results(account, jobId, 0, 10, 1_000)).toEqual([
          { nodeName: 'a', batchIndex: null, algorithmName: 'one', resultJson: '{"deep":[1]}', error: null },
        ]);
      });

      it('answers a stale token with false, and changes nothing by it', async () => {
        const { jobId } = await submit(single());
        const [task] = await claim(1);
        await opened.clock.advance(31_000);
        const expired = await store.expiredLeases(at(), 10);
        expect(expired.map(({ token }) => token)).toEqual([task!.token]);
        await settle(task!, { kind: 'expired' });
        const [again] = await claim(1);
        expect((await succeed(task!, 'late')).accepted).toEqual([false]);
        expect((await succeed(again!, 'right')).accepted).toEqual([true]);
        expect((await succeed(again!, 'twice')).accepted).toEqual([false]);
        expect((await store.results(account, jobId, 0, 10, 1_000))[0]!.resultJson).toBe('"right"');
      });

      it('keeps the leases that are extended, and tells which are lost', async () => {
        await submit(single());
        const [task] = await claim(1);
        await opened.clock.advance(20_000);
        expect(
          await store.extend([task!.token, `${task!.taskId}.other`, 'nonsense'], at() + 30_000, at()),
        ).toEqual([true, false, false]);
        await opened.clock.advance(20_000);
        expect(await store.expiredLeases(at(), 10)).toEqual([]);
        expect(await store.expiredLeases(at(), 10, 'w')).toHaveLength(1);
        expect(await store.expiredLeases(at(), 10, 'other')).toEqual([]);
        await opened.clock.advance(11_000);
        expect(await store.extend([task!.token], at() + 30_000, at())).toEqual([false]);
      });

      it('makes a retry ready when it is due, and not before', async () => {
        await submit(
          single({ nodes: [{ nodeName: 'a', algorithmName: 'one', retry: { policy: 'Always', limit: 3 } }] }),
        );
        const [task] = await claim(1);
        await settle(task!, { kind: 'failed', code: 'EXITED', message: 'exit', crash: true });
        const early = await store.promoteRetries(at(), 10);
        expect(early).toEqual({ readyQueues: [], nextAt: at() + 1_000 });
        expect(await claim(1)).toEqual([]);
        await opened.clock.advance(1_000);
        expect(await store.promoteRetries(at(), 10)).toEqual({ readyQueues: ['one'], nextAt: null });
        expect(await claim(1)).toMatchObject([{ attempt: 2 }]);
      });

      it('never starts what is left of a job that has ended', async () => {
        const { jobId } = await submit({
          name: 'p',
          nodes: [
            { nodeName: 'a', algorithmName: 'one', input: ['#[1,2,3]'] },
            { nodeName: 'b', algorithmName: 'two', input: ['@a'] },
          ],
        });
        await settleJob(jobId, {
          kind: 'expanded',
          node: 0,
          at: at(),
          total: 3,
          from: 0,
          items: ['[1]', '[2]'],
        });
        const [task] = await claim(1);
        const settled = await settleJob(jobId, { kind: 'cancel', at: at(), reason: 'enough' });
        expect(settled.committed.revoked).toEqual([task!.token]);
        expect(await claim(10)).toEqual([]);
        expect(await store.nextExpansion(null)).toBeNull();
        expect((await store.nodes(account, jobId)).map((node) => node.status)).toEqual([
          'CANCELLED',
          'CANCELLED',
        ]);
        const tasks = await store.tasks(account, jobId, {}, NO_PAGE);
        expect(tasks.map((one) => one.status)).toEqual(['CANCELLED', 'CANCELLED']);
        expect(await store.tasks(account, jobId, { statuses: ['READY'] }, NO_PAGE)).toEqual([]);
        expect(await store.results(account, jobId, 0, 10, 1_000)).toEqual([]);
      });

      it('fails that job alone when the rule throws, and goes on with the others', async () => {
        const bad = await submit(single());
        const good = await submit(single());
        const tasks = await claim(2);
        const uuid = parseJobId(bad.jobId)!.uuid;
        const broken = store.settle(
          {
            jobUuid: uuid,
            outcomes: [
              { kind: 'succeeded', ref: { node: 0, item: 0 }, token: tasks[0]!.token, at: at(), result: '1' },
            ],
          },
          (state, outcomes) => {
            if (outcomes[0]!.kind === 'succeeded') throw new Error('a bug');
            return advance(state, outcomes);
          },
        );
        const [settled] = await Promise.all([broken, succeed(tasks[1]!)]);
        expect(settled.accepted).toEqual([false]);
        expect(settled.broken).toEqual(new Error('a bug'));
        expect(await store.job(account, bad.jobId)).toMatchObject({
          status: 'FAILED',
          error: { code: 'INTERNAL' },
        });
        expect(await store.job(account, good.jobId)).toMatchObject({ status: 'COMPLETED' });
      });

      it('gives results from any item on, in batch order, failed items with their error', async () => {
        const { jobId } = await submit({
          name: 'p',
          options: { batchTolerance: 100 },
          nodes: [
            { nodeName: 'a', algorithmName: 'one', input: ['#[1]'], retry: { policy: 'Never' } },
            { nodeName: 'z', algorithmName: 'two', input: ['#[]'] },
          ],
        });
        await expandAll(jobId, 0, 3);
        await settleJob(jobId, { kind: 'expanded', node: 1, at: at(), total: 0, from: 0, items: [] });
        const tasks = await claim(3);
        await succeed(tasks[2]!, 30);
        await settle(tasks[1]!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no two', crash: false });
        await succeed(tasks[0]!, 10);
        const items = (from: number, limit = 10, bytes = 10_000) =>
          store.results(account, jobId, from, limit, bytes);
        const all = await items(0);
        expect(all.map((item) => [item.nodeName, item.batchIndex, item.resultJson, item.error])).toEqual([
          ['a', 1, '10', null],
          ['a', 2, null, 'no two'],
          ['a', 3, '30', null],
          ['z', -1, null, null],
        ]);
        for (let from = 0; from <= 4; from++) expect(await items(from)).toEqual(all.slice(from));
        expect(await items(1, 2)).toEqual(all.slice(1, 3));
        expect(await items(0, 10, 1)).toEqual(all.slice(0, 1));
      });
    });

    describe('keeping what an ended job has', () => {
      const batch = (list: string) => ({
        name: 'p',
        options: { batchTolerance: 100 },
        nodes: [{ nodeName: 'a', algorithmName: 'one', input: [list], retry: { policy: 'Never' } }],
      });

      /** Runs a batch of so many items; those that fail give no result, and `made` of them get a row at all. */
      async function ranBefore(
        count: number,
        result: (item: number) => unknown,
        { failed = [] as number[], made = count } = {},
      ): Promise<string> {
        const { jobId } = await submit(batch(`#[1...${count}]`));
        for (let from = 0; from < made; from += 250) {
          const items = Array.from({ length: Math.min(250, made - from) }, (_, index) => `[${from + index}]`);
          await settleJob(jobId, { kind: 'expanded', node: 0, at: at(), total: count, from, items });
        }
        for (let tasks = await claim(500); tasks.length > 0; tasks = await claim(500)) {
          await Promise.all(
            tasks.map((task) =>
              failed.includes(task.batchIndex!)
                ? settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'bad', crash: false })
                : succeed(task, result(task.batchIndex!)),
            ),
          );
        }
        await settleJob(jobId, { kind: 'cancel', at: at(), reason: 'enough' });
        return jobId;
      }

      /** The same again, keeping what there is. */
      async function keep(from: string, whole: boolean, accountId = account): Promise<string> {
        const [of] = await store.nodeRows(account, from);
        const kept = new Map([['a', { jobId: from, of: of!, whole, given: null }]]);
        const { jobId } = await submit(batch(`#[1...${of!.total}]`), { kept, accountId });
        return jobId;
      }
      const uuidOf = (jobId: string) => parseJobId(jobId)!.uuid;
      const chunk = (jobId: string) => store.keep(uuidOf(jobId), 0, at(), advance);
      const node = async (jobId: string) => (await store.nodeRows(account, jobId))[0]!;
      const shown = async (jobId: string) =>
        (await store.tasks(account, jobId, {}, { ...NO_PAGE, limit: 2_000 })).map(
          ({ item, status, error }) => [item, status, error?.message],
        );

      it('copies 250 rows at a time, each once, whenever the store is closed and opened again', async () => {
        const first = await ranBefore(600, (item) => ({ item }), { failed: [7, 550] });
        const jobId = await keep(first, true);
        expect(await store.nextExpansion(null)).toMatchObject({ jobUuid: uuidOf(jobId), keeping: true });
        for (const copied of [250, 500]) {
          expect(await chunk(jobId)).toMatchObject({ accepted: [true], committed: { readyQueues: [] } });
          expect(await node(jobId)).toMatchObject({ status: 'ACTIVE', expanded: copied, total: 600 });
          store = await opened.reopen();
          expect(await store.nextExpansion(null)).toMatchObject({ jobUuid: uuidOf(jobId), keeping: true });
        }
        const last = await chunk(jobId);
        expect(last.committed.events.map(({ type }) => type)).toEqual(['JOB_ACTIVE', 'JOB_COMPLETED']);
        expect(await chunk(jobId)).toMatchObject({ accepted: [] });
        expect(await store.nextExpansion(null)).toBeNull();
        expect(await node(jobId)).toMatchObject({ status: 'SUCCEEDED', succeeded: 598, failed: 2 });
        expect(await shown(jobId)).toEqual(await shown(first));
        const results = await store.results(account, jobId, 0, 2_000, 1e9);
        expect(results).toHaveLength(600);
        results.forEach(({ batchIndex, resultJson, error }, index) => {
          const bad = [7, 550].includes(index + 1);
          const expected = bad ? [index + 1, null, 'bad'] : [index + 1, `{"item":${index + 1}}`, null];
          expect([batchIndex, resultJson, error]).toEqual(expected);
        });
        const task = (await store.tasks(account, jobId, {}, { ...NO_PAGE, limit: 1 }))[0]!;
        expect((await store.inputSource(account, task.id))!.item).toBe('[0]');
      });

      it('copies at most 512 KiB of texts at a time, and one row at least', async () => {
        const first = await ranBefore(4, (item) => 'x'.repeat((item === 2 ? 600 : 200) * 1024));
        const jobId = await keep(first, true);
        const copied: number[] = [];
        while ((await chunk(jobId)).accepted[0]) copied.push((await node(jobId)).expanded);
        expect(copied).toEqual([1, 2, 4]);
      });

      it('makes ready again what did not succeed, and leaves to be made what was never made', async () => {
        const first = await ranBefore(6, (item) => item, { failed: [2], made: 4 });
        const jobId = await keep(first, false);
        expect(await chunk(jobId)).toMatchObject({ accepted: [true], committed: { readyQueues: ['one'] } });
        expect(await node(jobId)).toMatchObject({ expanded: 4, total: 6, succeeded: 3, failed: 0 });
        const [task, ...none] = await claim(10);
        expect(none).toEqual([]);
        expect(task).toMatchObject({ batchIndex: 2, attempt: 1, source: { item: '[1]' } });
        expect(await store.nextExpansion(null)).toMatchObject({ expanded: 4, keeping: false });
        const rest = { node: 0, at: at(), total: 6, items: ['[4]', '[5]'] };
        await settleJob(jobId, { kind: 'expanded', from: 4, ...rest });
        await succeed(task!, 'again');
        for (const one of await claim(10)) await succeed(one, one.source.item);
        expect(
          (await store.results(account, jobId, 0, 10, 1_000)).map(({ resultJson }) => resultJson),
        ).toEqual(['1', '"again"', '3', '4', '"[4]"', '"[5]"']);
      });

      it('fails the job, in words, where what is to be kept is gone or is of another account', async () => {
        const first = await ranBefore(3, (item) => item);
        const [of] = await store.nodeRows(account, first);
        const unknown = 'p:00000000-0000-7000-8000-000000000000';
        const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
        const theirs = await keep(first, true, other);
        const kept = new Map([['a', { jobId: unknown, of: of!, whole: false, given: null }]]);
        const { jobId: mine } = await submit(batch('#[1...3]'), { kept });
        for (const [jobId, owner] of [
          [theirs, other],
          [mine, account],
        ] as const) {
          expect((await chunk(jobId)).accepted).toEqual([true]);
          expect(await store.job(owner, jobId)).toMatchObject({
            status: 'FAILED',
            error: {
              code: 'INPUT_INVALID',
              message:
                'what was to be kept of node "a" was removed with its job; run the pipeline from the start',
              nodeName: 'a',
            },
          });
          expect(await store.tasks(owner, jobId, {}, NO_PAGE)).toEqual([]);
        }
        expect(await store.nextExpansion(null)).toBeNull();
      });

      it('copies nothing for a job that has ended', async () => {
        const jobId = await keep(await ranBefore(3, (item) => item), true);
        await settleJob(jobId, { kind: 'cancel', at: at(), reason: 'enough' });
        expect((await chunk(jobId)).accepted).toEqual([]);
        expect(await store.nextExpansion(null)).toBeNull();
      });
    });

    describe('pausing', () => {
      const pause = (jobId: string) => settleJob(jobId, { kind: 'pause', at: at() });
      const resume = (jobId: string) => settleJob(jobId, { kind: 'resume', at: at() });
      const statusOf = async (jobId: string) => (await store.job(account, jobId))!.status;
      const two = {
        name: 'two',
        nodes: [
          { nodeName: 'a', algorithmName: 'one', input: [1] },
          { nodeName: 'b', algorithmName: 'two', input: [1] },
          { nodeName: 'c', algorithmName: 'one', input: ['@a'] },
        ],
      };

      it('takes back what was handed out and has not started, in every queue, and hands it out again', async () => {
        const { jobId } = await submit(two);
        const [a, b] = await claim(2);
        await settle(a!, { kind: 'started' });
        const paused = await pause(jobId);
        expect(paused.committed.revoked).toEqual([b!.token]);
        expect(paused.committed.events.map(({ type }) => type)).toEqual(['JOB_PAUSED']);
        expect(await claim(10)).toEqual([]);
        expect(await store.readyQueues(10)).not.toContain('two');
        // Its thread had just begun: too late.
        expect((await settle(b!, { kind: 'started' })).accepted).toEqual([false]);
        // What ran ends, and what comes after it waits.
        expect((await succeed(a!)).committed.readyQueues).toEqual([]);
        expect(await claim(10)).toEqual([]);
        const resumed = await resume(jobId);
        expect(new Set(resumed.committed.readyQueues)).toEqual(new Set(['one', 'two']));
        expect((await claim(10)).map(({ nodeName }) => nodeName).sort()).toEqual(['b', 'c']);
        expect(await statusOf(jobId)).toBe('ACTIVE');
      });

      it('keeps retries that fall due waiting', async () => {
        const retry = { policy: 'Always', limit: 2 };
        const { jobId } = await submit({
          name: 'r',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: [1], retry }],
        });
        const [task] = await claim(1);
        await settle(task!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no', crash: false });
        await pause(jobId);
        await opened.clock.advance(60_000);
        expect((await store.promoteRetries(at(), 10)).readyQueues).toEqual([]);
        expect(await claim(10)).toEqual([]);
        await resume(jobId);
        expect(await claim(10)).toMatchObject([{ jobId, attempt: 2 }]);
      });

      it('leaves a job that has not begun as it is, its batches too, and takes no chunk that comes late', async () => {
        const { jobId } = await submit({
          name: 'e',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[]'] }],
        });
        expect((await store.nextExpansion(null))!.node).toBe(0);
        await pause(jobId);
        expect(await store.nextExpansion(null)).toBeNull();
        expect((await expandAll(jobId, 0, 0)).accepted).toEqual([false]);
        expect(await statusOf(jobId)).toBe('PAUSED');
        const resumed = await resume(jobId);
        expect(resumed.committed.expansion).toBe(true);
        expect(resumed.committed.events.map(({ facts }) => facts)).toMatchObject([{ status: 'PENDING' }]);
        expect((await expandAll(jobId, 0, 0)).accepted).toEqual([true]);
        expect(await statusOf(jobId)).toBe('COMPLETED');
      });

      it('makes the items of a batch that had begun, and starts none of them', async () => {
        const { jobId } = await submit({
          name: 'b',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1,2,3]'] }],
        });
        const chunk = (from: number) =>
          settleJob(jobId, { kind: 'expanded', node: 0, at: at(), total: 3, from, items: ['[1]'] });
        await chunk(0);
        const [task] = await claim(1);
        await settle(task!, { kind: 'started' });
        await pause(jobId);
        expect(await store.nextExpansion(null)).toMatchObject({ expanded: 1 });
        expect((await chunk(1)).accepted).toEqual([true]);
        expect(await claim(10)).toEqual([]);
        await resume(jobId);
        expect(await claim(10)).toHaveLength(1);
      });

      it('is still so after a restart', async () => {
        const { jobId } = await submit(single());
        await pause(jobId);
        store = await opened.reopen();
        expect(await claim(10)).toEqual([]);
        expect((await pause(jobId)).accepted).toEqual([false]);
        await resume(jobId);
        expect(await claim(10)).toHaveLength(1);
      });
    });

    describe('time limits', () => {
      const overdue = async () => {
        const { jobUuids, nextAt } = await store.overdueJobs(at(), 10);
        return { jobUuids, in: nextAt === null ? null : nextAt - at() };
      };
      const timed = (options: object) => submit(single({ options }));
      const uuidOf = (jobId: string) => parseJobId(jobId)!.uuid;

      it('are found when they are over, the earliest first, with the time of the next', async () => {
        const late = await timed({ ttl: 20 });
        const soon = await timed({ ttl: 10 });
        await timed({ ttl: 0 });
        expect(await overdue()).toEqual({ jobUuids: [], in: 10_000 });
        await opened.clock.advance(10_000);
        expect(await overdue()).toEqual({ jobUuids: [uuidOf(soon.jobId)], in: 10_000 });
        await opened.clock.advance(10_000);
        expect(await overdue()).toEqual({ jobUuids: [uuidOf(soon.jobId), uuidOf(late.jobId)], in: null });
        for (const { jobId } of [soon, late]) await settleJob(jobId, { kind: 'overdue', at: at() });
        expect(await overdue()).toEqual({ jobUuids: [], in: null });
        expect(await store.job(account, soon.jobId)).toMatchObject({
          status: 'CANCELLED',
          reason: 'pipeline expired',
        });
      });

      it('count from the first start where they are so given', async () => {
        const { jobId } = await timed({ ttl: 0, activeTtl: 10 });
        await opened.clock.advance(60_000);
        expect(await overdue()).toEqual({ jobUuids: [], in: null });
        const [task] = await claim(1);
        await settle(task!, { kind: 'started' });
        await opened.clock.advance(9_999);
        expect((await settleJob(jobId, { kind: 'overdue', at: at() })).accepted).toEqual([false]);
        expect(await overdue()).toEqual({ jobUuids: [], in: 1 });
        await opened.clock.advance(1);
        const ended = await settleJob(jobId, { kind: 'overdue', at: at() });
        expect(ended.committed.revoked).toEqual([task!.token]);
        expect(await store.job(account, jobId)).toMatchObject({ reason: 'pipeline active TTL expired' });
      });

      it('stand still while their job is paused', async () => {
        const { jobId } = await timed({ ttl: 10 });
        await opened.clock.advance(6_000);
        await settleJob(jobId, { kind: 'pause', at: at() });
        await opened.clock.advance(3_600_000);
        expect(await overdue()).toEqual({ jobUuids: [], in: null });
        expect((await settleJob(jobId, { kind: 'overdue', at: at() })).accepted).toEqual([false]);
        await settleJob(jobId, { kind: 'resume', at: at() });
        expect(await overdue()).toEqual({ jobUuids: [], in: 4_000 });
      });
    });

    describe('pipelines of which only so many may run', () => {
      const limited = (amount: number, more: object = {}, rejectOnFailure = false) =>
        single({ options: { concurrentPipelines: { amount, rejectOnFailure } }, ...more });
      const runnable = async () => {
        const tasks = await claim(100);
        for (const task of tasks) await settle(task, { kind: 'released' });
        return tasks.map(({ jobId }) => jobId);
      };

      it('refuse one too many, those that wait counted as well, in their own account, name and experiment', async () => {
        const other = (await store.ensureAccount('b', 'whsec_b', at())).id;
        await submit(limited(2));
        await submit(limited(1));
        expect(await tryToSubmit(limited(2, {}, true))).toEqual({ tooMany: 2 });
        const taken = expect.objectContaining({ replayed: false });
        expect(await tryToSubmit(limited(3, {}, true))).toEqual(taken);
        expect(await tryToSubmit(limited(1, { name: 'q' }, true))).toEqual(taken);
        expect(await tryToSubmit(limited(1, { experimentName: 'e' }, true))).toEqual(taken);
        expect(await tryToSubmit(limited(1, {}, true), { accountId: other })).toEqual(taken);
        expect(await tryToSubmit(single())).toEqual(taken);
      });

      it('answer a repeated submission with its job, though there is no room for another', async () => {
        const idempotency = { operation: 'submitPipeline', key: 'k', hash: 'h' };
        const { jobId } = await submit(limited(1, {}, true), { idempotency });
        expect(await tryToSubmit(limited(1, {}, true), { idempotency })).toMatchObject({
          jobId,
          replayed: true,
        });
        expect(await tryToSubmit(limited(1, {}, true))).toEqual({ tooMany: 1 });
      });

      it('take exactly as many as may run when all come at once', async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => submit(limited(3))));
        expect(await runnable()).toHaveLength(3);
        expect(answers.flatMap(({ committed }) => committed.readyQueues)).toHaveLength(3);
      });

      it('hold the others, and let one in with each end, however it comes, by priority and then by age', async () => {
        const first = await submit(limited(1));
        const jobs = [];
        for (const priority of [1, 3, 5, 3]) jobs.push((await submit(limited(1, { priority }))).jobId);
        const [low, older, high, younger] = jobs as [string, string, string, string];
        const running = async () => {
          const ids = await runnable();
          expect(ids).toHaveLength(1);
          return ids[0]!;
        };
        expect(await running()).toBe(first.jobId);
        const ended = await settleJob(first.jobId, { kind: 'cancel', at: at(), reason: '' });
        expect(ended.committed.readyQueues).toEqual(['one']);
        expect(await running()).toBe(high);
        const [task] = await claim(1);
        await succeed(task!);
        expect(await running()).toBe(older);
        const [failing] = await claim(1);
        await settle(failing!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no', crash: false });
        expect(await running()).toBe(younger);
        await opened.clock.advance(3_600_000);
        await settleJob(younger, { kind: 'overdue', at: at() });
        expect(await running()).toBe(low);
        expect((await store.job(account, low))!.status).toBe('PENDING');
      });

      it('let in one for each slot only, where jobs allow different amounts', async () => {
        const running = [await submit(limited(3)), await submit(limited(3)), await submit(limited(3))];
        const three = [await submit(limited(3, { priority: 1 })), await submit(limited(3))];
        const one = await submit(limited(1, { priority: 5 }));
        const end = ({ jobId }: { jobId: string }) =>
          settleJob(jobId, { kind: 'cancel', at: at(), reason: '' });
        await end(running[0]!);
        expect(new Set(await runnable())).toEqual(
          new Set([running[1]!.jobId, running[2]!.jobId, three[1]!.jobId]),
        );
        for (const job of [running[1]!, running[2]!, three[1]!]) await end(job);
        expect(await runnable()).toEqual([three[0]!.jobId]);
        await end(three[0]!);
        expect(await runnable()).toEqual([one.jobId]);
      });

      it('let nobody in where one that was held ends, and pass over those that are paused until they are resumed', async () => {
        const first = await submit(limited(1));
        const gone = await submit(limited(1, { priority: 5 }));
        const paused = await submit(limited(1, { priority: 4 }));
        const next = await submit(limited(1));
        await settleJob(gone.jobId, { kind: 'cancel', at: at(), reason: '' });
        expect(await runnable()).toEqual([first.jobId]);
        await settleJob(paused.jobId, { kind: 'pause', at: at() });
        await settleJob(first.jobId, { kind: 'cancel', at: at(), reason: '' });
        expect(await runnable()).toEqual([next.jobId]);
        await settleJob(paused.jobId, { kind: 'resume', at: at() });
        expect(await runnable()).toEqual([next.jobId]);
        await settleJob(paused.jobId, { kind: 'pause', at: at() });
        await settleJob(next.jobId, { kind: 'cancel', at: at(), reason: '' });
        expect(await runnable()).toEqual([]);
        const resumed = await settleJob(paused.jobId, { kind: 'resume', at: at() });
        expect(resumed.committed.readyQueues).toEqual(['one']);
        expect(await runnable()).toEqual([paused.jobId]);
      });

      it('keep the slot of a paused job', async () => {
        const first = await submit(limited(1));
        await submit(limited(1));
        await settleJob(first.jobId, { kind: 'pause', at: at() });
        expect(await runnable()).toEqual([]);
      });

      it('expand the batches of a held job once it is let in, after a restart as well', async () => {
        const first = await submit(limited(1));
        const nodes = [{ nodeName: 'a', algorithmName: 'one', input: ['#[]'] }];
        const held = await submit(limited(1, { nodes }));
        expect(held.committed.expansion).toBe(false);
        expect(await store.nextExpansion(null)).toBeNull();
        store = await opened.reopen();
        expect(await store.nextExpansion(null)).toBeNull();
        const ended = await settleJob(first.jobId, { kind: 'cancel', at: at(), reason: '' });
        expect(ended.committed.expansion).toBe(true);
        expect((await store.nextExpansion(null))!.jobUuid).toBe(parseJobId(held.jobId)!.uuid);
      });
    });

    describe('the feed', () => {
      it('reads the same events by job and by account, from any position', async () => {
        const { jobId } = await submit(single());
        const [task] = await claim(1);
        await succeed(task!);
        const all = (await store.events(account, {}, 0, 100)).events;
        const ofJob = (await store.jobEvents(account, jobId, null, 0, 100))!;
        // All was looked at, of other jobs too: a reader that goes on from there is not behind.
        expect(ofJob.through).toBe(ofJob.head);
        expect(ofJob.events).toEqual(all);
        expect(ofJob.ended).toBe(true);
        for (let after = 0; after <= 5; after++) {
          expect((await store.jobEvents(account, jobId, null, after, 100))!.events).toEqual(all.slice(after));
          expect((await store.events(account, {}, after, 2)).events).toEqual(all.slice(after, after + 2));
        }
        expect(await store.events(account, {}, 2, 0)).toMatchObject({ events: [], through: 2 });
        expect(await store.jobEvents(account, jobId, null, 2, 0)).toMatchObject({ events: [], through: 2 });
        const first = await store.event(account, eventId(all[0]!));
        expect(first).toEqual(all[0]);
      });

      it('filters, and says how far it has looked when nothing matched', async () => {
        const { jobId } = await submit(single({ tags: ['x'] }));
        await submit(single({ name: 'q' }));
        const match = async (filter: object) =>
          (await store.events(account, filter, 0, 100)).events.map((event) => event.position);
        expect(await match({ jobIds: [jobId] })).toEqual([1]);
        expect(await match({ pipelines: ['q'] })).toEqual([2]);
        expect(await match({ tags: ['x', 'y'] })).toEqual([1]);
        expect(await match({ types: ['JOB_PENDING'], pipelines: ['p'] })).toEqual([1]);
        expect(await store.events(account, { types: ['JOB_FAILED'] }, 0, 100)).toMatchObject({
          events: [],
          through: 2,
          head: 2,
        });
      });

      it('shows nothing of one account to another', async () => {
        const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
        const { jobId } = await submit(single());
        const [task] = await claim(1);
        await succeed(task!);
        const [event] = (await store.events(account, {}, 0, 1)).events;
        expect(await store.job(other, jobId)).toBeNull();
        expect(await store.jobs(other, {}, NO_PAGE)).toEqual([]);
        expect(await store.nodes(other, jobId)).toEqual([]);
        expect(await store.descriptor(other, jobId)).toBeNull();
        expect(await store.tasks(other, jobId, {}, NO_PAGE)).toEqual([]);
        expect(await store.task(other, task!.taskId)).toBeNull();
        expect(await store.taskResult(other, task!.taskId)).toBeNull();
        expect(await store.inputSource(other, task!.taskId)).toBeNull();
        expect(await store.results(other, jobId, 0, 10, 1_000)).toEqual([]);
        expect(await store.jobEvents(other, jobId, null, 0, 10)).toBeNull();
        expect(await store.events(other, {}, 0, 10)).toMatchObject({ events: [], head: 0 });
        expect(await store.event(other, eventId(event!))).toBeNull();
        const hook = await webhook('http://hook.example/');
        expect(await store.webhook(other, hook.id)).toBeNull();
        expect(await store.deleteWebhook(other, hook.id, at())).toBe(false);
        expect(await store.startPing(other, hook.id, 1_000, at())).toBeNull();
        await submit(single());
        const [delivery] = await store.deliveries(account, {}, NO_PAGE, at());
        expect(await store.delivery(other, delivery!.id, at())).toBeNull();
        expect(await store.resend(other, delivery!.id, at())).toBeNull();
        expect(await store.deliveries(other, { webhookId: hook.id }, NO_PAGE, at())).toEqual([]);
        expect(await store.attempts(other, delivery!.id)).toEqual([]);
      });
    });

    describe('lanes', () => {
      const url = 'http://receiver.example/';

      it('sends the deliveries of one job in order, one at a time', async () => {
        await webhook(url);
        await submit(single());
        const [task] = await claim(1);
        await succeed(task!);
        const types: string[] = [];
        for (let turn = 0; turn < 3; turn++) {
          const due = await lanes();
          expect(due).toHaveLength(1);
          expect(await lanes()).toEqual([]);
          types.push(due[0]!.event.type);
          expect(await deliver(due[0]!)).toBe(true);
        }
        expect(types).toEqual(['JOB_PENDING', 'JOB_ACTIVE', 'JOB_COMPLETED']);
        expect(await lanes()).toEqual([]);
        expect(await store.nextDueAt(at())).toBeNull();
        const shown = await store.deliveries(account, {}, NO_PAGE, at());
        expect(shown.map((delivery) => delivery.status)).toEqual(['DELIVERED', 'DELIVERED', 'DELIVERED']);
      });

      it('owes HKube the last progress before the result, also where they go to two URLs', async () => {
        await submit(single(), {
          targets: [target('JOB_PROGRESS', 'http://p.example/'), target('JOB_RESULT', 'http://r.example/')],
        });
        const [task] = await claim(1);
        await succeed(task!, 5);
        for (const status of ['PENDING', 'ACTIVE']) {
          const due = await lanes();
          expect(due.map((one) => [one.url, one.event.type])).toEqual([
            ['http://p.example/', `JOB_${status}`],
          ]);
          await deliver(due[0]!);
        }
        const [progress] = await lanes();
        expect(progress).toMatchObject({
          url: 'http://p.example/',
          part: 'EVENT',
          event: { type: 'JOB_COMPLETED' },
        });
        expect(await lanes()).toEqual([]);
        await deliver(progress!, 'HTTP_ERROR');
        const [result] = await lanes();
        expect(result).toMatchObject({
          url: 'http://r.example/',
          part: 'RESULT',
          results: { items: [{ resultJson: '5' }] },
        });
      });

      it('keeps strict order where the two URLs are one', async () => {
        await submit(single(), { targets: [target('JOB_PROGRESS', url), target('JOB_RESULT', url)] });
        const [task] = await claim(1);
        await succeed(task!);
        const parts: string[] = [];
        for (let turn = 0; turn < 4; turn++) {
          const due = await lanes();
          expect(due).toHaveLength(1);
          parts.push(due[0]!.part);
          await deliver(due[0]!);
        }
        expect(parts).toEqual(['EVENT', 'EVENT', 'EVENT', 'RESULT']);
      });

      it('calls the default URL for terminal events of jobs that name none', async () => {
        await store.updateAccount(
          account,
          { defaultWebhookUrl: url, defaultWebhookUrlKey: url, defaultWebhookFormat: 'HKUBE' },
          at(),
        );
        await submit(single());
        await submit(single(), { targets: [target('JOB_RESULT', 'http://own.example/')] });
        const tasks = await claim(2);
        for (const task of tasks) await succeed(task);
        const due = await lanes();
        expect(due.map((one) => [one.url, one.part, one.event.type])).toEqual([
          [url, 'RESULT', 'JOB_COMPLETED'],
          ['http://own.example/', 'RESULT', 'JOB_COMPLETED'],
        ]);
        expect(due[0]!.secret).toBe('whsec_account');
      });

      it('holds a lane for a failing status change for five minutes, and then lets it retry alone', async () => {
        await webhook(url);
        await submit(single());
        const [task] = await claim(1);
        await succeed(task!);
        const began = at();
        const log: [number, string][] = [];
        for (let step = 0; step < 400; step++) {
          for (const due of await lanes()) {
            log.push([Math.round((at() - began) / 1_000), due.event.type]);
            await deliver(due, due.event.type === 'JOB_PENDING' ? 'HTTP_ERROR' : 'DELIVERED');
          }
          await opened.clock.advance(1_000);
        }
        const first = log.findIndex(([, type]) => type === 'JOB_ACTIVE');
        expect(log.slice(0, 2).map(([second]) => second)).toEqual([0, 5]);
        expect(log[first]![0]).toBe(300);
        expect(log.map(([, type]) => type)).toContain('JOB_COMPLETED');
        expect(log.filter(([, type]) => type === 'JOB_PENDING')).toHaveLength(3);
      });

      it('gives up after ten tries over 75 hours', async () => {
        await webhook(url, { events: ['JOB_PENDING'] });
        await submit(single());
        const began = at();
        let tries = 0;
        for (let next = await store.nextDueAt(at()); next !== null; next = await store.nextDueAt(at())) {
          await opened.clock.advance(Math.max(next - at(), 0));
          for (const due of await lanes()) {
            tries++;
            expect(due.number).toBe(tries);
            await deliver(due, 'HTTP_ERROR');
          }
        }
        expect(tries).toBe(10);
        expect((at() - began) / 3_600_000).toBeGreaterThan(75);
        expect((await store.deliveries(account, {}, NO_PAGE, at()))[0]!.status).toBe('EXHAUSTED');
        expect(
          await store.attempts(account, (await store.deliveries(account, {}, NO_PAGE, at()))[0]!.id),
        ).toHaveLength(10);
      });

      it('does not call a URL for five minutes after a timeout, whatever lane asks, then probes with the most valuable', async () => {
        await webhook(url);
        await webhook(url, { events: ['JOB_COMPLETED'], format: 'HKUBE' });
        await submit(single());
        const [task] = await claim(1);
        const [first] = await lanes();
        await succeed(task!);
        await submit(single());
        await deliver(first!, 'TIMEOUT');
        for (let second = 0; second < 299; second++) {
          expect(await lanes()).toEqual([]);
          await opened.clock.advance(1_000);
        }
        const held = await store.deliveries(account, {}, NO_PAGE, at());
        expect(new Set(held.map((delivery) => delivery.status))).toEqual(new Set(['HELD']));
        expect((await store.webhooks(account, NO_PAGE))[0]).toMatchObject({ status: 'COOLING' });
        await opened.clock.advance(1_000);
        const probe = await lanes();
        expect(probe).toHaveLength(1);
        expect(probe[0]!.event.type).toBe('JOB_COMPLETED');
        expect(await lanes()).toEqual([]);
        await deliver(probe[0]!);
        const order: string[] = [];
        for (let due = await lanes(); due.length > 0; due = await lanes()) {
          for (const one of due) {
            order.push(`${one.event.job!.number}:${one.event.type}`);
            await deliver(one);
          }
        }
        expect(order.filter((one) => one.startsWith('1:'))).toEqual([
          '1:JOB_PENDING',
          '1:JOB_COMPLETED',
          '1:JOB_ACTIVE',
          '1:JOB_COMPLETED',
        ]);
        expect(order).toContain('2:JOB_PENDING');
      });

      it('lets newer progress take the place of older, and the end of the job that of all', async () => {
        await webhook(url, { events: ['JOB_PROGRESS', 'JOB_COMPLETED'] });
        const { jobId } = await submit({
          name: 'p',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }],
        });
        await expandAll(jobId, 0, 10);
        const tasks = await claim(10);
        await succeed(tasks[0]!);
        const [inFlight] = await lanes();
        for (const task of tasks.slice(1, 5)) await succeed(task);
        const statuses = async () =>
          (await store.deliveries(account, {}, NO_PAGE, at())).map((delivery) => delivery.status);
        expect(await statuses()).toEqual(['IN_FLIGHT', 'SUPERSEDED', 'SUPERSEDED', 'SUPERSEDED', 'PENDING']);
        for (const task of tasks.slice(5)) await succeed(task);
        expect((await statuses()).filter((status) => status === 'SUPERSEDED')).toHaveLength(8);
        await deliver(inFlight!, 'HTTP_ERROR');
        const [last] = await lanes();
        expect(last!.event.type).toBe('JOB_COMPLETED');
        expect((await statuses())[0]).toBe('SUPERSEDED');
      });

      it('gives two tries and ten minutes to progress', async () => {
        await webhook(url, { events: ['JOB_PROGRESS'] });
        const { jobId } = await submit({
          name: 'p',
          nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }],
        });
        await expandAll(jobId, 0, 2);
        await succeed((await claim(1))[0]!);
        await deliver((await lanes())[0]!, 'CONNECTION_ERROR');
        await opened.clock.advance(6_000);
        await deliver((await lanes())[0]!, 'CONNECTION_ERROR');
        expect((await store.deliveries(account, {}, NO_PAGE, at()))[0]!.status).toBe('EXHAUSTED');
      });

      it('holds what a disabled webhook is owed, and sends it in order once it is enabled', async () => {
        const hook = await webhook(url);
        await store.updateWebhook(account, hook.id, { enabled: false }, at());
        await submit(single());
        await succeed((await claim(1))[0]!);
        expect(await lanes()).toEqual([]);
        expect((await store.deliveries(account, { statuses: ['HELD'] }, NO_PAGE, at())).length).toBe(3);
        await store.updateWebhook(account, hook.id, { enabled: true }, at());
        const [due] = await lanes();
        expect(due!.event.type).toBe('JOB_PENDING');
      });

      it('disables a webhook that is gone, and ends the lane of a job whose URL is', async () => {
        const hook = await webhook(url);
        await submit(single(), { targets: [target('JOB_PROGRESS', 'http://own.example/')] });
        await succeed((await claim(1))[0]!);
        for (const due of await lanes()) await deliver(due, 'GONE');
        expect(await store.webhook(account, hook.id)).toMatchObject({
          status: 'DISABLED',
          statusReason: 'the receiver answered 410 Gone',
        });
        const shown = await store.deliveries(account, {}, NO_PAGE, at());
        expect(shown.filter((one) => one.source === 'REGISTERED').map((one) => one.status)).toEqual([
          'HELD',
          'HELD',
          'HELD',
        ]);
        expect(shown.filter((one) => one.source === 'JOB_PROGRESS').map((one) => one.status)).toEqual([
          'EXHAUSTED',
          'CANCELLED',
          'CANCELLED',
        ]);
      });

      it('cancels what a deleted webhook was owed and keeps the record', async () => {
        const hook = await webhook(url);
        await submit(single());
        expect(await store.deleteWebhook(account, hook.id, at())).toBe(true);
        expect(await lanes()).toEqual([]);
        expect(await store.webhook(account, hook.id)).toBeNull();
        const [delivery] = await store.deliveries(account, {}, NO_PAGE, at());
        expect(delivery).toMatchObject({ status: 'CANCELLED', webhookId: null, url });
        await submit(single());
        expect(await store.deliveries(account, {}, NO_PAGE, at())).toHaveLength(1);
      });

      it('gives a body once where a job names a URL that a webhook of the same format has', async () => {
        await webhook(url, { format: 'HKUBE', events: ['JOB_COMPLETED'] });
        await submit(single(), { targets: [target('JOB_PROGRESS', url), target('JOB_RESULT', url)] });
        await succeed((await claim(1))[0]!);
        const shown = await store.deliveries(account, { eventTypes: ['JOB_COMPLETED'] }, NO_PAGE, at());
        expect(shown.map((one) => [one.source, one.part])).toEqual([
          ['JOB_PROGRESS', 'EVENT'],
          ['JOB_RESULT', 'RESULT'],
        ]);
      });

      it('frees the lanes of a dead server, and refuses the record of a lost lease', async () => {
        await webhook(url);
        await submit(single());
        const [lost] = await lanes();
        store = await opened.reopen();
        await store.releaseLanes();
        const [due] = await lanes();
        expect(due!.deliveryId).toBe(lost!.deliveryId);
        expect(await deliver(lost!)).toBe(false);
        expect(await deliver(due!)).toBe(true);
      });

      it('ends a lane lease by time', async () => {
        await webhook(url);
        await submit(single());
        await lanes();
        await opened.clock.advance(91_000);
        // Whatever wakes the URL: here another delivery for it.
        await submit(single());
        expect((await lanes()).map((due) => due.event.job!.number).sort()).toEqual([1, 2]);
      });

      it('sends a delivery again beside its lane, with the same event', async () => {
        await webhook(url);
        await submit(single());
        const [due] = await lanes();
        expect(await store.resend(account, due!.deliveryId, at())).toBe('IN_FLIGHT');
        await deliver(due!);
        expect(await store.resend(account, due!.deliveryId, at())).toMatchObject({ status: 'PENDING' });
        const [again] = await lanes();
        expect(again).toMatchObject({ deliveryId: due!.deliveryId, number: 2 });
        expect(eventId(again!.event)).toBe(eventId(due!.event));
        await deliver(again!);
        expect(await store.attempts(account, due!.deliveryId)).toHaveLength(2);
      });

      it('pings with an event of its own, once', async () => {
        const hook = await webhook(url);
        const ping = await store.startPing(account, hook.id, 1_000, at());
        expect(ping!.committed.events.map((event) => event.type)).toEqual(['WEBHOOK_PING']);
        expect(await lanes()).toEqual([]);
        expect(await deliver(ping!.due, 'HTTP_ERROR')).toBe(true);
        expect((await store.delivery(account, ping!.due.deliveryId, at()))!.status).toBe('EXHAUSTED');
      });

      it('limits the calls to one URL, so that the others get theirs', async () => {
        await webhook(url, { events: ['JOB_PENDING'] });
        await webhook('http://other.example/', { events: ['JOB_PENDING'] });
        for (let count = 0; count < 10; count++) await submit(single());
        const due = await lanes(20);
        expect(due.filter((one) => one.url === url)).toHaveLength(4);
        expect(due.filter((one) => one.url !== url)).toHaveLength(4);
        await deliver(due.find((one) => one.url === url)!);
        expect((await lanes(20)).map((one) => one.url)).toEqual([url]);
      });
    });

    describe('accounts', () => {
      const NO_KEY_LIMITS = { requestsPerSecond: null, sockets: null };
      const makeKey = (hash: string, more: object = {}) =>
        store.createApiKey(account, {
          name: 'k',
          prefix: 'car_',
          hash,
          scopes: ['READ'],
          limits: NO_KEY_LIMITS,
          expiresAt: null,
          at: at(),
          ...more,
        });

      it('finds a key by its hash until it expires', async () => {
        expect(await store.hasApiKeys()).toBe(false);
        const limits = { requestsPerSecond: 5, sockets: 2 };
        const made = await makeKey('h', { expiresAt: at() + MINUTE, limits });
        expect(made).toMatchObject({ accountId: account, scopes: ['READ'], limits, revokedAt: null });
        expect(await store.hasApiKeys()).toBe(true);
        expect(await store.apiKeyByHash('h', at() + MINUTE - 1)).toEqual(made);
        expect(await store.apiKeyByHash('other', at())).toBeNull();
        expect(await store.apiKeyByHash('h', at() + MINUTE)).toBeNull();
      });

      it('notes the use of a key, once a minute', async () => {
        const { id, lastUsedAt } = await makeKey('h');
        expect(lastUsedAt).toBeNull();
        // Nobody waits for the note, but what is written later comes after it.
        const used = async (time: number) => {
          await store.apiKeyByHash('h', time);
          await store.ensureAccount('default', 'whsec_x', at());
          return (await store.apiKey(account, id))!.lastUsedAt;
        };
        const start = at();
        expect(await used(start)).toBe(start);
        expect(await used(start + MINUTE)).toBe(start);
        expect(await used(start + MINUTE + 1)).toBe(start + MINUTE + 1);
      });

      it('refuses a revoked key and keeps its record', async () => {
        const { id } = await makeKey('h');
        const other = (await store.ensureAccount('other', 'whsec_o', at())).id;
        expect(await store.revokeApiKey(other, id, at())).toBeNull();
        expect(await store.revokeApiKey(account, 'key_none', at())).toBeNull();
        expect(await store.apiKeyByHash('h', at())).not.toBeNull();
        const revoked = await store.revokeApiKey(account, id, at());
        expect(revoked).toMatchObject({ id, revokedAt: at() });
        expect(await store.apiKeyByHash('h', at())).toBeNull();
        // A server never becomes open to everybody because its last key went.
        expect(await store.hasApiKeys()).toBe(true);
        expect(await store.apiKeys(account, NO_PAGE)).toEqual([await store.apiKey(account, id)]);
        const first = at();
        await opened.clock.advance(MINUTE);
        expect(await store.revokeApiKey(account, id, at())).toMatchObject({ revokedAt: first });
      });

      it('finds a key by its id, in its own account only, and tells the operator whose it is', async () => {
        const key = await makeKey('h');
        const other = (await store.ensureAccount('other', 'whsec_o', at())).id;
        expect(await store.apiKey(account, key.id)).toEqual(key);
        expect(await store.apiKey(other, key.id)).toBeNull();
        expect(await store.apiKeyOwner(key.id)).toBe(account);
        expect(await store.apiKeyOwner('key_none')).toBeNull();
      });

      it('keeps the limits an account sets for itself, each by itself', async () => {
        expect((await store.account(account))!.limits).toEqual(NO_LIMITS);
        await store.updateAccount(account, { limits: { sockets: 3, storedBytes: 5e9 } }, at());
        await store.updateAccount(account, { limits: { requestsPerSecond: 2, sockets: null } }, at());
        await store.updateAccount(account, { limits: {} }, at());
        const expected = { ...NO_LIMITS, requestsPerSecond: 2, storedBytes: 5e9 };
        expect((await store.account(account))!.limits).toEqual(expected);
        expect((await store.accountByName('default'))!.limits).toEqual(expected);
        expect(await store.accountByName('nobody')).toBeNull();
      });

      it('makes an account of a name once', async () => {
        const again = await store.ensureAccount('default', 'whsec_new', at());
        expect(again.id).toBe(account);
      });
    });

    describe('limits', () => {
      const limited = (limits: Partial<Limits>) => store.updateAccount(account, { limits }, at());

      it("counts jobs that have not ended, and no other account's", async () => {
        const other = (await store.ensureAccount('other', 'whsec_o', at())).id;
        const { jobId } = await submit(single());
        await submit(single());
        await submit(single(), { accountId: other });
        expect(await store.usage(account)).toMatchObject({ runningJobs: 2 });
        for (let count = 0; count < 2; count++)
          await settleJob(jobId, { kind: 'cancel', at: at(), reason: '' });
        await succeed((await claim(10)).find((task) => task.accountId === account)!);
        expect(await store.usage(account)).toMatchObject({ runningJobs: 0 });
        expect(await store.usage(other)).toMatchObject({ runningJobs: 1 });
        expect(await store.usage('acc_none')).toEqual({ runningJobs: 0, storedBytes: 0 });
      });

      it('refuses a job too many, says which limit, and takes one again when another has ended', async () => {
        await limited({ runningJobs: 1 });
        const { jobId } = await submit(single());
        const refused = { limit: { kind: 'runningJobs', scope: 'ACCOUNT', max: 1 }, used: 1, adds: 1 };
        expect(await tryToSubmit(single())).toEqual({ noRoom: refused });
        expect(await tryToSubmit(single(), { limits: { runningJobs: 5 } })).toEqual({ noRoom: refused });
        expect(await store.jobs(account, {}, NO_PAGE)).toHaveLength(1);
        await settleJob(jobId, { kind: 'cancel', at: at(), reason: '' });
        // Numbers have no holes: what was refused has left nothing.
        const next = await submit(single());
        expect((await store.job(account, next.jobId))!.number).toBe(2);
      });

      it("lets the server's limit count where it is less than the account's", async () => {
        await limited({ runningJobs: 5 });
        const limits = { runningJobs: 1 };
        await tryToSubmit(single(), { limits });
        expect(await tryToSubmit(single(), { limits })).toMatchObject({
          noRoom: { limit: { scope: 'SERVER', max: 1 } },
        });
      });

      it('takes exactly as many as it may when all come at once', async () => {
        const limits = { runningJobs: 3 };
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => tryToSubmit(single(), { limits })),
        );
        expect(answers.filter((answer) => 'jobId' in answer)).toHaveLength(3);
      });

      it('answers a repeated submission with its job, though there is no room for another', async () => {
        await limited({ runningJobs: 1 });
        const idempotency = { operation: 'submitPipeline', key: 'k', hash: 'same' };
        const first = await submit(single(), { idempotency });
        expect(await tryToSubmit(single(), { idempotency })).toMatchObject({
          jobId: first.jobId,
          replayed: true,
        });
        // A key that was refused is free: the same submission may be tried again.
        const another = { ...idempotency, key: 'other' };
        expect(await tryToSubmit(single(), { idempotency: another })).toHaveProperty('noRoom');
        expect(await store.findIdempotent(account, another)).toBeNull();
      });

      it('refuses what would not fit, but takes every result of a job that it took', async () => {
        expect((await store.usage(account)).storedBytes).toBe(0);
        await submit(single());
        const { storedBytes } = await store.usage(account);
        expect(storedBytes).toBeGreaterThan(200);
        await limited({ storedBytes });
        const answer = await tryToSubmit(single());
        expect(answer).toMatchObject({
          noRoom: { limit: { kind: 'storedBytes', max: storedBytes }, used: storedBytes },
        });
        const [task] = await claim(1);
        const result = 'ü'.repeat(1_000);
        expect((await succeed(task!, result)).accepted).toEqual([true]);
        const after = (await store.usage(account)).storedBytes;
        expect(after).toBeGreaterThan(storedBytes + 2_000);
        const { adds } = (answer as { noRoom: { adds: number } }).noRoom;
        await limited({ storedBytes: after + adds - 1 });
        expect(await tryToSubmit(single())).toHaveProperty('noRoom');
        await limited({ storedBytes: after + adds });
        expect(await tryToSubmit(single())).toHaveProperty('jobId');
      });

      it('counts the webhook body that is kept, once', async () => {
        await webhook('http://hook.example/', { events: ['JOB_PENDING'] });
        await submit(single());
        const before = (await store.usage(account)).storedBytes;
        const [due] = await lanes();
        await deliver(due!, 'HTTP_ERROR');
        expect((await store.usage(account)).storedBytes).toBe(before + 2);
        await opened.clock.advance(MINUTE);
        const [again] = await lanes();
        await deliver(again!);
        expect((await store.usage(account)).storedBytes).toBe(before + 2);
      });
    });

    pipelineCases(
      () => opened,
      () => store,
    );
    linkCases(
      () => opened,
      () => store,
    );

    triggerCases(
      () => opened,
      () => store,
    );
    hkubeCases(
      () => opened,
      () => store,
    );

    it('keeps everything over a restart', async () => {
      await webhook('http://hook.example/');
      const { jobId } = await submit(single());
      const [task] = await claim(1);
      store = await opened.reopen();
      expect(await store.job(account, jobId)).toMatchObject({ status: 'PENDING' });
      expect((await succeed(task!)).accepted).toEqual([true]);
      expect((await store.jobEvents(account, jobId, null, 0, 100))!.events).toHaveLength(5);
      expect(await store.deliveries(account, {}, NO_PAGE, at())).toHaveLength(3);
    });
  });
}
