import { isWaiting, type NodeRow } from '../state.js';
import type { LookedAt, Waiting } from '../store.js';
import type { TaskRef } from '../task.js';
import type { Unit } from './committer.js';
import type { Handle } from './database.js';

/** Tasks of parents that one look asks for: about 2 ms. */
const LOOKUPS = 1_000;
/** Rows that are removed at once: about 1 ms. */
const FORGOTTEN = 1_000;

/** Notes items of parents that have ended, and has the nodes that wait for them looked at. */
export function insertArrivals(db: Handle, job: number, arrivals: readonly TaskRef[], unit: Unit): void {
  if (arrivals.length === 0) return;
  const insert = db.prepare('insert into arrivals (job, node, item) values (?, ?, ?)');
  for (const { node, item } of arrivals) insert.run(job, node, item);
  const wake = db.prepare('update job_nodes set expanding = 1 where job = ? and node = ? and expanding = 0');
  for (const node of new Set(arrivals.map((one) => one.node))) wake.run(job, node);
  unit.committed.expansion = true;
}

export function forgetArrivals(db: Handle, keys: readonly number[]): void {
  if (keys.length === 0) return;
  db.prepare('delete from arrivals where key in (select value from json_each(?))').run(JSON.stringify(keys));
}

/** Removes what a job that ends has not looked at: the first of them here, since there may be very many. */
export function forgetArrivalsOf(db: Handle, job: number): void {
  db.prepare('delete from arrivals where key in (select key from arrivals where job = ? limit ?)').run(
    job,
    FORGOTTEN,
  );
}

/** A job that has ended with more of them than were removed with it. Looks at one row of each job that has any. */
export function jobToForget(db: Handle): number | null {
  const row = db
    .prepare(
      `with recursive listed(job) as (select min(job) from arrivals union all
         select (select min(a.job) from arrivals a where a.job > listed.job) from listed where listed.job is not null)
       select j.key from listed join jobs j on j.key = listed.job where j.finished_at is not null limit 1`,
    )
    .get() as { key: number } | undefined;
  return row?.key ?? null;
}

/**
 * Whether a node has something to look at. Decided where the change is written: an item that ends a moment later sets
 * the mark again, and one that ended a moment before is among the arrivals.
 */
export function isLookedAt(db: Handle, job: number, node: NodeRow): boolean {
  if (!isWaiting(node) || node.status !== 'ACTIVE') return false;
  if (node.fan === null || node.total === null || node.scanned * node.fan < node.total) return true;
  return (
    db.prepare('select 1 from arrivals where job = ? and node = ? limit 1').get(job, node.index) !== undefined
  );
}

interface WaitingRow {
  job: number;
  name: string;
  expanded: number;
  fan: number | null;
  scanned: number;
  waits: string;
}

/** The next items to look at: what has arrived, then what was not looked at so far, in order. */
export function lookAt(db: Handle, jobUuid: string, node: number, most: number): Waiting | null {
  const row = db
    .prepare(
      `select n.job, n.name, n.expanded, n.fan, n.scanned, n.waits from job_nodes n join jobs j on j.key = n.job
       where j.uuid = ? and n.node = ? and n.expanding = 1`,
    )
    .get(jobUuid, node) as WaitingRow | undefined;
  if (!row) return null;
  const { job, fan, scanned } = row;
  const parents = db
    .prepare(
      'select node, total from job_nodes where job = ? and node in (select value from json_each(?)) and total > 0',
    )
    .raw()
    .all(job, row.waits) as [node: number, total: number][];
  const width = Math.max(0, ...parents.map(([, total]) => total));
  const limit = Math.max(1, Math.min(most, Math.floor(LOOKUPS / Math.max(parents.length, 1))));
  const arrived = db
    .prepare('select key, item from arrivals where job = ? and node = ? order by key limit ?')
    .all(job, node, limit) as { key: number; item: number }[];
  const last = Math.min(width, scanned + limit - arrived.length);
  const keys = new Map<number, number[]>();
  for (const { key, item } of arrived) keys.set(item, [...(keys.get(item) ?? []), key]);
  const inOrder = Array.from({ length: last - scanned }, (_, index) => scanned + index + 1);
  const rows = rowsMade(db, { job, node, fan }, parents, [...new Set([...keys.keys(), ...inOrder])]);
  const looked: LookedAt[] = [
    ...[...keys].map(([item, arrivals]) => ({
      item,
      made: rows.get(item) ?? null,
      arrivals,
      inOrder: false,
    })),
    // What has arrived as well was given above.
    ...inOrder.map((item) => ({
      item,
      made: keys.has(item) ? null : (rows.get(item) ?? null),
      arrivals: [],
      inOrder: true,
    })),
  ];
  const more = arrived.length === limit || last < width;
  return { nodeName: row.name, expanded: row.expanded, scanned, width, looked, more };
}

/** Of those items that are there, or can never be, how many rows have been made of each. */
function rowsMade(
  db: Handle,
  { job, node, fan }: { job: number; node: number; fan: number | null },
  parents: [node: number, total: number][],
  items: number[],
): Map<number, number> {
  const asked = JSON.stringify(items);
  const missing = db
    .prepare(
      `select r.value from json_each(@asked) r where exists (
         select 1 from json_each(@parents) p left join tasks t
           on t.job = @job and t.node = p.value ->> 0 and t.item = r.value
         where r.value <= p.value ->> 1 and ifnull(t.status, '') not in ('SUCCEEDED', 'FAILED'))`,
    )
    .pluck()
    .all({ asked, parents: JSON.stringify(parents), job }) as number[];
  const open = new Set(missing);
  const ready = items.filter((item) => !open.has(item));
  if (fan === null) return new Map(ready.map((item) => [item, 0]));
  const made = db
    .prepare(
      `select r.value, ifnull((select max(t.item) from tasks t where t.job = @job and t.node = @node
         and t.item > (r.value - 1) * @fan and t.item <= r.value * @fan) - (r.value - 1) * @fan, 0)
       from json_each(@ready) r`,
    )
    .raw()
    .all({ ready: JSON.stringify(ready), job, node, fan }) as [item: number, made: number][];
  return new Map(made);
}
