import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { expand as expandNode, openExpansion } from '../../src/engine/expander.js';
import { isEnded, parseJobId } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import { parseLeaseToken } from '../../src/task.js';
import { ALL, Fixture, MINUTE, SECOND } from './fixture.js';
import { random } from './random.js';

const SEEDS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 60 : 5;

describe('tasks', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  it('a lease that was renewed in time to be answered "held" is not taken away by a sweep that read it before', async () => {
    await f.submit(f.single());
    const [task] = await f.claim(1);
    // The process stood still (a suspended laptop, a stalled loop): sweeper and renewal fire in the same turn.
    await f.clock.advance(31 * SECOND);
    const expired = await f.store.expiredLeases(f.at(), 10);
    const [kept, taken] = await Promise.all([
      f.store.extend([task!.token], f.at() + 30 * SECOND, f.at()),
      f.settle({ token: expired[0]!.token }, { kind: 'expired' }),
    ]);
    // Whoever wins: the holder must not be told that it holds what was taken from it.
    expect(kept[0] === true && taken.accepted[0] === true).toBe(false);
  });

  async function walk(seed: number, steps: number): Promise<void> {
    const r = random(seed);
    const accounts = [f.account, (await f.store.ensureAccount('b', 'whsec_Yg==', f.at())).id];
    const jobs: { id: string; account: string }[] = [];
    let leased: LeasedTask[] = [];
    const log: string[] = [];
    let parts = f.parts();

    const check = async () => {
      const lost =
        f.rows(`select t.* from tasks t join jobs j on j.key = t.job where t.status = 'READY' and t.token is null
        and j.status in ('PENDING', 'ACTIVE') and not exists (select 1 from ready_jobs r where r.job = t.job and r.queue = t.queue)`);
      const unlisted = f.rows(`select * from ready_jobs r where not exists (select 1 from ready_accounts a
        where a.queue = r.queue and a.rank = r.rank and a.account = r.account)`);
      const leaked = f.rows(
        `select t.* from tasks t join jobs j on j.key = t.job where t.token is not null and j.finished_at is not null`,
      );
      const counts = f.rows(`select n.job, n.node, n.active, n.succeeded, n.failed,
          (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status = 'ACTIVE') as a,
          (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status = 'SUCCEEDED') as s,
          (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status = 'FAILED') as f
        from job_nodes n where n.active <> a or n.succeeded <> s or n.failed <> f`);
      const sequences = f.rows(
        `select j.key from jobs j where j.sequence <> (select count(*) from events e where e.job = j.key)`,
      );
      const positions = f.rows(
        `select a.key from accounts a where a.head <> (select count(*) from events e where e.account = a.key)`,
      );
      // Of a node that waits for items: whether it is marked exactly when there is something to look at.
      const marks =
        f.rows(`select n.*, j.status from job_nodes n join jobs j on j.key = n.job where n.waits <> '[]' and n.expanding <>
        (n.status = 'ACTIVE' and j.finished_at is null and (n.fan is null or n.scanned * n.fan < n.total
          or exists (select 1 from arrivals a where a.job = n.job and a.node = n.node)))`);
      const rows = {
        lost,
        unlisted,
        leaked,
        counts,
        sequences,
        positions,
        marks,
        miscounted: f.miscounted(),
      };
      for (const [name, found] of Object.entries(rows))
        if (found.length > 0)
          throw new Error(`seed ${seed}: ${name} ${JSON.stringify(found)}\n${log.slice(-12).join('\n')}`);
    };
    const expand = async () => {
      const next = await f.store.nextExpansion(null);
      if (!next) return false;
      if (next.waits) {
        const batch = await openExpansion(parts, next);
        if (batch) await expandNode(parts, next, batch, 1 + r.below(40), 1);
        return true;
      }
      const [row] = f.rows<{ total: number | null }>(
        'select total from job_nodes where job = ? and node = ?',
        ...next.place.split('.').map(Number),
      );
      const total = row!.total ?? r.below(50);
      const count = Math.min(total - next.expanded, 1 + r.below(40));
      await f.store.settle(
        {
          jobUuid: next.jobUuid,
          outcomes: [
            {
              kind: 'expanded',
              node: next.node,
              at: f.at(),
              total,
              from: next.expanded,
              items: Array(count).fill('[1]'),
            },
          ],
        },
        advance,
      );
      return true;
    };
    const sweep = async () => {
      for (const { token } of await f.store.expiredLeases(f.at(), 100))
        await f.settle({ token }, { kind: 'expired' });
      await f.store.promoteRetries(f.at(), r.pick([1, 5, 100]));
      await f.store.agePriorities(f.at(), 10 * MINUTE);
    };
    const end = async (task: LeasedTask) => {
      switch (r.below(9)) {
        case 0:
          return f.settle(task, { kind: 'failed', code: 'EXITED', message: 'x', crash: r.below(2) === 0 });
        case 1:
          return f.settle(task, { kind: 'released' });
        case 2:
          return f.settle(task, { kind: 'expired' });
        default:
          return f.succeed(task);
      }
    };
    const actions: [number, string, () => Promise<unknown>][] = [
      [
        3,
        'submit',
        async () => {
          const account = r.pick(accounts);
          const retry = { policy: r.pick(['Never', 'Always', 'OnError', 'OnCrash']), limit: 1 + r.below(3) };
          const node = (nodeName: string, input: unknown[]) => ({
            nodeName,
            algorithmName: r.pick(['one', 'two']),
            input,
            retry,
          });
          const shapes = [
            [node('a', [1])],
            [node('a', ['#[1]']), node('b', ['@a'])],
            [node('a', [1]), node('b', ['#@a']), node('c', ['@a']), node('d', ['@b', '@c'])],
            [node('a', ['#[1]']), node('b', ['#[1]']), node('c', ['#@a', '@b'])],
            [
              node('a', ['#[1]']),
              node('b', ['*@a', '#[1,2]']),
              node('c', ['*@b']),
              node('d', ['*@c', '*@a']),
            ],
          ];
          jobs.push({
            account,
            id: await f.submit(
              {
                name: 'p',
                priority: 1 + r.below(5),
                options: { batchTolerance: r.pick([0, 50, 100]) },
                nodes: r.pick(shapes),
              },
              [],
              account,
            ),
          });
        },
      ],
      [4, 'expand', expand],
      [
        8,
        'claim',
        async () =>
          leased.push(...(await f.claim(1 + r.below(80), r.pick([['one'], ['two'], ['one', 'two']])))),
      ],
      [3, 'start', async () => leased.length > 0 && f.settle(r.pick(leased), { kind: 'started' })],
      [
        12,
        'end',
        async () => {
          // Several of one job at once, as the pool does.
          const [first] = leased;
          if (!first) return;
          const mine = leased.filter((task) => task.jobId === first.jobId).slice(0, 1 + r.below(20));
          leased = leased.filter((task) => !mine.includes(task));
          if (r.below(2)) for (const task of mine) await end(task);
          else {
            const outcomes = mine.map((task) => {
              const { node, item } = parseLeaseToken(task.token)!;
              const base = { ref: { node, item }, token: task.token, at: f.at() };
              return r.below(6) === 0
                ? {
                    ...base,
                    kind: 'failed' as const,
                    code: 'ALGORITHM_ERROR' as const,
                    message: 'm',
                    crash: false,
                  }
                : { ...base, kind: 'succeeded' as const, result: '[1,2]' };
            });
            await f.store.settle({ jobUuid: parseJobId(first.jobId)!.uuid, outcomes }, advance);
          }
        },
      ],
      [2, 'forget', async () => void leased.splice(r.below(leased.length), 1)],
      [
        1,
        'extend',
        async () => {
          const kept = await f.store.extend(
            leased.map((task) => task.token),
            f.at() + 30 * SECOND,
            f.at(),
          );
          leased = leased.filter((_, index) => kept[index]);
        },
      ],
      [
        0.5,
        'cancel',
        async () =>
          jobs.length > 0 && f.settleJob(r.pick(jobs).id, { kind: 'cancel', at: f.at(), reason: '' }),
      ],
      [3, 'sweep', sweep],
      [4, 'advance', () => f.clock.advance(r.pick([SECOND, 10 * SECOND, 40 * SECOND, 6 * MINUTE]))],
      [
        0.3,
        'restart',
        async () => {
          await f.reopen();
          parts = f.parts();
          for (const { token } of await f.store.expiredLeases(f.at(), 1_000, 'w'))
            await f.settle({ token }, { kind: 'expired' });
          leased = [];
        },
      ],
    ];
    const sum = actions.reduce((total, [weight]) => total + weight, 0);
    for (let step = 0; step < steps; step++) {
      let place = r.next() * sum;
      const [, name, run] = actions.find(([weight]) => {
        place -= weight;
        return place < 0;
      })!;
      log.push(`${step} ${name}`);
      await run();
      await check();
    }
    for (let round = 0; round < 2_000; round++) {
      while (await expand());
      await sweep();
      for (const task of await f.claim(500)) await f.succeed(task, [1, 2]);
      const open = await Promise.all(jobs.map((job) => f.store.job(job.account, job.id)));
      if (open.every((job) => isEnded(job!.status))) break;
      await f.clock.advance(20 * SECOND);
    }
    await check();
    for (const job of jobs) {
      const row = (await f.store.job(job.account, job.id))!;
      expect({ seed, ended: isEnded(row.status) }).toEqual({ seed, ended: true });
      const { events } = (await f.store.jobEvents(job.account, job.id, null, 0, 100_000))!;
      expect(events.map((event) => event.sequence)).toEqual(events.map((_, index) => index + 1));
      const percents = events.flatMap((event) =>
        event.facts.of === 'job' ? [event.facts.progress.percent] : [],
      );
      expect(percents).toEqual([...percents].sort((a, b) => a - b));
      const last = events.at(-1)!;
      expect(last.type).toBe(`JOB_${row.status}`);
      if (row.status === 'COMPLETED') expect(row.progress.percent).toBe(100);
      const { total, succeeded, failed, skipped, active, states } = row.progress;
      expect(active).toBe(0);
      expect(states.reduce((count, [, one]) => count + one, 0)).toBe(total);
      if (row.status === 'COMPLETED') expect(succeeded + failed + skipped).toBe(total);
    }
    expect(
      await f.store.tasks(f.account, jobs[0]?.id ?? '', { statuses: ['ACTIVE', 'READY', 'WAITING'] }, ALL),
    ).toEqual([]);
    expect(await f.claim(10)).toEqual([]);
  }

  for (let seed = 1; seed <= SEEDS; seed++)
    it(
      `a random walk keeps every task claimable and ends every job (seed ${seed})`,
      () => walk(seed, 150),
      60_000,
    );
});
