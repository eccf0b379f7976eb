import type { Job } from './job.js';
import type { Decide, Settled } from './job-store.js';
import type { LeasedTask } from './lease.js';
import type { Page } from './page.js';
import type { InputSource, Reference } from './reference.js';
import type { Task, TaskStatus } from './task.js';

export interface TaskFilter {
  statuses?: TaskStatus[];
  nodeNames?: string[];
  /** The place of a node, by which its tasks are found without comparing names. */
  node?: number;
}

export interface Claim {
  queues: string[];
  max: number;
  worker: string;
  leaseMs: number;
  at: number;
}

/** A node that is ready but does not have all its rows yet: of a batch, or kept ones. */
export interface Expansion {
  /** Where it stands in the store's order: hand it in again to get the one after it. */
  place: string;
  jobUuid: string;
  node: number;
  /** Rows made so far. */
  expanded: number;
  /** Its rows come from an ended job first: see `keep`. */
  keeping: boolean;
  /** How many items its batch has, where earlier rows say so. */
  size: number | null;
  /** Whether its rows are made as items of its parents are done: see `waiting`. */
  waits: boolean;
}

/** A node that waits for items of its parents, and what there is to look at. */
export interface Waiting {
  nodeName: string;
  expanded: number;
  /** Items that were looked at in order. */
  scanned: number;
  /** Items of the parent that has most. */
  width: number;
  looked: LookedAt[];
  /** Whether that is not all. */
  more: boolean;
}

/** An item of a node's parents, counted from 1. */
export interface LookedAt {
  item: number;
  /** Rows made of it so far; null: nothing is to be made, since some parent's is not done (or it is listed twice). */
  made: number | null;
  /** Keys of the arrivals that say so. */
  arrivals: number[];
  /** Whether it is the next one in order. */
  inOrder: boolean;
}

/** What the items of a batch are made of. */
export interface ExpansionInputs {
  nodeName: string;
  references: Reference[];
  operation: 'indexed' | 'cartesian';
  source: InputSource;
}

export interface Tasks {
  /**
   * Leases at most `max` ready tasks: jobs by priority, then the account, then the job that has waited longest for
   * its turn, and at most 32 tasks of each. The lease is not a start: see Outcome. Jobs that are PAUSED or held give none.
   */
  claim(claim: Claim): Promise<LeasedTask[]>;
  /** Queues that may have tasks to claim, `limit` at most, in no order. */
  readyQueues(limit: number): Promise<string[]>;
  /** Moves the end of the leases that are held at `at`; answers which are. One that has ended is not brought back. */
  extend(tokens: string[], until: number, at: number): Promise<boolean[]>;
  /** Leases that had ended at `at`, or (whatever the time) of workers whose name starts with `ofWorkers`. */
  expiredLeases(at: number, limit: number, ofWorkers?: string): Promise<{ token: string; jobUuid: string }[]>;
  /** Makes retries that are due ready. Returns the queues and when the next one is due. */
  promoteRetries(at: number, limit: number): Promise<{ readyQueues: string[]; nextAt: number | null }>;
  /** Raises jobs that have waited `afterMs` for a claim by one priority. */
  agePriorities(at: number, afterMs: number): Promise<void>;
  /** The next node to expand after a place (in a circle), or null. */
  nextExpansion(after: string | null): Promise<Expansion | null>;
  /** Null once the node has nothing to expand any more. */
  expansionInputs(jobUuid: string, node: number): Promise<ExpansionInputs | null>;
  /**
   * Copies the next rows of a node that keeps those of an ended job, with their inputs and results, and settles what
   * that comes to: an outcome `kept`. At most 250 rows and 512 KiB of text, but one row at least.
   */
  keep(jobUuid: string, node: number, at: number, decide: Decide): Promise<Settled>;
  /** What to look at of a node that waits for items, at most `most` of them; null: there is nothing any more. */
  waiting(jobUuid: string, node: number, most: number): Promise<Waiting | null>;
  /** Removes some of what a job that has ended would have looked at; false: there is no such job. */
  forgetArrivals(): Promise<boolean>;
  task(accountId: string, id: string): Promise<Task | null>;
  /** In order of node and item. A long list may be read in several transactions, like jobs. */
  tasks(accountId: string, jobId: string, filter: TaskFilter, page: Page): Promise<Task[]>;
  /** What the input of a task is made of. */
  inputSource(accountId: string, taskId: string): Promise<InputSource | null>;
  /** The result of a task that succeeded, JSON text. */
  taskResult(accountId: string, taskId: string): Promise<string | null>;
}

/** A job that a task has started, where one of the two has ended and the other has to follow. */
export interface OwedLink {
  /** Where it stands in the store's order: hand it in again to get those after it. */
  place: string;
  /** CANCEL: the task is over, and the job still runs. SETTLE: the job is over, and the task has to end with it. */
  todo: 'CANCEL' | 'SETTLE';
  child: Job;
  /** The lease under which the task has started the job. */
  token: string;
  /** What the task has failed with, if that is how it ended. */
  failure: string | null;
  /** Bounds the task's run; null: none. */
  timeoutMs: number | null;
}

export interface Links {
  /** What is to be done, `limit` at most. It is taken off by the commit that ends the job, or the task. */
  owedLinks(after: string | null, limit: number): Promise<OwedLink[]>;
}
