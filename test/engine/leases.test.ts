import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLeases } from '../../src/engine/leases.js';
import type { Parts } from '../../src/engine/parts.js';
import { createSweeper } from '../../src/engine/sweeper.js';
import { UnavailableError } from '../../src/errors.js';
import type { LeasedTask } from '../../src/lease.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { JobOutcomes, Outage } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import { Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

describe('leases', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  /** Leases of these queues; `beforeSettle` may throw in the store's stead. */
  const open = (queues: string[], beforeSettle = (_group: JobOutcomes) => {}) => {
    const { clock, ids } = f;
    const { settle } = f.store;
    f.store.settle = async (group, decide) => {
      beforeSettle(group);
      return settle(group, decide);
    };
    const errors: object[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (facts: object) => void errors.push(facts) };
    const parts = fake<Parts>('parts', { store: f.store, bus: memoryBus(() => {}), clock, ids, log });
    return { leases: createLeases(parts, { queues, worker: 'w' }), errors };
  };
  const place = ({ token }: LeasedTask) => {
    const { jobUuid, node, item } = parseLeaseToken(token)!;
    return { jobUuid, base: { ref: { node, item }, token, at: f.at() } };
  };
  const started = (task: LeasedTask) => {
    const { jobUuid, base } = place(task);
    return { jobUuid, outcome: { kind: 'started' as const, ...base } };
  };
  const succeeded = (task: LeasedTask) => {
    const { jobUuid, base } = place(task);
    return { jobUuid, outcome: { kind: 'succeeded' as const, result: '1', ...base } };
  };
  const tasksOf = async (jobIds: string[]) =>
    (
      await Promise.all(
        jobIds.map((id) =>
          f.store.tasks(f.account, id, {}, { limit: 10, after: null, before: null, inverted: false }),
        ),
      )
    )
      .flat()
      .map(({ status }) => status);

  it('answers null for what could not be settled, settles the rest, and takes both again', async () => {
    const jobs = [await f.submit(f.single()), await f.submit(f.single())];
    const failing = { uuid: '' };
    const { leases, errors } = open(['one'], ({ jobUuid }) => {
      if (jobUuid === failing.uuid) throw new Error('database is locked');
    });
    const tasks = await leases.acquire(2);
    failing.uuid = place(tasks[1]!).jobUuid;
    expect(await leases.settle(tasks.map(started))).toEqual({ accepted: [true, null] });
    expect(errors).toMatchObject([{ jobUuid: failing.uuid }]);
    failing.uuid = '';
    // A caller that lost the answer hands in what was committed, too: the holder is told that it holds the task.
    expect(await leases.settle(tasks.map(started))).toEqual({ accepted: [true, true] });
    expect(await tasksOf(jobs)).toEqual(['ACTIVE', 'ACTIVE']);
  });

  it('settles in many commits what hundreds of nodes wait for', async () => {
    const takers = Array.from({ length: 300 }, (_, index) => ({
      ...{ nodeName: `n${index}`, algorithmName: 'two' },
      input: ['*@a'],
    }));
    const jobId = await f.submit({
      name: 'p',
      nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1...32]'] }, ...takers],
    });
    await f.settleJob(jobId, {
      ...{ kind: 'expanded', node: 0, at: f.at(), total: 32, from: 0 },
      items: Array(32).fill('[1]'),
    });
    const count = () => f.rows<{ count: number }>('select count(*) as count from arrivals')[0]!.count;
    const counts: number[] = [];
    const { leases } = open(['one'], () => void counts.push(count()));
    const tasks = await leases.acquire(32);
    const outcomes = tasks.flatMap((task) => [started(task), succeeded(task)]);
    expect(await leases.settle(outcomes)).toEqual({ accepted: Array(64).fill(true) });
    counts.push(count());
    expect(counts.at(-1)).toBe(32 * 300);
    const most = Math.max(...counts.slice(1).map((after, index) => after - counts[index]!));
    // Of the two units of 32 outcomes, side by side.
    expect(most).toBeLessThanOrEqual(2 * 1_200);
    expect((await tasksOf([jobId])).slice(0, 10)).toEqual(Array(10).fill('SUCCEEDED'));
  });

  it('settles all outcomes of a task in one unit, in their order', async () => {
    await f.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1...100]'] }] });
    const expansion = (await f.store.nextExpansion(null))!;
    await f.settleJob(`p:${expansion.jobUuid}`, {
      ...{ kind: 'expanded', node: 0, at: f.at(), total: 100, from: 0 },
      items: Array(100).fill('[1]'),
    });
    const units: JobOutcomes['outcomes'][] = [];
    const { leases } = open(['one'], ({ outcomes }) => void units.push(outcomes));
    const tasks = await leases.acquire(100);
    const { accepted } = await leases.settle([...tasks.map(started), ...tasks.map(succeeded)]);
    expect(accepted).toEqual(Array(200).fill(true));
    expect(units.length).toBeGreaterThan(1);
    const kinds = new Map<string, string[]>();
    for (const [unit, outcomes] of units.entries())
      for (const outcome of outcomes)
        if ('token' in outcome)
          kinds.set(outcome.token, [...(kinds.get(outcome.token) ?? []), `${unit} ${outcome.kind}`]);
    for (const { token } of tasks) {
      const unit = kinds.get(token)![0]!.split(' ')[0];
      expect(kinds.get(token)).toEqual([`${unit} started`, `${unit} succeeded`]);
    }
  });

  it('gives tasks of queues that nobody serves once its own have none', async () => {
    await f.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'removed', input: [1] }] });
    await f.submit(f.single());
    const { leases } = open(['one', 'two']);
    const algorithms = async () => (await leases.acquire(10)).map(({ algorithmName }) => algorithmName);
    expect(await algorithms()).toEqual(['one']);
    expect(await algorithms()).toEqual(['removed']);
    expect(await algorithms()).toEqual([]);
  });

  it('claims nothing while outcomes wait for the disk to take them, and tells nobody', async () => {
    await f.submit(f.single());
    const late = await f.submit(f.single());
    let full = true;
    const { leases, errors } = open(['one'], () => {
      if (full) throw new UnavailableError('full');
    });
    const [task] = await leases.acquire(1);
    const report = [started(task!), succeeded(task!)];
    expect(await leases.settle(report)).toEqual({ accepted: [null, null] });
    expect(await leases.acquire(10)).toEqual([]);
    full = false;
    expect(await leases.settle(report)).toEqual({ accepted: [true, true] });
    expect((await leases.acquire(10)).map(({ jobId }) => jobId)).toEqual([late]);
    expect(errors).toEqual([]);
  });

  describe('that end while the disk takes no renewal', () => {
    /** The store says so as long as `full` is set; an outage is what it remembers. */
    const failing = () => {
      const { extend, settle } = f.store;
      const disk = { full: false, outage: null as Outage | null };
      const refuse = () => {
        const now = f.at();
        disk.outage = { since: disk.outage?.since ?? now, last: now, reason: 'full', over: false };
        throw new UnavailableError('full');
      };
      f.store.outage = async () => disk.outage;
      f.store.extend = async (...parameters) => (disk.full ? refuse() : extend(...parameters));
      f.store.settle = async (...parameters) => (disk.full ? refuse() : settle(...parameters));
      return disk;
    };
    const sweeping = () => {
      const { clock, ids, store } = f;
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const parts = fake<Parts>('parts', { store, bus: memoryBus(() => {}), clock, ids, log });
      return createSweeper(parts);
    };

    it('are still held by whoever renews them afterwards, and their results count', async () => {
      const id = await f.submit(f.single());
      const disk = failing();
      const { leases } = open(['one']);
      const [task] = await leases.acquire(1);
      await f.clock.advance(10_000);
      disk.full = true;
      const sweeper = sweeping();
      sweeper.start();
      for (let tries = 0; tries < 30; tries++) {
        await expect(leases.extend([task!.token])).rejects.toThrow(UnavailableError);
        await f.clock.advance(10_000);
      }
      disk.full = false;
      await f.clock.advance(10_000);
      expect(await leases.extend([task!.token])).toEqual([true]);
      // Well beyond the patience for others: this one has been renewed.
      await f.clock.advance(29_000);
      expect(await leases.settle([started(task!), succeeded(task!)])).toEqual({ accepted: [true, true] });
      await sweeper.stop();
      expect((await f.store.job(f.account, id))!.status).toBe('COMPLETED');
    });

    it('are given back, a lease after the last refusal, where nobody renews them', async () => {
      await f.submit(f.single());
      const disk = failing();
      const { leases } = open(['one']);
      const [task] = await leases.acquire(1);
      disk.full = true;
      await expect(leases.extend([task!.token])).rejects.toThrow(UnavailableError);
      disk.full = false;
      const sweeper = sweeping();
      sweeper.start();
      await f.clock.advance(29_000);
      expect(f.rows('select token from tasks')).toEqual([{ token: task!.token }]);
      await f.clock.advance(2_000);
      expect(f.rows('select token from tasks')).toEqual([{ token: null }]);
      await sweeper.stop();
    });

    it('are lost all the same where they had ended before it', async () => {
      await f.submit(f.single());
      const disk = failing();
      const { leases } = open(['one']);
      const [task] = await leases.acquire(1);
      await f.clock.advance(31_000);
      disk.full = true;
      await expect(leases.extend([task!.token])).rejects.toThrow(UnavailableError);
      disk.full = false;
      expect(await leases.extend([task!.token])).toEqual([false]);
    });
  });
});
