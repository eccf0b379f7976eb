import type { NewJob } from '../state.js';
import type { Unit } from './committer.js';
import type { Handle } from './database.js';
import type { JobSqlRow } from './jobs.js';
import { restoreReady } from './ready.js';

/**
 * Who may start tasks. A job that may not (it is PAUSED, or held until another of its pipeline has ended) has no row
 * in ready_jobs; one that has not begun is not expanded either (`expanding` = 2), since an empty batch could end it.
 * Everything here runs inside somebody's transaction.
 */

/** Whether its batches may be made into tasks. */
export function mayExpand({
  held,
  status,
  started_at,
}: Pick<JobSqlRow, 'held' | 'status' | 'started_at'>): boolean {
  return held === 0 && (status !== 'PAUSED' || started_at !== null);
}

/** Takes a job out of the claim's lists. In proportion to its nodes, however many tasks it has. */
export function holdBack(db: Handle, job: JobSqlRow): void {
  db.prepare('delete from ready_jobs where job = ?').run(job.key);
  if (mayExpand(job)) return;
  db.prepare('update job_nodes set expanding = 2 where job = ? and expanding = 1').run(job.key);
}

/** Puts a job back on the lists: it was held back, and may go on. */
export function letGo(db: Handle, job: JobSqlRow, unit: Unit, at: number): void {
  unit.committed.readyQueues.push(...restoreReady(db, job, at));
  const { changes } = db
    .prepare('update job_nodes set expanding = 1 where job = ? and expanding = 2')
    .run(job.key);
  if (changes > 0) unit.committed.expansion = true;
}

type Pipeline = Pick<JobSqlRow, 'account' | 'pipeline' | 'experiment'>;

/** What becomes of one more job of a pipeline. Others count whatever they allow themselves. */
export function admission(
  db: Handle,
  pipeline: Pipeline,
  concurrency: NewJob['concurrency'],
): 'run' | 'hold' | 'refuse' {
  if (concurrency === null) return 'run';
  const { amount, rejects } = concurrency;
  // HKube counts what waits, too, before it refuses.
  if (rejects) return countOpen(db, pipeline, amount, true) < amount ? 'run' : 'refuse';
  return countOpen(db, pipeline, amount, false) < amount ? 'run' : 'hold';
}

/**
 * Lets held jobs of a pipeline in, as long as there is room: called where one that ran has ended, or a held one was
 * resumed. Those that allow the most beside them are looked at first, since where they find no room the others
 * find none; of equals the priority counts, then the age. All of it is index seeks, but for the counting.
 */
export function admitHeld(
  db: Handle,
  { account, pipeline, experiment }: Pipeline,
  unit: Unit,
  at: number,
): void {
  const of = { account, pipeline, experiment };
  const held = `from jobs indexed by jobs_held where account = @account and pipeline = @pipeline and experiment = @experiment
    and held = 1 and finished_at is null and paused_at is null`;
  for (;;) {
    const { amount } = db.prepare(`select max(concurrency) as amount ${held}`).get(of) as {
      amount: number | null;
    };
    if (amount === null || countOpen(db, of, amount, false) >= amount) return;
    const next = db
      .prepare(
        `select * ${held} and concurrency = @amount
         and priority = (select max(priority) ${held} and concurrency = @amount) order by key limit 1`,
      )
      .get({ ...of, amount }) as JobSqlRow;
    next.held = 0;
    db.prepare('update jobs set held = 0 where key = ?').run(next.key);
    letGo(db, next, unit, at);
  }
}

/** Jobs of a pipeline that have not ended, with or without those that are held; counts to `enough` at most. */
function countOpen(db: Handle, pipeline: Pipeline, enough: number, withHeld: boolean): number {
  const { count } = db
    .prepare(
      `select count(*) as count from (
         select 1 from jobs indexed by jobs_running where account = ? and pipeline = ? and experiment = ?
         and held <= ? and finished_at is null limit ?)`,
    )
    .get(pipeline.account, pipeline.pipeline, pipeline.experiment, Number(withHeld), enough) as {
    count: number;
  };
  return count;
}
