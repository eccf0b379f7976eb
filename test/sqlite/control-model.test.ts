import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { openHere } from '../../src/batch.js';
import { isEnded, type JobStatus } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import type { Outcome } from '../../src/state.js';
import { judge } from '../support/history.js';
import { Fixture, MINUTE, SECOND } from './fixture.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const RUNS = heavy ? 200 : 8;

interface Row {
  key: number;
  uuid: string;
  pipeline: string;
  status: JobStatus;
  held: number;
  concurrency: number | null;
  priority: number;
  reason: string | null;
}

const retry = { policy: 'Always', limit: 3 };
const shapes = [
  [{ nodeName: 'a', algorithmName: 'one', input: [1], retry }],
  [
    { nodeName: 'a', algorithmName: 'one', input: [1], retry },
    { nodeName: 'b', algorithmName: 'two', input: ['@a'], retry },
  ],
  [{ nodeName: 'a', algorithmName: 'one', input: ['#[1,2,3]'], retry }],
  [{ nodeName: 'a', algorithmName: 'one', input: ['#[]'] }],
  [
    { nodeName: 'a', algorithmName: 'two', input: ['#[1,2]'], retry },
    { nodeName: 'b', algorithmName: 'one', input: ['#@a'], retry },
  ],
];
const limits = [
  undefined,
  { amount: 1, rejectOnFailure: false },
  { amount: 1, rejectOnFailure: false },
  { amount: 2, rejectOnFailure: false },
  { amount: 2, rejectOnFailure: true },
];
const ttls = [0, 60, 600, 3_600];

const acts = [
  ...['submit', 'submit', 'submit', 'expand', 'expand', 'late', 'claim', 'claim', 'claim', 'start', 'start'],
  ...['succeed', 'succeed', 'succeed', 'fail', 'expire', 'release', 'pause', 'pause', 'resume', 'resume'],
  ...['cancel', 'overdue', 'sweep', 'sweep', 'wait', 'restart'],
] as const;
const script = fc.array(fc.record({ act: fc.constantFrom(...acts), chance: fc.nat(2 ** 31 - 1) }), {
  minLength: 50,
  maxLength: 150,
});

/** What one number decides, one choice after the other. */
interface Dice {
  <T>(list: readonly T[]): T | undefined;
  of(sides: number): number;
}
function dice(chance: number): Dice {
  let left = chance;
  const of = (sides: number) => {
    const thrown = left % sides;
    left = Math.floor(left / sides);
    return thrown;
  };
  return Object.assign(<T>(list: readonly T[]) => list[of(Math.max(list.length, 1))], { of });
}

/** One store, played with by chance; looks at its rows after every move, knowing nothing of how they came about. */
class Play {
  private leased: LeasedTask[] = [];
  private before: Row[] = [];

  constructor(private readonly f: Fixture) {}

  private jobs(): Row[] {
    return this.f.rows<Row>('select * from jobs order by key');
  }

  private open(): Row[] {
    return this.jobs().filter((job) => !isEnded(job.status));
  }

  async move(act: (typeof acts)[number], chance: number): Promise<void> {
    const pick = dice(chance);
    const { f } = this;
    this.before = this.jobs();
    const at = f.at();
    const settle = async (outcome: Outcome) => {
      const wanted = this.before.filter(
        ({ status }) => (status === 'PAUSED') === (outcome.kind === 'resume'),
      );
      // Mostly one that can be changed so; sometimes whichever.
      const jobUuid = pick(
        pick.of(8) === 0 ? this.before : wanted.filter((job) => !isEnded(job.status)),
      )?.uuid;
      if (jobUuid) await f.store.settle({ jobUuid, outcomes: [outcome] }, advance);
    };
    switch (act) {
      case 'submit':
        return this.submit(pick);
      case 'expand':
        return void (await this.expand());
      case 'late':
        return this.expandLate(pick);
      case 'claim':
        this.leased.push(...(await f.claim(1 + pick.of(5))));
        return;
      case 'pause':
      case 'resume':
      case 'overdue':
        return settle({ kind: act, at });
      case 'cancel':
        return settle({ kind: 'cancel', at, reason: 'enough' });
      case 'sweep':
        return this.sweep();
      case 'wait':
        return f.clock.advance(pick([SECOND, 10 * SECOND, 40 * SECOND, 11 * MINUTE])!);
      case 'restart':
        if (pick.of(4) === 0) {
          await f.reopen();
          this.leased = [];
        }
        return;
      default:
        return this.task(act, pick);
    }
  }

  private async submit(pick: Dice): Promise<void> {
    const concurrentPipelines = pick(limits);
    const pipeline = `p${Number(pick.of(4) === 0)}`;
    const open = this.open().filter((job) => job.pipeline === pipeline);
    const descriptor = {
      name: pipeline,
      priority: 1 + pick.of(5),
      options: { ttl: pick(ttls), activeTtl: 30 + pick.of(600), concurrentPipelines },
      nodes: pick(shapes),
    };
    const answer = await this.f.submit(descriptor).catch((error: Error) => error.message);
    const refused = concurrentPipelines?.rejectOnFailure && open.length >= concurrentPipelines.amount;
    expect(answer).toEqual(
      refused ? JSON.stringify({ tooMany: concurrentPipelines.amount }) : expect.stringMatching(/^p\d:/),
    );
    if (refused) return;
    const running = open.filter((job) => job.held === 0).length;
    const waits = concurrentPipelines !== undefined && running >= concurrentPipelines.amount;
    expect(this.jobs().at(-1)!.held).toBe(Number(waits));
  }

  private async expand(): Promise<boolean> {
    const { f } = this;
    const next = await f.store.nextExpansion(null);
    if (!next) return false;
    const inputs = await f.store.expansionInputs(next.jobUuid, next.node);
    const batch = await openHere(inputs!);
    if (!('items' in batch)) throw new Error(batch.message);
    const { expanded: from, node } = next;
    const items = (await batch.items(from, Math.min(batch.total - from, 2))) as string[];
    const outcome: Outcome = { kind: 'expanded', node, at: f.at(), total: batch.total, from, items };
    const settled = await f.store.settle({ jobUuid: next.jobUuid, outcomes: [outcome] }, advance);
    expect(settled.accepted).toEqual([true]);
    return true;
  }

  /** A chunk that was being made when its job was paused. */
  private async expandLate(pick: Dice): Promise<void> {
    const { f } = this;
    const node = pick(
      f.rows<{
        uuid: string;
        node: number;
        expanded: number;
      }>(`select j.uuid, n.node, n.expanded from job_nodes n
        join jobs j on j.key = n.job where n.expanding = 2 and j.held = 0 and n.total is null`),
    );
    if (!node) return;
    const outcome: Outcome = { kind: 'expanded', node: node.node, at: f.at(), total: 0, from: 0, items: [] };
    const settled = await f.store.settle({ jobUuid: node.uuid, outcomes: [outcome] }, advance);
    expect(settled.accepted).toEqual([false]);
  }

  private async task(act: 'start' | 'succeed' | 'fail' | 'expire' | 'release', pick: Dice): Promise<void> {
    const task = pick(this.leased);
    if (!task) return;
    const { f } = this;
    if (act === 'start') return void (await f.settle(task, { kind: 'started' }));
    this.leased = this.leased.filter((one) => one !== task);
    if (act === 'succeed') await f.succeed(task, [1, 2]);
    else if (act === 'fail')
      await f.settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no', crash: false });
    else await f.settle(task, { kind: act === 'expire' ? 'expired' : 'released' });
  }

  async sweep(): Promise<void> {
    const { f } = this;
    for (const { token } of await f.store.expiredLeases(f.at(), 100))
      await f.settle({ token }, { kind: 'expired' });
    await f.store.promoteRetries(f.at(), 100);
    await f.store.agePriorities(f.at(), 10 * MINUTE);
    const { jobUuids, nextAt } = await f.store.overdueJobs(f.at(), 100);
    for (const jobUuid of jobUuids) {
      const outcomes: Outcome[] = [{ kind: 'overdue', at: f.at() }];
      expect((await f.store.settle({ jobUuid, outcomes }, advance)).accepted).toEqual([true]);
    }
    expect(nextAt === null || nextAt > f.at()).toBe(true);
    for (const job of this.open()) if (job.status !== 'PAUSED') expect(await this.overdue(job)).toBe(null);
  }

  /** Which of its limits a job has used up, by its events alone. */
  private async overdue(job: Row): Promise<string | null> {
    const { f } = this;
    const { options } = JSON.parse(
      f.rows<{ descriptor: string }>('select descriptor from job_inputs where job = ?', job.key)[0]!
        .descriptor,
    ) as { options: { ttl: number; activeTtl: number } };
    let all = 0;
    let active = 0;
    let last: { type: string; occurredAt: number } | null = null;
    let begun = false;
    let pausing = false;
    const events = f.rows<{ type: string; occurred_at: number }>(
      `select type, occurred_at from events where job = ? and type like 'JOB_%' order by position`,
      job.key,
    );
    for (const { type, occurred_at: occurredAt } of [...events, { type: 'now', occurred_at: f.at() }]) {
      const passed = pausing || last === null ? 0 : occurredAt - last.occurredAt;
      all += passed;
      if (begun) active += passed;
      begun ||= type === 'JOB_ACTIVE';
      if (type === 'JOB_PAUSED') pausing = true;
      if (type === 'JOB_RESUMED') pausing = false;
      last = { type, occurredAt };
      if (type === 'JOB_CANCELLED') break;
    }
    const ttl = options.ttl > 0 ? all - options.ttl * 1_000 : -1;
    const activeTtl = begun ? active - options.activeTtl * 1_000 : -1;
    if (Math.max(ttl, activeTtl) < 0) return null;
    return ttl >= activeTtl ? 'pipeline expired' : 'pipeline active TTL expired';
  }

  async check(): Promise<void> {
    const { f } = this;
    const mayStart = `j.status in ('PENDING', 'ACTIVE') and j.held = 0`;
    const nothing: Record<string, string> = {
      'tasks to start, of which the claim knows nothing': `select * from tasks t join jobs j on j.key = t.job
        where t.status = 'READY' and t.token is null and ${mayStart}
        and not exists (select 1 from ready_jobs r where r.job = t.job and r.queue = t.queue)`,
      'jobs that may start nothing on the list of the claim': `select * from ready_jobs r join jobs j on j.key = r.job
        where not (${mayStart})`,
      'listed jobs whose account is not': `select * from ready_jobs r where not exists (select 1 from ready_accounts a
        where a.queue = r.queue and a.rank = r.rank and a.account = r.account)`,
      'leases of ended jobs': `select * from tasks t join jobs j on j.key = t.job
        where t.token is not null and j.finished_at is not null`,
      'leases of paused jobs that have not begun': `select * from tasks t join jobs j on j.key = t.job
        where t.token is not null and t.status = 'READY' and j.status = 'PAUSED'`,
      'batches that are made before their job may begin': `select * from job_nodes n join jobs j on j.key = n.job
        where n.expanding = 1 and (j.held = 1 or (j.status = 'PAUSED' and j.started_at is null))`,
      'batches that nobody makes': `select * from job_nodes n join jobs j on j.key = n.job
        where n.expanding <> 1 and n.batch = 1 and n.status = 'ACTIVE' and (n.total is null or n.expanded < n.total) and ${mayStart}`,
      'ends that nobody waits for': `select * from jobs where expires_at is not null and (status = 'PAUSED' or finished_at is not null)`,
      'events out of count': `select * from jobs j where j.sequence <> (select count(*) from events e where e.job = j.key)`,
    };
    for (const [what, query] of Object.entries(nothing))
      expect({ [what]: f.rows(query) }).toEqual({ [what]: [] });
    expect(f.miscounted()).toEqual([]);
    this.checkSlots();
    for (const job of this.jobs()) {
      const old = this.before.find((one) => one.key === job.key);
      if (old?.status === job.status) continue;
      const { events } = (await f.store.jobEvents(
        f.account,
        `${job.pipeline}:${job.uuid}`,
        null,
        0,
        10_000,
      ))!;
      expect(judge(events)).toEqual({ wrong: [], state: job.status });
      if (job.status === 'CANCELLED' && job.reason !== 'enough')
        expect(job.reason).toBe(await this.overdue(job));
    }
  }

  /** Nobody waits beside a free slot, nobody was let in without one, and nobody before his turn. */
  private checkSlots(): void {
    const open = this.open();
    const running = (pipeline: string) =>
      open.filter((job) => job.pipeline === pipeline && job.held === 0).length;
    for (const job of open) {
      if (job.held === 1 && job.status !== 'PAUSED')
        expect(running(job.pipeline)).toBeGreaterThanOrEqual(job.concurrency!);
      if (job.held === 1) continue;
      const old = this.before.find((one) => one.key === job.key);
      if (old?.held !== 1) continue;
      expect(running(job.pipeline)).toBeLessThanOrEqual(job.concurrency!);
      const passedOver = open.filter(
        (one) =>
          one.held === 1 &&
          one.status !== 'PAUSED' &&
          one.pipeline === job.pipeline &&
          one.concurrency === job.concurrency &&
          (one.priority > job.priority || (one.priority === job.priority && one.key < job.key)),
      );
      expect(passedOver).toEqual([]);
    }
  }

  /** Lets all go on, and all of it succeed: then nothing may be left. */
  async finish(): Promise<void> {
    const { f } = this;
    for (let round = 0; round < 2_000 && this.open().length > 0; round++) {
      this.before = this.jobs();
      for (const job of this.open())
        if (job.status === 'PAUSED')
          await f.store.settle({ jobUuid: job.uuid, outcomes: [{ kind: 'resume', at: f.at() }] }, advance);
      while (await this.expand());
      await this.sweep();
      for (const task of [...this.leased.splice(0), ...(await f.claim(100))]) await f.succeed(task, [1, 2]);
      await f.clock.advance(SECOND);
    }
    expect(this.open()).toEqual([]);
    expect(await f.claim(10)).toEqual([]);
    expect(f.rows('select * from ready_jobs')).toEqual([]);
    this.before = [];
    await this.check();
  }
}

describe('jobs that are paused, resumed, cancelled, held and timed', () => {
  it(
    'keep a legal history, are on the list of the claim exactly when they may start something, and all end',
    async () => {
      await fc.assert(
        fc.asyncProperty(script, async (moves) => {
          const f = await Fixture.open();
          try {
            const play = new Play(f);
            for (const { act, chance } of moves) {
              await play.move(act, chance);
              await play.check();
            }
            await play.finish();
          } finally {
            await f.close();
          }
        }),
        { numRuns: RUNS, endOnFailure: !heavy },
      );
    },
    heavy ? 900_000 : 120_000,
  );
});
