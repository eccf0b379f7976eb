import type { Outcome } from '../state.js';
import type { Tasks } from '../store.js';
import type { TaskStatus } from '../task.js';
import type { Committer } from './committer.js';
import type { Handle } from './database.js';
import { settle } from './jobs.js';
import { addUse } from './usage.js';

/** Bounds of one chunk: about 5 ms. A text is read and written, so it costs more than one that is settled. */
const CHUNK_ROWS = 250;
const CHUNK_BYTES = 512 * 1024;

/** A node that keeps tasks, and the node of the ended job that they come from. */
interface KeepingNode {
  job: number;
  node: number;
  account: number;
  queue: string;
  expanded: number;
  kept_job: number;
  kept_node: number;
  kept_whole: number;
  kept: number;
  /** Rows of the other node; null where it is gone. */
  rows: number | null;
}

interface KeptRow {
  item: number;
  status: TaskStatus;
  /** Sizes in bytes; null where there is no such text. */
  result: number | null;
  given: number | null;
}

/** Copies tasks of ended jobs. Those never change, so each transaction finds what the one before has left. */
export function keepOf(db: Handle, committer: Committer): Pick<Tasks, 'keep'> {
  return {
    keep: (jobUuid, node, at, decide) =>
      committer.run((unit) => {
        const keeping = db
          .prepare(
            `select n.job, n.node, n.queue, n.expanded, n.kept_job, n.kept_node, n.kept_whole, n.kept, j.account,
               (select o.expanded from job_nodes o where o.job = n.kept_job and o.node = n.kept_node) as rows
             from job_nodes n join jobs j on j.key = n.job
             where j.uuid = ? and n.node = ? and n.expanding = 1 and n.kept_job is not null`,
          )
          .get(jobUuid, node) as KeepingNode | undefined;
        if (!keeping) return { accepted: [], committed: unit.committed };
        const rows = nextRows(db, keeping);
        const outcome = outcomeOf(db, keeping, rows, at);
        const settled = settle(db, { jobUuid, outcomes: [outcome] }, decide, unit);
        if (settled.accepted[0] && !outcome.gone && rows.length > 0) copy(db, keeping, rows);
        return settled;
      }),
  };
}

/** The sizes of texts are known without reading them. */
function nextRows(db: Handle, { kept_job, kept_node, kept }: KeepingNode): KeptRow[] {
  const rows = db
    .prepare(
      `select t.item, t.status, octet_length(r.value) as result, octet_length(i.value) as given from tasks t
       left join task_results r on r.job = t.job and r.node = t.node and r.item = t.item
       left join task_items i on i.job = t.job and i.node = t.node and i.item = t.item
       where t.job = ? and t.node = ? and t.item >= ? order by t.item limit ?`,
    )
    .all(kept_job, kept_node, kept, CHUNK_ROWS) as KeptRow[];
  let bytes = 0;
  const end = rows.findIndex(({ result, given }, index) => {
    bytes += (result ?? 0) + (given ?? 0);
    return index > 0 && bytes > CHUNK_BYTES;
  });
  return end < 0 ? rows : rows.slice(0, end);
}

function outcomeOf(
  db: Handle,
  keeping: KeepingNode,
  rows: KeptRow[],
  at: number,
): Extract<Outcome, { kind: 'kept' }> {
  const last = rows.at(-1)?.item ?? keeping.kept;
  const more = db
    .prepare('select 1 from tasks where job = ? and node = ? and item > ? limit 1')
    .get(keeping.kept_job, keeping.kept_node, last);
  const succeeded = rows.filter(({ status }) => status === 'SUCCEEDED');
  const failed = rows.filter((row) => stays(row, keeping)).length - succeeded.length;
  const again = keeping.kept_whole ? [] : itemsToRun(db, keeping, last);
  const made = keeping.expanded + succeeded.length + failed + again.length;
  return {
    kind: 'kept',
    node: keeping.node,
    at,
    from: keeping.kept,
    next: more ? last + 1 : null,
    succeeded: succeeded.length,
    failed,
    again,
    gone:
      keeping.rows === null ||
      succeeded.some(({ result }) => result === null) ||
      (!more && made !== keeping.rows),
  };
}

function itemsToRun(db: Handle, { kept_job, kept_node, kept }: KeepingNode, last: number) {
  return db
    .prepare(
      `select t.item, i.value as itemJson from tasks t
       left join task_items i on i.job = t.job and i.node = t.node and i.item = t.item
       where t.job = ? and t.node = ? and t.item between ? and ? and t.status <> 'SUCCEEDED' order by t.item`,
    )
    .all(kept_job, kept_node, kept, last) as { item: number; itemJson: string | null }[];
}

function stays({ status }: KeptRow, { kept_whole }: KeepingNode): boolean {
  return status === 'SUCCEEDED' || (status === 'FAILED' && kept_whole === 1);
}

/** Copies those of the rows that stay as they are, as SQL: their texts are not held here. */
function copy(db: Handle, keeping: KeepingNode, rows: KeptRow[]): void {
  const { job, node, account, queue, kept_job, kept_node, kept_whole, kept } = keeping;
  const these = `t.job = @kept_job and t.node = @kept_node and t.item between @kept and @last
    and (t.status = 'SUCCEEDED' or (t.status = 'FAILED' and @kept_whole = 1))`;
  const names = { job, node, kept_job, kept_node, kept_whole, kept, last: rows.at(-1)!.item };
  db.prepare(
    `insert into tasks (job, node, item, queue, status, attempt, lost, percent, error, queued_at, started_at, finished_at)
     select @job, @node, t.item, @queue, t.status, t.attempt, t.lost, t.percent, t.error, t.queued_at, t.started_at, t.finished_at
     from tasks t where ${these}`,
  ).run({ ...names, queue });
  for (const table of ['task_items', 'task_results']) {
    db.prepare(
      `insert into ${table} (job, node, item, value) select @job, @node, v.item, v.value from tasks t
       join ${table} v on v.job = t.job and v.node = t.node and v.item = t.item where ${these}`,
    ).run(names);
  }
  const bytes = rows
    .filter((row) => stays(row, keeping))
    .reduce((sum, { result, given }) => sum + (result ?? 0) + (given ?? 0), 0);
  addUse(db, account, bytes);
  db.prepare(
    `update job_nodes set result_bytes = result_bytes +
       (select ifnull(sum(length(value) + 1), 0) from task_results where job = @job and node = @node and item between @kept and @last)
     where job = @job and node = @node`,
  ).run({ job, node, kept, last: names.last });
}
