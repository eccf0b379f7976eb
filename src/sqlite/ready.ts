import type { JobStatus } from '../job.js';
import type { Handle } from './database.js';

export interface ReadyJob {
  key: number;
  account: number;
  priority: number;
  status: JobStatus;
  held: number;
}

/**
 * Puts a job on the claim's two lists, once for each queue it has ready tasks in. Not one that may start nothing: see
 * admission.ts. Answers whether it did.
 */
export function markReady(db: Handle, job: ReadyJob, queues: Iterable<string>, at: number): boolean {
  if (job.status === 'PAUSED' || job.held !== 0) return false;
  for (const queue of queues) {
    // Whoever comes (back) gets in line behind those who wait, or short jobs would always be served first.
    const { changes } = db
      .prepare(
        `insert into ready_jobs (queue, job, account, rank, turn, since)
         values (@queue, @job, @account, @rank,
           (select ifnull(max(turn), 0) from ready_jobs where queue = @queue and rank = @rank and account = @account), @at)
         on conflict do nothing`,
      )
      .run({ queue, job: job.key, account: job.account, rank: job.priority, at });
    if (changes > 0) listAccount(db, queue, job.priority, job.account);
  }
  return true;
}

/** Puts a job that was held back on the lists again, for each queue in which it has something to start: which those are. */
export function restoreReady(db: Handle, job: ReadyJob, at: number): string[] {
  const rows = db
    .prepare(
      `select queue from (select distinct queue from job_nodes where job = @job) q
       where exists (select 1 from tasks indexed by tasks_ready
         where job = @job and queue = q.queue and status = 'READY' and token is null)`,
    )
    .all({ job: job.key }) as { queue: string }[];
  const queues = rows.map(({ queue }) => queue);
  return markReady(db, job, queues, at) ? queues : [];
}

export function listAccount(db: Handle, queue: string, rank: number, account: number): void {
  db.prepare(
    `insert into ready_accounts (queue, rank, account, turn)
     values (@queue, @rank, @account, (select ifnull(max(turn), 0) from ready_accounts where queue = @queue and rank = @rank))
     on conflict do nothing`,
  ).run({ queue, rank, account });
}

export interface Turn {
  queue: string;
  rank: number;
  account: number;
  job: number;
}

/** Whose turn it is: the highest rank, then the account, then the job that was served longest ago. */
export function nextTurn(db: Handle, queues: string): Turn | null {
  for (;;) {
    const place = db
      .prepare(
        `select queue, rank, account from ready_accounts where queue in (select value from json_each(?))
         order by rank desc, turn limit 1`,
      )
      .get(queues) as Omit<Turn, 'job'> | undefined;
    if (!place) return null;
    const row = db
      .prepare(
        'select job from ready_jobs where queue = ? and rank = ? and account = ? order by turn limit 1',
      )
      .get(place.queue, place.rank, place.account) as { job: number } | undefined;
    if (row) return { ...place, job: row.job };
    // Its last job of this rank was claimed empty or ended: the account leaves the list here, and nowhere else.
    db.prepare('delete from ready_accounts where queue = ? and rank = ? and account = ?').run(
      place.queue,
      place.rank,
      place.account,
    );
  }
}

/** Notes that it has had its turn; `drained` takes the job off the list until it has ready tasks again. */
export function noteTurn(
  db: Handle,
  { queue, rank, account, job }: Turn,
  turn: number,
  at: number,
  drained: boolean,
): void {
  db.prepare('update ready_accounts set turn = ? where queue = ? and rank = ? and account = ?').run(
    turn,
    queue,
    rank,
    account,
  );
  if (drained) db.prepare('delete from ready_jobs where queue = ? and job = ?').run(queue, job);
  else
    db.prepare('update ready_jobs set turn = ?, since = ? where queue = ? and job = ?').run(
      turn,
      at,
      queue,
      job,
    );
}

/** Where the turns of an earlier run of the server ended. */
export function lastTurn(db: Handle): number {
  const row = db
    .prepare(
      'select max((select ifnull(max(turn), 0) from ready_accounts), (select ifnull(max(turn), 0) from ready_jobs)) as turn',
    )
    .get() as { turn: number };
  return row.turn;
}
