import type { ChildJobs } from '../child.js';
import type { Clock } from '../clock.js';
import type { LeasedTask } from '../lease.js';
import { MAX_TASK_RESULT_BYTES } from '../result.js';
import type { AlgorithmFile } from './algorithms.js';
import type { LogLine } from './messages.js';
import type { Report } from './reports.js';
import { Scheduler } from './scheduler.js';

/** Where a pool's tasks come from and where their outcomes go. Every method may reject: the pool tries again. */
export interface TaskSource {
  /** Leases at most `max` tasks that are ready, none of the algorithms `without`; fewer says that there are no more. */
  acquire(max: number, without: readonly string[], signal?: AbortSignal): Promise<LeasedTask[]>;
  /**
   * Settles outcomes; those of one task in their order. `accepted` has one for each; null: it was not taken, nor any
   * later one of its task, and is to be handed in again.
   */
  settle(outcomes: Report[]): Promise<{ accepted: (boolean | null)[] }>;
  /** Renews leases; false where one is no longer held. */
  extend(tokens: string[]): Promise<boolean[]>;
  /** Calls `handler` when a queue has got tasks; the function it returns ends that. */
  onReady(handler: () => void): () => void;
  /** Calls `handler` with leases that were taken away. */
  onRevoked(handler: (tokens: string[]) => void): () => void;
}

export interface PoolLimits {
  /** Of the resolved input, as JSON. */
  maxInputBytes: number;
  /** Of the result, as JSON. */
  maxResultBytes: number;
  /** Heap of one thread. */
  memoryMb: number;
  /** From the abort of a task's signal to the end of its thread. */
  graceMs: number;
  /** A thread that starts nothing for so long, although tasks wait in it, is blocked by what an ended task left. */
  stallMs: number;
  /** How long threads stay that were started for tasks that wait for jobs of theirs. */
  lingerMs: number;
  /**
   * Where as many tasks wait for jobs of theirs as there are threads, tasks of algorithms that do so are started only
   * once a thread has had nothing to do for so long; where as many wait as may, for so long.
   */
  quietMs: number;
  stuckMs: number;
}

export const poolLimits: PoolLimits = {
  maxInputBytes: 64 * 1024 * 1024,
  maxResultBytes: MAX_TASK_RESULT_BYTES,
  memoryMb: 512,
  graceMs: 1_000,
  stallMs: 5_000,
  lingerMs: 5_000,
  quietMs: 100,
  stuckMs: 60_000,
};

export interface PoolOptions {
  threads: number;
  /** By name, which is that of their queue, or as `listAlgorithms` gives them. */
  algorithms: ReadonlyMap<string, string> | readonly AlgorithmFile[];
  tasks: TaskSource;
  /** Where tasks get jobs that they ask for; not given: they get none. */
  children?: ChildJobs;
  clock: Clock;
  /** What modules print. */
  log: (line: LogLine) => void;
  /** Names the threads. */
  worker: string;
  limits?: Partial<PoolLimits>;
  leaseMs?: number;
  /** Trouble that the pool gets over by itself, for the operator. */
  onError?: (error: unknown, during: string) => void;
}

export interface PoolStats {
  /** Threads that can run tasks. */
  threads: number;
  /** Of them, how many have one in hand. */
  busy: number;
  /** Tasks that were acquired and not yet started. */
  waiting: number;
  /** Outcomes that the source has not taken yet. */
  unsettled: number;
}

/** Runs the tasks of modules in worker threads, under leases that it keeps. */
export interface Pool {
  /** Throws where the threads' code has not been built. */
  start(): void;
  /**
   * Stops acquiring, gives back what has not started, waits up to `deadlineMs` for what has, then stops that too
   * (reported as `expired`, for its retry policy to decide) and settles everything. Answers how many outcomes the
   * source did not take within 10 s.
   */
  stop(deadlineMs: number): Promise<{ unsettled: number }>;
  stats(): PoolStats;
  /** False before the start, once stopping, and when its threads or its loop fail for good. */
  alive(): boolean;
}

/** Nothing runs, and no thread exists, before `start`. */
export function createPool(options: PoolOptions): Pool {
  return new Scheduler(options, { ...poolLimits, ...options.limits });
}
