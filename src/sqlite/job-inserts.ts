import { expiresAt } from '../deadlines.js';
import type { NewJob } from '../state.js';
import type { Submission } from '../store.js';
import { holdBack } from './admission.js';
import type { Unit } from './committer.js';
import type { Handle } from './database.js';
import { insertTasks, isExpanding } from './job-state.js';
import type { JobSqlRow } from './jobs.js';
import { insertJobTargets } from './lanes.js';
import { markReady } from './ready.js';

/** The first tasks of a new job. */
export function insertItems(
  db: Handle,
  row: JobSqlRow,
  nodes: NewJob['nodes'],
  newTasks: NewJob['newTasks'],
  unit: Unit,
): void {
  const queues = new Set<string>();
  insertTasks(db, row.key, nodes, newTasks, queues);
  if (markReady(db, row, queues, row.created_at)) unit.committed.readyQueues.push(...queues);
  else holdBack(db, row);
}

/** Numbers the job and writes it with its nodes, inputs, targets and idempotency key: `bytes` of them in all. */
export function insertJob(
  db: Handle,
  account: { key: number; id: string },
  { job, targets, idempotency, at }: Submission,
  bytes: number,
  held: boolean,
): JobSqlRow {
  const { jobs: number } = db
    .prepare(
      `update accounts set jobs = jobs + 1, running_jobs = running_jobs + 1, stored_bytes = stored_bytes + ?
       where key = ? returning jobs`,
    )
    .get(bytes, account.key) as { jobs: number };
  const { runs } = db
    .prepare(
      `insert into pipeline_runs (account, name, runs) values (?, ?, 1)
       on conflict (account, name) do update set runs = runs + 1 returning runs`,
    )
    .get(account.key, job.pipelineName) as { runs: number };
  const row = db
    .prepare(
      `insert into jobs (uuid, account, number, run, pipeline, external_id, tags, status, priority, progress, batch_tolerance, targets, created_at,
       experiment, types, parent, rerun_of, depth, concurrency, held, ttl_at, active_ttl_ms, expires_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning *`,
    )
    .get(
      job.uuid,
      account.key,
      number,
      runs,
      job.pipelineName,
      job.externalId,
      JSON.stringify(job.tags),
      job.row.status,
      job.priority,
      JSON.stringify(job.row.progress),
      job.row.batchTolerance,
      targets.length,
      at,
      job.experimentName,
      JSON.stringify(job.origin.types),
      job.origin.parentId,
      job.origin.rerunOfId,
      job.origin.depth,
      job.concurrency?.amount ?? null,
      Number(held),
      job.row.deadlines.ttlAt,
      job.row.deadlines.activeTtlMs,
      expiresAt(job.row.deadlines),
    ) as JobSqlRow;
  db.prepare('insert into job_inputs (job, descriptor, flow_input) values (?, ?, ?)').run(
    row.key,
    job.descriptor,
    job.flowInput,
  );
  const insertNode = db.prepare(
    `insert into job_nodes (job, node, name, kind, algorithm, queue, batch, parents, needs, waits, fan, retry_policy, retry_limit,
     timeout_ms, in_results, status, total, expanded, succeeded, failed, active, expanding, kept_job, kept_node, kept_whole)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?)`,
  );
  const insertInput = db.prepare(
    'insert into node_inputs (job, node, input, operation, extra_data) values (?, ?, ?, ?, ?)',
  );
  for (const node of job.nodes) {
    insertNode.run(
      row.key,
      node.index,
      node.name,
      node.kind,
      node.algorithmName,
      node.queue,
      Number(node.batch),
      JSON.stringify(node.parents),
      node.needs.length === node.parents.length ? null : JSON.stringify(node.needs),
      JSON.stringify(node.waits),
      node.fan,
      node.retryPolicy,
      node.retryLimit,
      node.timeoutMs,
      Number(node.includeInResults),
      node.status,
      node.total,
      node.expanded,
      Number(isExpanding(node)),
      node.kept && keptJobKey(db, account.key, node.kept.jobUuid),
      node.kept?.node ?? null,
      Number(node.keeping?.whole ?? false),
    );
    insertInput.run(row.key, node.index, node.input, node.operation, node.extraData);
  }
  insertJobTargets(db, account.key, row.key, targets, at);
  if (idempotency) {
    db.prepare(
      'insert into idempotency_keys (account, operation, key, hash, job, created_at) values (?, ?, ?, ?, ?, ?)',
    ).run(account.key, idempotency.operation, idempotency.key, idempotency.hash, row.key, at);
  }
  return row;
}

/** The key of a job whose tasks are kept; 0, which is none, where it is gone: the copying finds that out. */
function keptJobKey(db: Handle, account: number, uuid: string): number {
  const row = db.prepare('select key from jobs where uuid = ? and account = ?').get(uuid, account);
  return (row as { key: number } | undefined)?.key ?? 0;
}
