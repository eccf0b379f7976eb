/** One execution unit of a node: one item of its batch, or the node itself. */
export const taskStatuses = [
  'WAITING',
  'READY',
  'ACTIVE',
  'SUCCEEDED',
  'FAILED',
  'SKIPPED',
  'CANCELLED',
] as const;
export type TaskStatus = (typeof taskStatuses)[number];

/** `item` counts from 1 in batch order; 0 is the one task of a node that is no batch. */
export interface TaskRef {
  node: number;
  item: number;
}

/** HKube's policies: OnError is for what an algorithm throws, OnCrash for exits, lost leases and lack of memory. */
export const retryPolicies = ['Never', 'Always', 'OnError', 'OnCrash'] as const;
export type RetryPolicy = (typeof retryPolicies)[number];

/**
 * `tsk_<job's uuid without dashes>_<node>_<item>`. Made from where the task stands, so that a task of a batch of a
 * million has an id before it has a row.
 */
export function taskId(jobUuid: string, ref: TaskRef): string {
  return `tsk_${jobUuid.replaceAll('-', '')}_${ref.node}_${ref.item}`;
}

const TASK_ID =
  /^tsk_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_(0|[1-9]\d{0,8})_(0|[1-9]\d{0,8})$/;

export function parseTaskId(id: string): (TaskRef & { jobUuid: string }) | null {
  const match = TASK_ID.exec(id);
  if (!match) return null;
  const [, a, b, c, d, e, node, item] = match;
  return { jobUuid: `${a}-${b}-${c}-${d}-${e}`, node: Number(node), item: Number(item) };
}

/** "green#1", HKube's name of a batch item; null outside a batch. */
export function batchId(nodeName: string, item: number): string | null {
  return item === 0 ? null : `${nodeName}#${item}`;
}

/** A lease's token: the task and a secret, so that a late worker can be told from the holder without an index. */
export function leaseToken(jobUuid: string, ref: TaskRef, secret: string): string {
  return `${taskId(jobUuid, ref)}.${secret}`;
}

export function parseLeaseToken(token: string): (TaskRef & { jobUuid: string }) | null {
  const cut = token.indexOf('.');
  return cut < 0 ? null : parseTaskId(token.slice(0, cut));
}

/** A task as clients see it. */
export interface Task extends TaskRef {
  id: string;
  jobId: string;
  nodeName: string;
  algorithmName: string;
  status: TaskStatus;
  attempt: number;
  error: { code: string; message: string } | null;
  percent: number | null;
  worker: string | null;
  leaseExpiresAt: number | null;
  queuedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}
