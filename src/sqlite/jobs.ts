import type { EventJob } from '../event.js';
import {
  type Job,
  type JobError,
  type JobNode,
  type JobStatus,
  type JobType,
  jobId,
  type NodeStatus,
  type Progress,
  parseJobId,
  progressOf,
} from '../job.js';
import type { ResultItem } from '../result.js';
import type { Change, Outcome } from '../state.js';
import type { Decide, JobFilter, JobOutcomes, Jobs, Settled, Submission, Submitted } from '../store.js';
import type { TaskStatus } from '../task.js';
import { unitsOf } from '../units.js';
import { accountKey } from './accounts.js';
import { admission } from './admission.js';
import { causeStands, takeCause } from './causes.js';
import type { Committer, Unit } from './committer.js';
import type { Handle } from './database.js';
import { insertItems, insertJob } from './job-inserts.js';
import { isExpanding, loadState, type NodeSqlRow, nodeOf, writeChange } from './job-state.js';
import { bytesOfJob, noRoom } from './usage.js';

export interface JobSqlRow {
  key: number;
  uuid: string;
  account: number;
  number: number;
  run: number;
  pipeline: string;
  external_id: string | null;
  tags: string;
  status: JobStatus;
  reason: string | null;
  error: string | null;
  priority: number;
  progress: string;
  batch_tolerance: number;
  sequence: number;
  position: number;
  targets: number;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  experiment: string;
  types: string;
  parent: string | null;
  rerun_of: string | null;
  depth: number;
  has_children: number;
  concurrency: number | null;
  held: number;
  ttl_at: number | null;
  active_ttl_ms: number | null;
  active_ttl_at: number | null;
  paused_at: number | null;
}

export function jobOf(accountId: string, row: JobSqlRow): Job {
  return {
    id: jobId(row.pipeline, row.uuid),
    uuid: row.uuid,
    accountId,
    number: row.number,
    run: row.run,
    externalId: row.external_id,
    pipelineName: row.pipeline,
    experimentName: row.experiment,
    types: JSON.parse(row.types) as JobType[],
    parentId: row.parent,
    rerunOfId: row.rerun_of,
    depth: row.depth,
    status: row.status,
    reason: row.reason,
    error: row.error === null ? null : (JSON.parse(row.error) as JobError),
    priority: row.priority,
    tags: JSON.parse(row.tags) as string[],
    progress: JSON.parse(row.progress) as Progress,
    sequence: row.sequence,
    position: row.position,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

export function eventJobOf(row: JobSqlRow): EventJob {
  return {
    id: jobId(row.pipeline, row.uuid),
    number: row.number,
    pipelineName: row.pipeline,
    externalId: row.external_id,
    tags: JSON.parse(row.tags) as string[],
    createdAt: row.created_at,
  };
}

/** The row of a job of this account; undefined for anything else. */
export function jobRow(db: Handle, accountId: string, id: string): JobSqlRow | undefined {
  const parts = parseJobId(id);
  if (!parts) return undefined;
  const row = db
    .prepare('select j.* from jobs j join accounts a on a.key = j.account where j.uuid = ? and a.id = ?')
    .get(parts.uuid, accountId) as JobSqlRow | undefined;
  return row?.pipeline === parts.pipelineName ? row : undefined;
}

/** Jobs that a list looks at before the event loop gets its turn: about 2 ms where nothing matches. */
const LOOKED_AT = 5_000;

export function jobsOf(db: Handle, committer: Committer): Jobs {
  const replay = (accountId: string, idempotency: Submission['idempotency']) => {
    if (!idempotency) return null;
    const row = db
      .prepare(
        `select i.hash, j.uuid, j.pipeline from idempotency_keys i join jobs j on j.key = i.job
         where i.account = ? and i.operation = ? and i.key = ?`,
      )
      .get(accountKey(db, accountId), idempotency.operation, idempotency.key) as
      | { hash: string; uuid: string; pipeline: string }
      | undefined;
    if (!row) return null;
    return row.hash === idempotency.hash ? jobId(row.pipeline, row.uuid) : ({ conflict: true } as const);
  };

  return {
    submit: (submission): Promise<Submitted> =>
      committer.run((unit): Submitted => {
        // Looked up again under the write lock: of two at the same instant one finds the other's job.
        const earlier = replay(submission.accountId, submission.idempotency);
        if (typeof earlier === 'string') return { jobId: earlier, replayed: true, committed: unit.committed };
        if (earlier !== null) return earlier;
        const account = { key: accountKey(db, submission.accountId)!, id: submission.accountId };
        const { cause } = submission;
        if (cause && !causeStands(db, cause)) return { stale: true };
        const bytes = bytesOfJob(submission.job);
        const full = noRoom(db, account, submission.limits, bytes);
        if (full) return { noRoom: full };
        const { pipelineName: pipeline, experimentName: experiment, concurrency } = submission.job;
        const admitted = admission(db, { account: account.key, pipeline, experiment }, concurrency);
        if (admitted === 'refuse') return { tooMany: concurrency!.amount };
        const row = insertJob(db, account, submission, bytes, admitted === 'hold');
        if (cause) takeCause(db, cause, row, unit);
        insertItems(db, row, submission.job.nodes, submission.job.newTasks, unit);
        unit.append(account, row, submission.job.events);
        if (row.held === 0 && submission.job.nodes.some(isExpanding)) unit.committed.expansion = true;
        return { jobId: jobId(row.pipeline, row.uuid), replayed: false, committed: unit.committed };
      }),

    async findIdempotent(accountId, key) {
      const earlier = replay(accountId, key);
      return typeof earlier === 'string' ? { jobId: earlier } : earlier;
    },

    settle: (group, decide) => committer.run((unit) => settle(db, group, decide, unit)),

    async job(accountId, id) {
      const row = jobRow(db, accountId, id);
      return row ? jobOf(accountId, row) : null;
    },

    async jobs(accountId, filter, page) {
      const account = accountKey(db, accountId) ?? 0;
      const numberOf = (id: string) => jobRow(db, accountId, id)?.number ?? 0;
      const { newest } = db
        .prepare('select max(number) as newest from jobs where account = ?')
        .get(account) as { newest: number | null };
      let low = page.before === null ? 1 : numberOf(page.before) + 1;
      let high = page.after === null ? (newest ?? 0) : numberOf(page.after) - 1;
      const query = db.prepare(jobsQuery(filter, page.inverted));
      const found: Job[] = [];
      while (low <= high && found.length < page.limit) {
        const [from, to] = page.inverted
          ? [low, Math.min(high, low + LOOKED_AT - 1)]
          : [Math.max(low, high - LOOKED_AT + 1), high];
        const limit = page.limit - found.length;
        const rows = query.all({ ...jobsParameters(account, filter), from, to, limit }) as JobSqlRow[];
        found.push(...rows.map((row) => jobOf(accountId, row)));
        if (page.inverted) low = to + 1;
        else high = from - 1;
        // A filter that matches little may go through every job there is: others get their turn.
        if (low <= high && found.length < page.limit) await new Promise((resolve) => setImmediate(resolve));
      }
      return found;
    },

    async overdueJobs(at, limit) {
      const due = db
        .prepare(
          'select uuid from jobs indexed by jobs_expiring where expires_at <= ? order by expires_at limit ?',
        )
        .all(at, limit) as { uuid: string }[];
      const next = db
        .prepare('select min(expires_at) as at from jobs indexed by jobs_expiring where expires_at > ?')
        .get(at) as { at: number | null };
      return { jobUuids: due.map(({ uuid }) => uuid), nextAt: next.at };
    },

    async descriptor(accountId, id) {
      const row = jobRow(db, accountId, id);
      if (!row) return null;
      return (
        db.prepare('select descriptor from job_inputs where job = ?').get(row.key) as { descriptor: string }
      ).descriptor;
    },

    async nodes(accountId, id): Promise<JobNode[]> {
      const job = jobRow(db, accountId, id);
      if (!job) return [];
      const rows = db
        .prepare('select * from job_nodes where job = ? order by node')
        .all(job.key) as NodeSqlRow[];
      const first = db.prepare('select status from tasks where job = ? and node = ? and item = 1').pluck();
      const stopped = job.status === 'FAILED' || job.status === 'CANCELLED';
      return rows.map(nodeOf).map((node) => ({
        jobId: id,
        index: node.index,
        name: node.name,
        algorithmName: node.algorithmName,
        status: shownNodeStatus(node.status, stopped),
        dependsOn: node.parents.map((parent) => rows[parent]!.name),
        progress: progressOf([unitsOf(node, first.get(job.key, node.index) as TaskStatus)], stopped, 0),
      }));
    },

    async nodeRows(accountId, id) {
      const job = jobRow(db, accountId, id);
      const rows = job ? db.prepare('select * from job_nodes where job = ? order by node').all(job.key) : [];
      return (rows as NodeSqlRow[]).map(nodeOf);
    },

    async results(accountId, id, from, limit, maxBytes) {
      const job = jobRow(db, accountId, id);
      return job ? resultItems(db, job, from, limit, maxBytes).items : [];
    },
  };
}

/** What never started when its job ended reads as CANCELLED: no row was touched for it. */
export function shownNodeStatus(status: NodeStatus, stopped: boolean): NodeStatus {
  return stopped && (status === 'WAITING' || status === 'ACTIVE') ? 'CANCELLED' : status;
}

/** What Store.settle does, as a part of a transaction. */
export function settle(db: Handle, { jobUuid, outcomes }: JobOutcomes, decide: Decide, unit: Unit): Settled {
  const loaded = loadState(db, jobUuid, outcomes);
  if (!loaded) return { accepted: outcomes.map(() => false), committed: unit.committed };
  let change: Change;
  try {
    change = decide(loaded.state, outcomes);
  } catch (broken) {
    failJob(db, jobUuid, outcomes[0]!.at, decide, unit);
    return { accepted: outcomes.map(() => false), committed: unit.committed, broken };
  }
  writeChange(db, loaded, change, unit);
  return { accepted: change.accepted, committed: unit.committed };
}

/** A rule that throws must not be tried again for ever: that job alone ends. */
function failJob(db: Handle, uuid: string, at: number, decide: Decide, unit: Unit): void {
  const outcomes: Outcome[] = [{ kind: 'broken', at }];
  const loaded = loadState(db, uuid, outcomes)!;
  writeChange(db, loaded, decide(loaded.state, outcomes), unit);
}

/**
 * Result items of a completed job from item `from` on; stops before `maxBytes` of result text (but gives at least
 * one). Items of a batch are dense, so where to begin is computed, not counted.
 */
export function resultItems(
  db: Handle,
  job: Pick<JobSqlRow, 'key' | 'status'>,
  from: number,
  limit: number,
  maxBytes: number,
): { items: ResultItem[]; bytes: number; whole: boolean } {
  const items: ResultItem[] = [];
  let bytes = 0;
  if (job.status !== 'COMPLETED') return { items, bytes, whole: true };
  const nodes = (
    db
      .prepare('select * from job_nodes where job = ? and in_results = 1 order by node')
      .all(job.key) as NodeSqlRow[]
  ).map(nodeOf);
  let skip = from;
  for (const node of nodes) {
    const count = node.status === 'SKIPPED' ? 1 : (node.total ?? 1);
    if (skip >= count) {
      skip -= count;
      continue;
    }
    if (node.status === 'SKIPPED') {
      if (items.length >= limit) return { items, bytes, whole: false };
      items.push({
        nodeName: node.name,
        batchIndex: -1,
        algorithmName: node.algorithmName,
        resultJson: null,
        error: null,
      });
      skip = 0;
      continue;
    }
    const rows = db
      .prepare(
        `select t.item, t.error, r.value from tasks t
         left join task_results r on r.job = t.job and r.node = t.node and r.item = t.item
         where t.job = ? and t.node = ? and t.item >= ? order by t.item`,
      )
      .iterate(job.key, node.index, node.batch ? skip + 1 : 0) as Iterable<{
      item: number;
      error: string | null;
      value: string | null;
    }>;
    skip = 0;
    for (const row of rows) {
      // The frame of an item counts too: a million empty results are not small.
      const size = (row.value?.length ?? 0) + node.name.length + node.algorithmName.length + 64;
      if (items.length >= limit || (items.length > 0 && bytes + size > maxBytes))
        return { items, bytes, whole: false };
      bytes += size;
      items.push({
        nodeName: node.name,
        batchIndex: node.batch ? row.item : null,
        algorithmName: node.algorithmName,
        resultJson: row.value,
        error:
          row.value === null && row.error !== null
            ? (JSON.parse(row.error) as { message: string }).message
            : null,
      });
    }
  }
  return { items, bytes, whole: true };
}

function jobsQuery(filter: JobFilter, inverted: boolean): string {
  const where = ['j.account = @account', 'j.number between @from and @to'];
  if (filter.statuses) where.push('j.status in (select value from json_each(@statuses))');
  // Of one pipeline the index gives nothing else.
  if (filter.pipelines?.length === 1) where.push('j.pipeline = @pipelines ->> 0');
  else if (filter.pipelines) where.push('j.pipeline in (select value from json_each(@pipelines))');
  if (filter.tags)
    where.push(
      'exists (select 1 from json_each(j.tags) t where t.value in (select value from json_each(@tags)))',
    );
  if (filter.allTags)
    where.push(
      'not exists (select 1 from json_each(@allTags) t where t.value not in (select value from json_each(j.tags)))',
    );
  if (filter.externalId !== undefined) where.push('j.external_id = @externalId');
  if (filter.experiment !== undefined) where.push('j.experiment = @experiment');
  if (filter.type !== undefined)
    where.push('exists (select 1 from json_each(j.types) t where t.value = @type)');
  if (filter.algorithm !== undefined)
    where.push('exists (select 1 from job_nodes n where n.job = j.key and n.algorithm = @algorithm)');
  if (filter.createdAfter !== undefined) where.push('j.created_at > @createdAfter');
  if (filter.createdBefore !== undefined) where.push('j.created_at < @createdBefore');
  // Newest first: what a person looks for is what was just submitted.
  return `select j.* from jobs j where ${where.join(' and ')} order by j.number ${inverted ? 'asc' : 'desc'} limit @limit`;
}

function jobsParameters(account: number, filter: JobFilter) {
  return {
    account,
    statuses: JSON.stringify(filter.statuses ?? []),
    pipelines: JSON.stringify(filter.pipelines ?? []),
    tags: JSON.stringify(filter.tags ?? []),
    allTags: JSON.stringify(filter.allTags ?? []),
    externalId: filter.externalId ?? null,
    experiment: filter.experiment ?? null,
    type: filter.type ?? null,
    algorithm: filter.algorithm ?? null,
    createdAfter: filter.createdAfter ?? null,
    createdBefore: filter.createdBefore ?? null,
  };
}
