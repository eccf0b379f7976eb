import { expiresAt } from '../deadlines.js';
import type { NodeStatus, Progress } from '../job.js';
import { type NodeKind, PIPELINE_QUEUE } from '../node-kind.js';
import {
  type Change,
  type JobState,
  type NodeRow,
  type Outcome,
  type TaskRow,
  takesLeases,
} from '../state.js';
import type { RetryPolicy, TaskStatus } from '../task.js';
import { admitHeld, holdBack, letGo, mayExpand } from './admission.js';
import { forgetArrivals, forgetArrivalsOf, insertArrivals, isLookedAt } from './arrivals.js';
import type { Unit } from './committer.js';
import type { Handle } from './database.js';
import type { JobSqlRow } from './jobs.js';
import { freesPipeline, noteLinks } from './links.js';
import { markReady } from './ready.js';
import { oweTriggered } from './triggers.js';
import { addUse, bytesOf } from './usage.js';

export interface NodeSqlRow {
  job: number;
  node: number;
  name: string;
  kind: string;
  algorithm: string;
  queue: string;
  batch: number;
  parents: string;
  needs: string | null;
  waits: string;
  fan: number | null;
  scanned: number;
  retry_policy: string;
  retry_limit: number;
  timeout_ms: number | null;
  in_results: number;
  status: string;
  total: number | null;
  expanded: number;
  succeeded: number;
  failed: number;
  active: number;
  kept_job: number | null;
  kept_whole: number;
  kept: number;
}

export interface TaskSqlRow {
  job: number;
  node: number;
  item: number;
  status: TaskStatus;
  attempt: number;
  lost: number;
  token: string | null;
  worker: string | null;
  lease_expires_at: number | null;
  retry_at: number | null;
  percent: number | null;
  error: string | null;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
}

export function nodeOf(row: NodeSqlRow): NodeRow {
  return {
    index: row.node,
    name: row.name,
    kind: row.kind as NodeKind,
    algorithmName: row.algorithm,
    queue: row.queue,
    batch: row.batch === 1,
    parents: JSON.parse(row.parents) as number[],
    needs: JSON.parse(row.needs ?? row.parents) as number[],
    waits: JSON.parse(row.waits) as number[],
    fan: row.fan,
    scanned: row.scanned,
    retryPolicy: row.retry_policy as RetryPolicy,
    retryLimit: row.retry_limit,
    status: row.status as NodeStatus,
    total: row.total,
    expanded: row.expanded,
    succeeded: row.succeeded,
    failed: row.failed,
    active: row.active,
    keeping: row.kept_job === null ? null : { whole: row.kept_whole === 1, next: row.kept },
  };
}

export function taskRowOf(row: TaskSqlRow): TaskRow {
  return {
    node: row.node,
    item: row.item,
    status: row.status,
    attempt: row.attempt,
    lost: row.lost,
    token: row.token,
    worker: row.worker,
    leaseExpiresAt: row.lease_expires_at,
    retryAt: row.retry_at,
    percent: row.percent,
    error: row.error === null ? null : (JSON.parse(row.error) as TaskRow['error']),
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

export interface Loaded {
  row: JobSqlRow;
  accountId: string;
  state: JobState;
}

/** What the rules may see, as JobState says: never more than the batch handed in, and a task of each batch. */
export function loadState(db: Handle, uuid: string, outcomes: readonly Outcome[]): Loaded | null {
  const row = db
    .prepare('select j.*, a.id as account_id from jobs j join accounts a on a.key = j.account where uuid = ?')
    .get(uuid) as (JobSqlRow & { account_id: string }) | undefined;
  if (!row) return null;
  const nodes = (
    db.prepare('select * from job_nodes where job = ? order by node').all(row.key) as NodeSqlRow[]
  ).map(nodeOf);
  const refs = outcomes.flatMap((outcome) =>
    'ref' in outcome ? [[outcome.ref.node, outcome.ref.item]] : [],
  );
  for (const { index, batch, active, failed } of nodes)
    if (batch && active + failed > 0) refs.push([index, 1]);
  const named = db
    .prepare(
      `select t.* from (select distinct value ->> 0 as node, value ->> 1 as item from json_each(?)) r
       join tasks t on t.job = ? and t.node = r.node and t.item = r.item`,
    )
    .all(JSON.stringify(refs), row.key) as TaskSqlRow[];
  const leased = outcomes.some(takesLeases)
    ? (db
        .prepare('select * from tasks indexed by tasks_leased_job where job = ? and token is not null')
        .all(row.key) as TaskSqlRow[])
    : [];
  const tasks = new Map([...leased, ...named].map((task) => [`${task.node}.${task.item}`, taskRowOf(task)]));
  const job = {
    uuid: row.uuid,
    status: row.status,
    reason: row.reason,
    error: row.error === null ? null : JSON.parse(row.error),
    progress: JSON.parse(row.progress) as Progress,
    batchTolerance: row.batch_tolerance,
    deadlines: {
      ttlAt: row.ttl_at,
      activeTtlMs: row.active_ttl_ms,
      activeTtlAt: row.active_ttl_at,
      pausedAt: row.paused_at,
    },
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
  return { row, accountId: row.account_id, state: { job, nodes, tasks: [...tasks.values()] } };
}

/** Writes what the rules decided: state, results, new tasks, then the events and deliveries that tell of it. */
export function writeChange(db: Handle, loaded: Loaded, change: Change, unit: Unit): void {
  const { row, accountId, state } = loaded;
  if (!change.accepted.includes(true) && change.events.length === 0) return;
  const { job } = change;
  const ended = job.finishedAt !== null;
  db.prepare(
    `update jobs set status = ?, reason = ?, error = ?, progress = ?, started_at = ?, finished_at = ?,
     ttl_at = ?, active_ttl_at = ?, paused_at = ?, expires_at = ? where key = ?`,
  ).run(
    job.status,
    job.reason,
    json(job.error),
    JSON.stringify(job.progress),
    job.startedAt,
    job.finishedAt,
    job.deadlines.ttlAt,
    job.deadlines.activeTtlAt,
    job.deadlines.pausedAt,
    ended ? null : expiresAt(job.deadlines),
    row.key,
  );
  const before = row.status;
  row.status = job.status;
  row.started_at = job.startedAt;

  const updateNode = db.prepare(
    `update job_nodes set status = ?, total = ?, expanded = ?, fan = ?, scanned = ?, succeeded = ?, failed = ?, active = ?, expanding = ?,
       kept_job = iif(?, kept_job, null), kept = ?
     where job = ? and node = ?`,
  );
  forgetArrivals(db, change.lookedAt);
  if (!ended) insertArrivals(db, row.key, change.arrivals, unit);
  for (const node of change.nodes) {
    const expanding = !ended && (isExpanding(node) || isLookedAt(db, row.key, node));
    updateNode.run(
      node.status,
      node.total,
      node.expanded,
      node.fan,
      node.scanned,
      node.succeeded,
      node.failed,
      node.active,
      expanding ? (mayExpand(row) ? 1 : 2) : 0,
      Number(node.keeping !== null),
      node.keeping?.next ?? 0,
      row.key,
      node.index,
    );
    if (expanding && mayExpand(row)) unit.committed.expansion = true;
  }
  const updateTask = db.prepare(
    `update tasks set status = ?, attempt = ?, lost = ?, token = ?, worker = ?, lease_expires_at = ?, retry_at = ?, percent = ?,
     error = ?, started_at = ?, finished_at = ? where job = ? and node = ? and item = ?`,
  );
  const queues = new Set<string>();
  for (const task of change.tasks) {
    updateTask.run(
      task.status,
      task.attempt,
      task.lost,
      task.token,
      task.worker,
      task.leaseExpiresAt,
      task.retryAt,
      task.percent,
      json(task.error),
      task.startedAt,
      task.finishedAt,
      row.key,
      task.node,
      task.item,
    );
    if (task.status === 'READY' && task.token === null) queues.add(state.nodes[task.node]!.queue);
  }
  noteLinks(db, loaded, change, unit);
  if (!ended && freesPipeline(db, loaded, change)) queues.add(PIPELINE_QUEUE);
  const insertResult = db.prepare('insert into task_results (job, node, item, value) values (?, ?, ?, ?)');
  const addBytes = db.prepare(
    'update job_nodes set result_bytes = result_bytes + ? where job = ? and node = ?',
  );
  const bytes = new Map<number, number>();
  for (const result of change.results) {
    insertResult.run(row.key, result.node, result.item, result.json);
    bytes.set(result.node, (bytes.get(result.node) ?? 0) + result.json.length + 1);
  }
  for (const [node, added] of bytes) addBytes.run(added, row.key, node);
  insertTasks(db, row.key, state.nodes, change.newTasks, queues);
  const written =
    bytesOf(change.results.map((result) => result.json)) +
    bytesOf(change.newTasks.map((task) => task.itemJson));
  // An ended job accepts nothing, so it ends once.
  addUse(db, row.account, written, Number(ended));

  const at = change.events.at(-1)?.occurredAt ?? change.newTasks[0]?.queuedAt ?? row.created_at;
  if (ended) {
    db.prepare('delete from ready_jobs where job = ?').run(row.key);
    db.prepare('update job_nodes set expanding = 0 where job = ? and expanding <> 0').run(row.key);
    forgetArrivalsOf(db, row.key);
    if (row.held === 0) admitHeld(db, row, unit, at);
  } else if (job.status === 'PAUSED') {
    if (before !== 'PAUSED') holdBack(db, row);
  } else if (before === 'PAUSED') {
    if (row.held === 0) letGo(db, row, unit, at);
    else admitHeld(db, row, unit, at);
  } else if (markReady(db, row, queues, at)) {
    unit.committed.readyQueues.push(...queues);
  }
  if (job.status === 'COMPLETED' && oweTriggered(db, row)) unit.committed.triggered = true;
  unit.committed.revoked.push(...change.revoked);
  unit.append({ key: row.account, id: accountId }, row, change.events);
}

/** Whether rows of it are still to be made or copied; see isLookedAt for nodes that wait. */
export function isExpanding(node: NodeRow): boolean {
  if (node.status !== 'ACTIVE') return false;
  if (node.keeping !== null) return true;
  if (!node.batch || node.waits.length > 0) return false;
  return node.total === null || node.expanded < node.total;
}

/** Rows of tasks that wait to be claimed; notes their queues. */
export function insertTasks(
  db: Handle,
  job: number,
  nodes: readonly NodeRow[],
  newTasks: Change['newTasks'],
  queues: Set<string>,
): void {
  const insertTask = db.prepare(
    "insert into tasks (job, node, item, queue, status, queued_at) values (?, ?, ?, ?, 'READY', ?)",
  );
  const insertItem = db.prepare('insert into task_items (job, node, item, value) values (?, ?, ?, ?)');
  for (const task of newTasks) {
    const { queue } = nodes[task.node]!;
    insertTask.run(job, task.node, task.item, queue, task.queuedAt);
    if (task.itemJson !== null) insertItem.run(job, task.node, task.item, task.itemJson);
    queues.add(queue);
  }
}

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
