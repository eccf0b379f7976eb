import type { Deadlines } from './deadlines.js';
import type { NewEvent } from './event.js';
import type { JobError, JobStatus, NodeStatus, Origin, Progress, TaskErrorCode } from './job.js';
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
  | { kind: 'expanded'; node: number; at: number; total: number; from: number; items: string[] }
  | { kind: 'expansionFailed'; node: number; at: number; code: TaskErrorCode; message: string }
  | { kind: 'cancel'; at: number; reason: string }
  /** Nothing new may start: what is leased and has not started is given back. */
  | { kind: 'pause'; at: number }
  | { kind: 'resume'; at: number }
  /** One of its time limits may be over. */
  | { kind: 'overdue'; at: number }
  /** The rules themselves have failed on this job: it ends, so that nobody tries for ever. */
  | { kind: 'broken'; at: number };

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
  /** Makes one task of each element of its batch references. */
  batch: boolean;
  parents: number[];
  retryPolicy: RetryPolicy;
  retryLimit: number;
  status: NodeStatus;
  /** Number of tasks; null until it is known. */
  total: number | null;
  expanded: number;
  succeeded: number;
  failed: number;
  active: number;
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
 * What the rules may see: the job's counters, its nodes, and the tasks that the outcomes name; where an outcome can
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
  events: NewEvent[];
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
  })[];
  newTasks: Change['newTasks'];
  events: NewEvent[];
}

/** Whether an outcome can end or hold a job that has other tasks under lease: then the rules must see those. */
export function takesLeases(outcome: Outcome): boolean {
  const kinds = ['failed', 'expired', 'expansionFailed', 'cancel', 'pause', 'overdue', 'broken'];
  return kinds.includes(outcome.kind);
}
