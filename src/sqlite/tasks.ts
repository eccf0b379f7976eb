import type { Ids } from '../id.js';
import { isEnded, type JobStatus, jobId } from '../job.js';
import type { LeasedTask } from '../lease.js';
import { PIPELINE_QUEUE } from '../node-kind.js';
import { referencesIn } from '../reference.js';
import { newTask } from '../state.js';
import type { Claim, Expansion, Tasks } from '../store.js';
import { leaseToken, parseLeaseToken, parseTaskId, type Task, type TaskStatus, taskId } from '../task.js';
import { accountKey } from './accounts.js';
import { forgetArrivalsOf, jobToForget, lookAt } from './arrivals.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { InputReader } from './input.js';
import { type NodeSqlRow, nodeOf, type TaskSqlRow, taskRowOf } from './job-state.js';
import { type JobSqlRow, jobRow } from './jobs.js';
import { pipelineRoom } from './links.js';
import { lastTurn, listAccount, markReady, nextTurn, noteTurn, type Turn } from './ready.js';
import { listTasks, type Named } from './task-list.js';

/** Tasks of one job that one turn gives: more would let a large job crowd out the small ones of its priority. */
const TASKS_A_TURN = 32;
/** Input texts that one claim may carry; a single task may exceed it. */
const CLAIM_BYTES = 8 * 1024 * 1024;

export function tasksOf(db: Handle, commits: GroupCommit, ids: Ids): Omit<Tasks, 'keep'> {
  let turn = lastTurn(db);
  return {
    claim: (claim) =>
      commits.run(() => {
        const leased: LeasedTask[] = [];
        const queues = JSON.stringify(claim.queues);
        const input = new InputReader(db);
        const secret = ids.bytes(12).toString('base64url');
        while (leased.length < claim.max && input.bytes < CLAIM_BYTES) {
          const next = nextTurn(db, queues);
          if (!next) break;
          const room = next.queue === PIPELINE_QUEUE ? pipelineRoom(db, next.job) : Number.POSITIVE_INFINITY;
          const limit = Math.min(TASKS_A_TURN, claim.max - leased.length, room);
          const rows = leaseTasks(db, next, limit, claim, secret);
          const tasks = rows.length > 0 ? describe(db, next, rows, input) : [];
          giveBack(db, rows.slice(tasks.length));
          const drained = tasks.length < limit && tasks.length === rows.length;
          noteTurn(db, next, ++turn, claim.at, drained || tasks.length === room);
          leased.push(...tasks);
        }
        return leased;
      }),

    async readyQueues(limit) {
      const rows = db.prepare('select distinct queue from ready_accounts limit ?').all(limit);
      return (rows as { queue: string }[]).map(({ queue }) => queue);
    },

    extend: (tokens, until, at) =>
      commits.run(() => {
        const update = db.prepare(
          `update tasks set lease_expires_at = ? where job = (select key from jobs where uuid = ?) and node = ? and item = ? and token = ?
             and lease_expires_at > ?`,
        );
        return tokens.map((token) => {
          const ref = parseLeaseToken(token);
          return ref !== null && update.run(until, ref.jobUuid, ref.node, ref.item, token, at).changes > 0;
        });
      }),

    async expiredLeases(at, limit, ofWorkers) {
      const rows = db
        .prepare(
          `select t.token, j.uuid as jobUuid from tasks t join jobs j on j.key = t.job
           where t.token is not null and ${ofWorkers === undefined ? 't.lease_expires_at <= @at' : 'substr(t.worker, 1, length(@prefix)) = @prefix'}
           limit @limit`,
        )
        .all(ofWorkers === undefined ? { at, limit } : { prefix: ofWorkers, limit });
      return rows as { token: string; jobUuid: string }[];
    },

    promoteRetries: (at, limit) =>
      commits.run(() => {
        const due = db
          .prepare(
            `select t.job, t.node, t.item, t.queue, j.account, j.priority, j.status, j.held from tasks t join jobs j on j.key = t.job
             where t.status = 'WAITING' and t.retry_at <= ? order by t.retry_at limit ?`,
          )
          .all(at, limit) as {
          job: number;
          node: number;
          item: number;
          queue: string;
          account: number;
          priority: number;
          status: JobStatus;
          held: number;
        }[];
        const promote = db.prepare(
          'update tasks set status = ?, retry_at = null where job = ? and node = ? and item = ?',
        );
        const queues = new Set<string>();
        for (const task of due) {
          const live = !isEnded(task.status);
          promote.run(live ? 'READY' : 'CANCELLED', task.job, task.node, task.item);
          if (!live) continue;
          if (markReady(db, { ...task, key: task.job }, [task.queue], at)) queues.add(task.queue);
        }
        const next = db.prepare("select min(retry_at) as at from tasks where status = 'WAITING'").get() as {
          at: number | null;
        };
        return { readyQueues: [...queues], nextAt: next.at };
      }),

    agePriorities: (at, afterMs) =>
      commits.run(() => {
        const rows = db
          .prepare('select queue, job, account, rank from ready_jobs where since <= ? and rank < 5 limit 500')
          .all(at - afterMs) as Turn[];
        const raise = db.prepare(
          'update ready_jobs set rank = rank + 1, since = ? where queue = ? and job = ?',
        );
        for (const row of rows) {
          raise.run(at, row.queue, row.job);
          listAccount(db, row.queue, row.rank + 1, row.account);
        }
      }),

    async nextExpansion(after): Promise<Expansion | null> {
      const [job, node] = (after ?? '0.0').split('.').map(Number);
      const query = `select n.job, n.node, n.expanded, n.waits, n.kept_job is not null as keeping, iif(n.waits = '[]', n.total, n.fan) as size, j.uuid
        from job_nodes n join jobs j on j.key = n.job where n.expanding = 1`;
      const row = (db
        .prepare(`${query} and (n.job, n.node) > (?, ?) order by n.job, n.node limit 1`)
        .get(job, node) ?? db.prepare(`${query} order by n.job, n.node limit 1`).get()) as
        | {
            job: number;
            node: number;
            expanded: number;
            waits: string;
            keeping: number;
            size: number | null;
            uuid: string;
          }
        | undefined;
      if (!row) return null;
      const { uuid: jobUuid, expanded } = row;
      return {
        place: `${row.job}.${row.node}`,
        jobUuid,
        node: row.node,
        expanded,
        waits: row.waits !== '[]',
        keeping: row.keeping === 1,
        size: row.size,
      };
    },

    async expansionInputs(jobUuid, node) {
      const row = db
        .prepare(
          `select n.job, n.name, i.input, i.operation from job_nodes n join jobs j on j.key = n.job
           join node_inputs i on i.job = n.job and i.node = n.node where j.uuid = ? and n.node = ? and n.expanding = 1`,
        )
        .get(jobUuid, node) as
        | { job: number; name: string; input: string; operation: 'indexed' | 'cartesian' }
        | undefined;
      if (!row) return null;
      // A node that waits for items is asked for whenever some arrive; that it has no batch besides is seen at once.
      const references = row.input.includes('"#')
        ? referencesIn(JSON.parse(row.input)).filter((one) => one.relation === 'batch')
        : [];
      const source = new InputReader(db).source(row.job, row.input, references, null);
      return { nodeName: row.name, references, operation: row.operation, source };
    },

    async waiting(jobUuid, node, most) {
      return lookAt(db, jobUuid, node, most);
    },

    async forgetArrivals() {
      const job = jobToForget(db);
      if (job === null) return false;
      await commits.run(() => forgetArrivalsOf(db, job));
      return true;
    },

    async task(accountId, id) {
      const ref = parseTaskId(id);
      const job =
        ref && (db.prepare('select * from jobs where uuid = ?').get(ref.jobUuid) as JobSqlRow | undefined);
      if (!ref || !job || job.account !== accountKey(db, accountId)) return null;
      const node = db.prepare('select * from job_nodes where job = ? and node = ?').get(job.key, ref.node) as
        | NodeSqlRow
        | undefined;
      if (!node) return null;
      const row = db
        .prepare('select * from tasks where job = ? and node = ? and item = ?')
        .get(job.key, ref.node, ref.item) as TaskSqlRow | undefined;
      return row ? taskOf(job, node, row) : pseudoTask(job, node, ref.item);
    },

    async tasks(accountId, id, filter, page) {
      const job = jobRow(db, accountId, id);
      if (!job) return [];
      return (await listTasks(db, job, filter, page)).map((row) => taskOf(job, row, row));
    },

    async inputSource(accountId, id) {
      const place = ownTask(db, accountId, id);
      if (!place) return null;
      const row = db
        .prepare('select input from node_inputs where job = ? and node = ?')
        .get(place.job, place.node) as { input: string };
      return new InputReader(db).ofTask(place.job, place.node, place.item, row.input);
    },

    async taskResult(accountId, id) {
      const place = ownTask(db, accountId, id);
      if (!place) return null;
      const row = db
        .prepare('select value from task_results where job = ? and node = ? and item = ?')
        .get(place.job, place.node, place.item);
      return (row as { value: string } | undefined)?.value ?? null;
    },
  };
}

/**
 * Leases the next tasks of one job: the rows leave the index of ready ones, so that no claim steps over them. Left to
 * itself, SQLite takes the primary key for its order, and steps over everything that is done.
 */
function leaseTasks(db: Handle, turn: Turn, limit: number, claim: Claim, secret: string): TaskSqlRow[] {
  const { uuid } = db.prepare('select uuid from jobs where key = ?').get(turn.job) as { uuid: string };
  // The token of leaseToken(), put together where the rows are: one statement for all of them.
  const [prefix, suffix] = leaseToken(uuid, { node: 0, item: 0 }, secret).split('0_0.');
  const rows = db
    .prepare(
      `update tasks set token = @prefix || node || '_' || item || @suffix, worker = @worker, lease_expires_at = @until
       where (job, node, item) in (
         select job, node, item from tasks indexed by tasks_ready
         where job = @job and queue = @queue and status = 'READY' and token is null order by node, item limit @limit)
       returning *`,
    )
    .all({
      prefix,
      suffix: `.${suffix}`,
      worker: claim.worker,
      until: claim.at + claim.leaseMs,
      job: turn.job,
      queue: turn.queue,
      limit,
    }) as TaskSqlRow[];
  return rows.sort((a, b) => a.node - b.node || a.item - b.item);
}

/** What would be too much to carry: nobody has seen that it was leased. */
function giveBack(db: Handle, rows: readonly TaskSqlRow[]): void {
  const free = db.prepare(
    'update tasks set token = null, worker = null, lease_expires_at = null where job = ? and node = ? and item = ?',
  );
  for (const { job, node, item } of rows) free.run(job, node, item);
}

interface DescribedNode {
  name: string;
  algorithm: string;
  timeout_ms: number | null;
  input: string;
  extra_data: string | null;
}

/** All that a worker needs to run leased tasks of one job: the first ones, up to CLAIM_BYTES and at least one. */
function describe(db: Handle, turn: Turn, rows: TaskSqlRow[], input: InputReader): LeasedTask[] {
  const job = db
    .prepare(
      'select j.uuid, j.pipeline, a.id as accountId from jobs j join accounts a on a.key = j.account where j.key = ?',
    )
    .get(turn.job) as { uuid: string; pipeline: string; accountId: string };
  const nodes = new Map<number, DescribedNode>();
  const load = db.prepare(
    `select n.name, n.algorithm, n.timeout_ms, i.input, i.extra_data from job_nodes n
     join node_inputs i on i.job = n.job and i.node = n.node where n.job = ? and n.node = ?`,
  );
  const tasks: LeasedTask[] = [];
  for (const row of rows) {
    if (tasks.length > 0 && input.bytes >= CLAIM_BYTES) break;
    const node = nodes.get(row.node) ?? (load.get(row.job, row.node) as DescribedNode);
    nodes.set(row.node, node);
    tasks.push({
      token: row.token!,
      taskId: taskId(job.uuid, row),
      jobId: jobId(job.pipeline, job.uuid),
      accountId: job.accountId,
      pipelineName: job.pipeline,
      nodeName: node.name,
      algorithmName: node.algorithm,
      queue: turn.queue,
      batchIndex: row.item === 0 ? null : row.item,
      attempt: row.attempt + 1,
      timeoutMs: node.timeout_ms,
      leaseExpiresAt: row.lease_expires_at!,
      source: input.ofTask(row.job, row.node, row.item, node.input),
      extraData: node.extra_data,
    });
  }
  return tasks;
}

function ownTask(
  db: Handle,
  accountId: string,
  id: string,
): { job: number; node: number; item: number } | null {
  const ref = parseTaskId(id);
  if (!ref) return null;
  const job = db.prepare('select key, account from jobs where uuid = ?').get(ref.jobUuid) as
    | { key: number; account: number }
    | undefined;
  if (!job || job.account !== accountKey(db, accountId)) return null;
  const known = db
    .prepare('select 1 from tasks where job = ? and node = ? and item = ?')
    .get(job.key, ref.node, ref.item);
  return known ? { job: job.key, node: ref.node, item: ref.item } : null;
}

function shownStatus(status: TaskStatus, job: JobStatus): TaskStatus {
  const open = status === 'READY' || status === 'WAITING' || status === 'ACTIVE';
  return open && (job === 'FAILED' || job === 'CANCELLED') ? 'CANCELLED' : status;
}

function taskOf(job: JobSqlRow, node: Named, row: TaskSqlRow): Task {
  const { lost: _lost, token: _token, retryAt: _retryAt, ...task } = taskRowOf(row);
  return {
    ...task,
    id: taskId(job.uuid, row),
    jobId: jobId(job.pipeline, job.uuid),
    nodeName: node.name,
    algorithmName: node.algorithm,
    status: shownStatus(row.status, job.status),
  };
}

/** A task that has no row: of a node that waits, was skipped, or is not expanded so far. */
function pseudoTask(job: JobSqlRow, sqlNode: NodeSqlRow, item: number): Task | null {
  const node = nodeOf(sqlNode);
  const exists =
    item === 0 ? !node.batch || node.status === 'SKIPPED' : node.batch && item <= (node.total ?? 0);
  if (!exists) return null;
  const status: TaskStatus = node.status === 'SKIPPED' ? 'SKIPPED' : 'WAITING';
  return taskOf(job, sqlNode, {
    ...sqlTask(newTask(node.index, item, job.created_at)),
    job: job.key,
    status,
  });
}

function sqlTask(task: ReturnType<typeof newTask>): Omit<TaskSqlRow, 'job'> {
  const { node, item, status, attempt, lost, queuedAt } = task;
  return {
    node,
    item,
    status,
    attempt,
    lost,
    token: null,
    worker: null,
    lease_expires_at: null,
    retry_at: null,
    percent: null,
    error: null,
    queued_at: queuedAt,
    started_at: null,
    finished_at: null,
  };
}
