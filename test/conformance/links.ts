import { beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { parseJobId, RAW } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import { PIPELINE_QUEUE } from '../../src/node-kind.js';
import type { Outcome } from '../../src/state.js';
import type { Cause, Store } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import type { Opened } from './store.js';

/** What every Store must do about jobs that tasks start. */
export function linkCases(opened: () => Opened, storeOf: () => Store): void {
  describe('jobs that tasks start', () => {
    let account: string;
    let store: Store;
    beforeEach(async () => {
      store = storeOf();
      account = (await store.ensureAccount('default', 'whsec_account', 0)).id;
    });
    const at = () => opened().clock.now();

    async function submit(
      descriptor: object,
      cause?: Cause,
      parentId: string | null = null,
      accountId = account,
    ) {
      const parsed = parseDescriptor(descriptor);
      if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
      const origin = { ...RAW, parentId };
      const { graph } = graphOf(parsed.descriptor);
      const job = newJob(opened().ids.uuid(), parsed.descriptor, graph, origin, at());
      return store.submit({
        accountId,
        job,
        targets: [],
        idempotency: null,
        limits: NO_LIMITS,
        cause,
        at: at(),
      });
    }
    const parent = (algorithmName: string | null, more: object = {}) => ({
      name: 'parent',
      nodes: [
        algorithmName === null
          ? { nodeName: 'a', kind: 'pipeline', spec: { name: 'child' }, ...more }
          : { nodeName: 'a', algorithmName, ...more },
      ],
    });
    const child = { name: 'child', nodes: [{ nodeName: 'b', algorithmName: 'one' }] };

    /** A job whose task has started another. */
    async function pair(algorithmName: string | null, more: object = {}) {
      const submitted = await submit(parent(algorithmName, more));
      if (!('jobId' in submitted)) throw new Error(JSON.stringify(submitted));
      const [task] = await claim(algorithmName ?? PIPELINE_QUEUE);
      const cause: Cause = { kind: 'task', token: task!.token, awaited: algorithmName === null };
      const started = await submit(child, cause, submitted.jobId);
      if (!('jobId' in started)) throw new Error(JSON.stringify(started));
      return { task: task!, cause, parentId: submitted.jobId, childId: started.jobId, started };
    }
    const claim = (queue: string) =>
      store.claim({ queues: [queue], max: 1, worker: 'server/w', leaseMs: 30_000, at: at() });
    const settle = ({ token }: { token: string }, outcome: object) => {
      const { jobUuid, node, item } = parseLeaseToken(token)!;
      const whole = { ref: { node, item }, token, at: at(), ...outcome } as Outcome;
      return store.settle({ jobUuid, outcomes: [whole] }, advance);
    };
    const cancel = (jobId: string) =>
      store.settle(
        { jobUuid: parseJobId(jobId)!.uuid, outcomes: [{ kind: 'cancel', at: at(), reason: 'r' }] },
        advance,
      );
    const owed = async () => (await store.owedLinks(null, 10)).map(({ todo, child: { id } }) => [todo, id]);

    it('start the task that is nothing but they, and take it off the clock', async () => {
      const { task, parentId, childId, started } = await pair(null);
      const first = started.committed.events.map(({ type, job }) => [type, job!.id]);
      expect(first).toEqual([
        ['JOB_ACTIVE', parentId],
        ['TASK_ACQUIRED', parentId],
        ['JOB_PENDING', childId],
      ]);
      const positions = started.committed.events.map(({ position }) => position);
      expect(positions).toEqual([2, 3, 4]);
      expect(await store.task(account, task.taskId)).toMatchObject({
        status: 'ACTIVE',
        attempt: 1,
        worker: childId,
        leaseExpiresAt: null,
      });
      await opened().clock.advance(3_600_000);
      expect(await store.expiredLeases(at(), 10)).toEqual([]);
      expect(await store.expiredLeases(at(), 10, 'server/')).toEqual([]);
      expect(await owed()).toEqual([]);
    });

    it('are not written where the lease is no longer held', async () => {
      const { cause, task, parentId } = await pair(null);
      await settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'x', crash: false });
      const before = await store.usage(account);
      expect(await submit(child, cause, parentId)).toEqual({ stale: true });
      expect(await submit(child, { ...cause, token: 'nonsense' } as Cause, parentId)).toEqual({
        stale: true,
      });
      expect(await store.usage(account)).toEqual(before);
    });

    it('leave the task as it is, where its code has started them', async () => {
      const { task } = await pair('two');
      expect(await store.task(account, task.taskId)).toMatchObject({ status: 'READY', worker: 'server/w' });
      expect(await store.expiredLeases(at(), 10, 'server/')).toHaveLength(1);
    });

    it('are owed to their task once they have ended, until it has', async () => {
      const { task, childId } = await pair(null, { ttl: 7 });
      const [inner] = await claim('one');
      const { committed } = await settle(inner!, { kind: 'succeeded', result: '1' });
      expect(committed.links).toBe(true);
      expect(await store.owedLinks(null, 10)).toMatchObject([
        {
          todo: 'SETTLE',
          child: { id: childId, status: 'COMPLETED' },
          token: task.token,
          failure: null,
          timeoutMs: 7_000,
        },
      ]);
      store = await opened().reopen();
      expect(await owed()).toEqual([['SETTLE', childId]]);
      expect((await settle(task, { kind: 'succeeded', result: '[]' })).accepted).toEqual([true]);
      expect(await owed()).toEqual([]);
      expect((await settle(task, { kind: 'succeeded', result: '[]' })).accepted).toEqual([false]);
    });

    it('are to be cancelled once their task is over, with what it has failed with', async () => {
      const first = await pair(null);
      const { committed } = await cancel(first.parentId);
      expect(committed.links).toBe(true);
      const second = await pair('two');
      const error = { code: 'ALGORITHM_ERROR', message: 'the sea is dry', crash: false };
      await settle(second.task, { kind: 'failed', ...error });
      const third = await pair('two');
      await settle(third.task, { kind: 'succeeded', result: '1' });
      const links = await store.owedLinks(null, 10);
      expect(links.map(({ todo, child: { id }, failure }) => [todo, id, failure])).toEqual([
        ['CANCEL', first.childId, null],
        ['CANCEL', second.childId, 'the sea is dry'],
        ['CANCEL', third.childId, null],
      ]);
      expect(await store.owedLinks(links[1]!.place, 10)).toEqual([links[2]]);
      for (const { child: one } of links) await cancel(one.id);
      expect(await owed()).toEqual([]);
    });

    it("are nobody's affair any more once they have ended, where their task is code", async () => {
      const { childId, task } = await pair('two');
      const { committed } = await cancel(childId);
      expect(committed.links).toBe(false);
      await settle(task, { kind: 'succeeded', result: '1' });
      expect(await owed()).toEqual([]);
    });

    it("are never bound to another account's task", async () => {
      const other = await store.ensureAccount('other', 'whsec_b3RoZXI=', at());
      const { cause, parentId } = await pair('two');
      await expect(submit(child, cause, parentId, other.id)).rejects.toThrow();
      expect(
        await store.jobs(other.id, {}, { limit: 10, after: null, before: null, inverted: false }),
      ).toEqual([]);
    });
  });
}
