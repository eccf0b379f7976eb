import type { Page, TaskFilter } from '../store.js';
import { parseTaskId } from '../task.js';
import type { Handle } from './database.js';
import type { NodeSqlRow, TaskSqlRow } from './job-state.js';
import type { JobSqlRow } from './jobs.js';

/** Tasks that a list looks at before the event loop gets its turn: about 1 ms where nothing matches. */
const LOOKED_AT = 5_000;

/** What a task is told of its node. */
export type Named = Pick<NodeSqlRow, 'name' | 'algorithm'>;

/** A page of the tasks of a job, in order of node and item; where a filter matches little, in several looks. */
export async function listTasks(
  db: Handle,
  job: JobSqlRow,
  filter: TaskFilter,
  page: Page,
): Promise<(TaskSqlRow & Named)[]> {
  const query = db.prepare(tasksQuery(filter, page.inverted));
  const parameters = tasksParameters(job, filter);
  const mayMatchLittle = filter.statuses !== undefined || filter.nodeNames !== undefined;
  // Both bounds are left out.
  const [first, end] =
    filter.node === undefined ? [0, Number.MAX_SAFE_INTEGER] : [filter.node, filter.node + 1];
  let low = later({ node: first, item: -1 }, placeOf(page.after));
  let high = earlier({ node: end, item: -1 }, placeOf(page.before));
  const found: (TaskSqlRow & Named)[] = [];
  for (;;) {
    const edge = mayMatchLittle ? edgeOf(db, job, low, high, page.inverted) : undefined;
    const [from, to] = page.inverted ? [edge ?? low, high] : [low, edge ?? high];
    const limit = page.limit - found.length;
    found.push(...(query.all({ ...parameters, ...bounds(from, to), limit }) as (TaskSqlRow & Named)[]));
    if (!edge || found.length >= page.limit) return found;
    // The edge itself has not been looked at yet.
    if (page.inverted) high = { ...edge, item: edge.item + 1 };
    else low = { ...edge, item: edge.item - 1 };
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// Only the nodes of the page are read: a job may have a thousand, and each of them may be asked for its tasks.
function tasksQuery(filter: TaskFilter, inverted: boolean): string {
  const where = ['t.job = @job', IN_BOUNDS];
  if (filter.statuses) where.push(`${SHOWN_STATUS} in (select value from json_each(@statuses))`);
  if (filter.nodeNames)
    where.push(
      't.node in (select node from job_nodes where job = @job and name in (select value from json_each(@names)))',
    );
  return `select t.*, n.name, n.algorithm from tasks t cross join job_nodes n on n.job = t.job and n.node = t.node
    where ${where.join(' and ')} order by ${orderOf(inverted)} limit @limit`;
}

/** The task that ends what one look may hold; none where everything within the bounds fits. */
function edgeOf(
  db: Handle,
  { key }: JobSqlRow,
  low: Place,
  high: Place,
  inverted: boolean,
): Place | undefined {
  const query = `select t.node, t.item from tasks t where t.job = @job and ${IN_BOUNDS}
    order by ${orderOf(inverted)} limit 1 offset ${LOOKED_AT}`;
  return db.prepare(query).get({ job: key, ...bounds(low, high) }) as Place | undefined;
}

const IN_BOUNDS = '(t.node, t.item) > (@lowNode, @lowItem) and (t.node, t.item) < (@highNode, @highItem)';

function orderOf(inverted: boolean): string {
  return inverted ? 't.node desc, t.item desc' : 't.node, t.item';
}

interface Place {
  node: number;
  item: number;
}

function placeOf(id: string | null): Place | null {
  if (id === null) return null;
  // What is no task's id stands before all of them, as it always did.
  const { node, item } = parseTaskId(id) ?? { node: -1, item: -1 };
  return { node, item };
}

function later(one: Place, other: Place | null): Place {
  return other && (other.node - one.node || other.item - one.item) > 0 ? other : one;
}

function earlier(one: Place, other: Place | null): Place {
  return other && (other.node - one.node || other.item - one.item) < 0 ? other : one;
}

function bounds(low: Place, high: Place) {
  return { lowNode: low.node, lowItem: low.item, highNode: high.node, highItem: high.item };
}

// The same rule as shownStatus.
const SHOWN_STATUS =
  "case when @stopped and t.status in ('READY', 'WAITING', 'ACTIVE') then 'CANCELLED' else t.status end";

function tasksParameters(job: JobSqlRow, filter: TaskFilter) {
  return {
    job: job.key,
    stopped: Number(job.status === 'FAILED' || job.status === 'CANCELLED'),
    statuses: JSON.stringify(filter.statuses ?? []),
    names: JSON.stringify(filter.nodeNames ?? []),
  };
}
