import type { Deadlines } from './deadlines.js';
import type { NewEvent, TaskFacts } from './event.js';
import type { JobError, JobStatus, NodeStatus, Origin, Progress, TaskErrorCode } from './job.js';
import type { NodeKind } from './node-kind.js';
import type { RetryPolicy, TaskRef, TaskStatus } from './task.js';

/** What is new about one job, from outside the rules. `token` must be the one the task is leased under. */
export type Outcome =
  /** The code has begun to run: the attempt counts from here. */
  | { kind: 'started'; ref: TaskRef; token: string; at: number }
  | {
      kind: 'progress';
      ref: TaskRef;
      token: string;
      at: number;
      percent: number | null;
      message: string | null;
    }
  | { kind: 'succeeded'; ref: TaskRef; token: string; at: number; result: string }
  | {
      kind: 'failed';
      ref: TaskRef;
      token: string;
      at: number;
      code: TaskErrorCode;
      message: string;
      crash: boolean;
    }
  /** Handed back before it began: no attempt was made. */
  | { kind: 'released'; ref: TaskRef; token: string; at: number }
  /** The lease ended without a word. */
  | { kind: 'expired'; ref: TaskRef; token: string; at: number }
  /** Rows `from` … `from + items.length - 1` (from 0) of a batch of `total`; items are JSON texts. */
  | { kind: 'expanded'; node: number; at: number; total: number; from: number; items: (string | null)[] }
  | Spawned
  /** Rows `from` … of an ended job's node were looked at; see Keeping. */
  | {
      kind: 'kept';
      node: number;
      at: number;
      from: number;
      /** The first row that was not looked at; null: there are no more. */
      next: number | null;
      /** Rows that were copied as they are. */
      succeeded: number;
      failed: number;
      /** Rows that did not succeed there, to run here. */
      again: { item: number; itemJson: string | null }[];
      /** Something that was to be kept is not there any more, so none of it was copied. */
      gone: boolean;
    }
  | { kind: 'expansionFailed'; node: number; at: number; code: TaskErrorCode; message: string }
  | { kind: 'cancel'; at: number; reason: string }
  /** Nothing new may start: what is leased and has not started is given back. */
  | { kind: 'pause'; at: number }
  | { kind: 'resume'; at: number }
  /** One of its time limits may be over. */
  | { kind: 'overdue'; at: number }
  /** The rules themselves have failed on this job: it ends, so that nobody tries for ever. */
  | { kind: 'broken'; at: number };

/** Rows of a node that waits for items of its parents, made for those that have arrived. */
export interface Spawned {
  kind: 'spawned';
  node: number;
  at: number;
  /** Rows the node had when this was made: with others it is stale. */
  from: number;
  /** Rows for each of the parents' items. */
  fan: number;
  /** Items of the parents that have been looked at in order. */
  scanned: number;
  /** The arrivals that have been looked at, by key. */
  arrivals: number[];
  rows: { item: number; json: string | null }[];
}

/** The counters of a job and what its rules need of the descriptor. */
export interface JobRow {
  uuid: string;
  status: JobStatus;
  reason: string | null;
  error: JobError | null;
  /** As it may be shown: `percent` is the highest so far. */
  progress: Progress;
  batchTolerance: number;
  deadlines: Deadlines;
  startedAt: number | null;
  finishedAt: number | null;
}

export interface NodeRow {
  index: number;
  name: string;
  algorithmName: string;
  queue: string;
  kind: NodeKind;
  /** Makes tasks by the item: one of each element of its batch references, for each item of those it waits for. */
  batch: boolean;
  parents: number[];
  /** Parents that must be finished before it starts, and those that hand over each item as it is done. */
  needs: number[];
  waits: number[];
  retryPolicy: RetryPolicy;
  retryLimit: number;
  status: NodeStatus;
  /** Number of tasks; null until it is known. */
  total: number | null;
  /** Rows made so far. */
  expanded: number;
  /** Rows for each item of those it waits for; null until it is known. */
  fan: number | null;
  /** Items of those that were looked at in order; the others come as arrivals. */
  scanned: number;
  succeeded: number;
  failed: number;
  active: number;
  /** Until its rows of an ended job are copied; null afterwards, and where nothing is kept. */
  keeping: Keeping | null;
}

/** How the tasks of a node come from a node of an ended job, in a rerun. The number of tasks is known from it. */
export interface Keeping {
  /** All its rows succeeded or may stay failed: nothing of the node runs. Else what did not succeed there runs here. */
  whole: boolean;
  /** The first row that was not looked at so far, as an item. */
  next: number;
}

export interface TaskRow extends TaskRef {
  status: TaskStatus;
  attempt: number;
  lost: number;
  token: string | null;
  worker: string | null;
  leaseExpiresAt: number | null;
  retryAt: number | null;
  percent: number | null;
  error: { code: TaskErrorCode; message: string } | null;
  queuedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/**
 * What the rules may see: the job's counters, its nodes, the tasks that the outcomes name, and the first item of each
 * batch of which some run or have failed, since its state comes first in the words of progress; where an outcome can
 * take leases from their holders (see `takesLeases`), also every task under lease. Never the whole job.
 */
export interface JobState {
  job: JobRow;
  nodes: NodeRow[];
  tasks: TaskRow[];
}

export interface Change {
  job: JobRow;
  /** The nodes that changed. */
  nodes: NodeRow[];
  /** The tasks that changed. */
  tasks: TaskRow[];
  newTasks: (TaskRow & { itemJson: string | null })[];
  results: (TaskRef & { json: string })[];
  /** Items of a parent that have ended, each for a node that waits for them: to be looked at. */
  arrivals: TaskRef[];
  /** Keys of arrivals that need not be looked at again. */
  lookedAt: number[];
  events: NewEvent[];
  /** Of the outcomes in order: those that it is too short for were not taken. */
  accepted: boolean[];
  /** Tokens whose holders must stop. */
  revoked: string[];
}

/** One job too many is refused, or held until there is room: PENDING, and nothing of it starts. */
export interface Concurrency {
  amount: number;
  rejects: boolean;
}

/** A job as `submit` hands it to the store: not yet numbered. */
export interface NewJob {
  uuid: string;
  pipelineName: string;
  experimentName: string;
  origin: Origin;
  externalId: string | null;
  tags: string[];
  priority: number;
  /** How many jobs of its pipeline may run at once; null: any number. */
  concurrency: Concurrency | null;
  /** The descriptor as executed, JSON. */
  descriptor: string;
  flowInput: string | null;
  row: JobRow;
  nodes: (NodeRow & {
    input: string;
    operation: 'indexed' | 'cartesian';
    timeoutMs: number | null;
    /** A leaf, or named by includeInResults: its items are results of the job. */
    includeInResults: boolean;
    /** What the algorithm gets as `info.extraData`, JSON. */
    extraData: string | null;
    /** Where its tasks come from, if it keeps any. */
    kept: { jobUuid: string; node: number } | null;
  })[];
  newTasks: Change['newTasks'];
  events: NewEvent[];
}

/** Whether an outcome can end or hold a job that has other tasks under lease: then the rules must see those. */
export function takesLeases(outcome: Outcome): boolean {
  if (outcome.kind === 'kept') return outcome.gone;
  const kinds = ['failed', 'expired', 'expansionFailed', 'cancel', 'pause', 'overdue', 'broken'];
  return kinds.includes(outcome.kind);
}

/** Whether it takes the items of a parent one by one. */
export function isWaiting({ waits }: Pick<NodeRow, 'waits'>): boolean {
  return waits.length > 0;
}

/** A task that waits to be claimed. */
export function newTask(node: number, item: number, at: number): TaskRow {
  return {
    node,
    item,
    status: 'READY',
    attempt: 0,
    lost: 0,
    token: null,
    worker: null,
    leaseExpiresAt: null,
    retryAt: null,
    percent: null,
    error: null,
    queuedAt: at,
    startedAt: null,
    finishedAt: null,
  };
}

/** What an event tells of a task, as of now. */
export function taskFacts(node: NodeRow, task: TaskRow, message: string | null): TaskFacts {
  return {
    of: 'task',
    node: task.node,
    item: task.item,
    nodeName: node.name,
    algorithmName: node.algorithmName,
    queue: node.queue,
    status: task.status,
    attempt: task.attempt,
    worker: task.worker,
    acquiredAt: task.startedAt,
    leaseExpiresAt: task.leaseExpiresAt,
    error: task.error,
    retryAt: task.retryAt,
    percent: task.percent,
    message,
  };
}
