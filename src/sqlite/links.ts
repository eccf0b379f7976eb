import { advance } from '../advance.js';
import { MAX_OPEN_CHILDREN } from '../child.js';
import { jobId } from '../job.js';
import { PIPELINE_QUEUE } from '../node-kind.js';
import type { Change, Outcome, TaskRow } from '../state.js';
import type { Cause, Links, OwedLink } from '../store.js';
import { parseLeaseToken, type TaskRef } from '../task.js';
import type { Unit } from './committer.js';
import type { Handle } from './database.js';
import { type Loaded, loadState, writeChange } from './job-state.js';
import { type JobSqlRow, jobOf } from './jobs.js';

/**
 * What binds a job to the task that has started it. A row lives as long as something is to be done, and says what:
 *
 *  - nothing (null): the job runs, and its task holds the lease under which it started it;
 *  - SETTLE: the job has ended, and the task that is nothing but this job still holds its lease;
 *  - CANCEL: the task has lost its lease, and the job still runs.
 *
 * Each of these changes is written in the commit that causes it, and the loop that acts on them writes no row: to
 * end the job, or the task, is what takes the row away. So it may act twice, or die at any moment.
 */
type TaskCause = Extract<Cause, { kind: 'task' }>;

/** Whether the lease that a job is to be started under is still held. */
export function taskStands(db: Handle, { token }: TaskCause): boolean {
  const ref = parseLeaseToken(token);
  const held =
    ref &&
    db
      .prepare(
        `select 1 from tasks where job = (select key from jobs where uuid = ?) and node = ? and item = ? and token = ?`,
      )
      .get(ref.jobUuid, ref.node, ref.item, token);
  return held !== null && held !== undefined;
}

/**
 * Binds a new job to its task, whose lease stands. A task that is nothing but the job is started by it: it is shown
 * with the job as its worker, and leaves the clock, since no worker has to renew it.
 */
export function linkJob(db: Handle, { token, awaited }: TaskCause, child: JobSqlRow, unit: Unit): void {
  const ref = parseLeaseToken(token)!;
  const parent = db
    .prepare('update jobs set has_children = 1 where uuid = ? and account = ? returning key')
    .get(ref.jobUuid, child.account) as { key: number };
  db.prepare('insert into job_links (job, parent, token, awaited) values (?, ?, ?, ?)').run(
    child.key,
    parent.key,
    token,
    Number(awaited),
  );
  if (!awaited) return;
  const outcomes: Outcome[] = [{ kind: 'started', ref, token, at: child.created_at }];
  const loaded = loadState(db, ref.jobUuid, outcomes)!;
  for (const task of loaded.state.tasks)
    Object.assign(task, { worker: jobId(child.pipeline, child.uuid), leaseExpiresAt: null });
  writeChange(db, loaded, advance(loaded.state, outcomes), unit);
}

/** Notes what a change of a job means for the jobs it has started, and for the task that has started it. */
export function noteLinks(db: Handle, { row, state }: Loaded, change: Change, unit: Unit): void {
  if (change.job.finishedAt !== null && row.parent !== null) noteEnd(db, row.key, unit);
  if (row.has_children === 0) return;
  for (const token of lostTokens(state.tasks, change)) noteLostLease(db, token, unit);
}

function noteEnd(db: Handle, job: number, unit: Unit): void {
  db.prepare("delete from job_links where job = ? and (awaited = 0 or todo = 'CANCEL')").run(job);
  const owed = db.prepare("update job_links set todo = 'SETTLE' where job = ?").run(job);
  if (owed.changes > 0) unit.committed.links = true;
}

function noteLostLease(db: Handle, token: string, unit: Unit): void {
  db.prepare("delete from job_links where token = ? and todo = 'SETTLE'").run(token);
  const owed = db.prepare("update job_links set todo = 'CANCEL' where token = ? and todo is null").run(token);
  if (owed.changes > 0) unit.committed.links = true;
}

function lostTokens(before: readonly TaskRow[], change: Change): string[] {
  const freed = new Set(change.tasks.filter(({ token }) => token === null).map(keyOf));
  return before.flatMap((task) => (task.token !== null && freed.has(keyOf(task)) ? [task.token] : []));
}

function keyOf({ node, item }: TaskRef): string {
  return `${node}.${item}`;
}

/**
 * Whether a change has made room for a run of a stored pipeline that a job waits to start. The claim takes a job with
 * MAX_OPEN_CHILDREN of them off its list; whatever frees a lease puts it on again.
 */
export function freesPipeline(db: Handle, { row, state }: Loaded, change: Change): boolean {
  const freed = change.tasks.some(
    (task) => task.token === null && state.nodes[task.node]!.queue === PIPELINE_QUEUE,
  );
  if (!freed) return false;
  const waiting = db
    .prepare("select 1 from tasks where job = ? and queue = ? and status = 'READY' and token is null limit 1")
    .get(row.key, PIPELINE_QUEUE);
  return waiting !== undefined;
}

/** How many more tasks of this job may be leased from the queue of stored pipelines. */
export function pipelineRoom(db: Handle, job: number): number {
  const { open } = db
    .prepare(
      `select count(*) as open from tasks indexed by tasks_leased_job
       where job = ? and token is not null and queue = ?`,
    )
    .get(job, PIPELINE_QUEUE) as { open: number };
  return Math.max(MAX_OPEN_CHILDREN - open, 0);
}

interface OwedSqlRow extends JobSqlRow {
  token: string;
  todo: OwedLink['todo'];
  account_id: string;
  parent_key: number;
}

export function linksOf(db: Handle): Links {
  return {
    async owedLinks(after, limit) {
      const [todo, job] = (after ?? ' .0').split('.');
      const rows = db
        .prepare(
          `select l.token, l.todo, l.parent as parent_key, a.id as account_id, j.* from job_links l
           join jobs j on j.key = l.job join accounts a on a.key = j.account
           where l.todo is not null and (l.todo, l.job) > (?, ?) order by l.todo, l.job limit ?`,
        )
        .all(todo, Number(job), limit) as OwedSqlRow[];
      return rows.map((row) => ({
        place: `${row.todo}.${row.key}`,
        todo: row.todo,
        child: jobOf(row.account_id, row),
        token: row.token,
        ...taskOf(db, row),
      }));
    },
  };
}

/** What there is to know of the task of a link. Its error stands until the next attempt of it ends. */
function taskOf(db: Handle, { parent_key, token }: OwedSqlRow): Pick<OwedLink, 'failure' | 'timeoutMs'> {
  const ref = parseLeaseToken(token)!;
  const row = db
    .prepare(
      `select t.status, t.error, n.timeout_ms from tasks t join job_nodes n on n.job = t.job and n.node = t.node
       where t.job = ? and t.node = ? and t.item = ?`,
    )
    .get(parent_key, ref.node, ref.item) as {
    status: string;
    error: string | null;
    timeout_ms: number | null;
  };
  const ended = row.status === 'SUCCEEDED' || row.status === 'CANCELLED';
  const failure = ended || row.error === null ? null : (JSON.parse(row.error) as { message: string }).message;
  return { failure, timeoutMs: row.timeout_ms };
}
