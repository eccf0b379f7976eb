import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { RAW } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import { accountsOf } from '../../src/sqlite/accounts.js';
import { committerOf } from '../../src/sqlite/committer.js';
import { type Handle, openDatabase } from '../../src/sqlite/database.js';
import { GroupCommit } from '../../src/sqlite/group-commit.js';
import { jobsOf } from '../../src/sqlite/jobs.js';
import { keepOf } from '../../src/sqlite/keep.js';
import { tasksOf } from '../../src/sqlite/tasks.js';
import type { Outcome } from '../../src/state.js';
import type { Jobs, Tasks } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import { VirtualClock } from '../support/clock.js';
import { countedIds } from '../support/ids.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const MANY = heavy ? 200_000 : 2_000;
const CHUNK = 1_000;

describe('what is done to a job as a whole', () => {
  let folder: string;
  let db: Handle;
  let store: Jobs & Tasks;
  let account: string;
  const clock = new VirtualClock();
  const ids = countedIds(clock);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-ends-'));
    db = openDatabase(folder, { migrate: true });
    const commits = new GroupCommit(db.raw);
    const committer = committerOf(db, commits, ids);
    store = { ...jobsOf(db, committer), ...tasksOf(db, commits, ids), ...keepOf(db, committer) };
    account = (await accountsOf(db, commits, ids).ensureAccount('default', 'whsec_YQ==', clock.now())).id;
  });
  afterEach(async () => {
    db.close();
    await rm(folder, { recursive: true, force: true });
  });

  const settle = (jobUuid: string, outcome: Outcome) =>
    store.settle({ jobUuid, outcomes: [outcome] }, advance);

  /** A job with so many tasks that wait, and one that runs. */
  async function jobOf(total: number, more: object[] = []): Promise<string> {
    const parsed = parseDescriptor({
      name: 'p',
      options: { activeTtl: 60 },
      nodes: [{ nodeName: 'a', algorithmName: 'one', input: [`#[1...${total}]`] }, ...more],
    });
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const { descriptor } = parsed;
    const at = clock.now();
    const job = newJob(ids.uuid(), descriptor, graphOf(descriptor).graph, RAW, at);
    await store.submit({ accountId: account, job, targets: [], idempotency: null, limits: NO_LIMITS, at });
    for (let from = 0; from < total; from += CHUNK) {
      const items = Array<string>(Math.min(CHUNK, total - from)).fill('[1]');
      await settle(job.uuid, { kind: 'expanded', node: 0, at, total, from, items });
    }
    const claim = { queues: ['one'], max: 1, worker: 'w', leaseMs: 30_000, at };
    const { token } = (await store.claim(claim))[0]!;
    const { node, item } = parseLeaseToken(token)!;
    await settle(job.uuid, { kind: 'started', ref: { node, item }, token, at });
    return job.uuid;
  }

  /** Rows that each of these writes, one after the other. */
  async function rowsWritten(uuid: string, outcomes: (at: number) => Outcome[]): Promise<number[]> {
    const changes = db.raw.prepare('select total_changes()').pluck();
    const written: number[] = [];
    for (const outcome of outcomes(clock.now())) {
      const before = changes.get() as number;
      expect((await settle(uuid, outcome)).accepted).toEqual([true]);
      written.push((changes.get() as number) - before);
    }
    return written;
  }

  it.each<[string, (at: number) => Outcome[]]>([
    ['cancelling', (at) => [{ kind: 'cancel', at, reason: 'enough' }]],
    [
      'pausing, resuming and cancelling',
      (at) => [
        { kind: 'pause', at },
        { kind: 'resume', at },
        { kind: 'cancel', at, reason: 'enough' },
      ],
    ],
    ['ending by a time limit', (at) => [{ kind: 'overdue', at: at + 60_000 }]],
  ])(
    `writes as much for 20 tasks that wait as for ${MANY.toLocaleString('en')}: %s`,
    async (_what, outcomes) => {
      const few = await rowsWritten(await jobOf(20), outcomes);
      const many = await rowsWritten(await jobOf(MANY), outcomes);
      expect(many).toEqual(few);
      expect(Math.max(...many)).toBeLessThan(20);
    },
  );

  it('ends a job with a bounded number of the items that its nodes wait for, and removes the rest afterwards', async () => {
    const waiting = Array.from({ length: 50 }, (_, index) => ({
      ...{ nodeName: `b${index}`, algorithmName: 'two', input: ['*@a'] },
    }));
    const uuid = await jobOf(100, waiting);
    const at = clock.now();
    const rest = await store.claim({ queues: ['one'], max: 99, worker: 'w', leaseMs: 30_000, at });
    for (const { token } of rest) {
      const { node, item } = parseLeaseToken(token)!;
      await settle(uuid, { kind: 'succeeded', ref: { node, item }, token, at, result: '1' });
    }
    const count = () => db.raw.prepare('select count(*) from arrivals').pluck().get() as number;
    expect(count()).toBeGreaterThan(4_500);
    const [written] = await rowsWritten(uuid, (now) => [{ kind: 'cancel', at: now, reason: 'enough' }]);
    expect(written).toBeLessThan(1_200);
    const left = [count()];
    while (await store.forgetArrivals()) left.push(count());
    expect(left.length).toBeGreaterThan(3);
    expect(left.every((rows, index) => index === 0 || left[index - 1]! - rows <= 1_000)).toBe(true);
    expect(left.at(-1)).toBe(0);
  });
});
