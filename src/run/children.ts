import { type ChildJobs, MAX_OPEN_CHILDREN } from '../child.js';
import { messageOf } from '../errors.js';
import { Turns } from '../turns.js';
import type { Held } from './held.js';
import type { ChildAnswer, ChildCall } from './messages.js';

/** Tasks that may wait for each thread of the pool: each of them has a thread of its own meanwhile. */
const WAITING_PER_THREAD = 4;

/**
 * Tasks that have jobs of their own under way, as the pool sees them. A task that waits holds its thread, and the jobs
 * that it waits for need threads as well. So it does not count: the pool is told how many more threads it needs.
 *
 * Before there are too many of them, what others wait for goes first: where as many tasks wait as there are threads,
 * those of algorithms that are known to start jobs are left where they are as long as there is anything else to do.
 * Only what would then still need too many threads is refused: jobs in jobs in jobs, each held by a task that waits.
 */
export class Children {
  readonly #jobs: ChildJobs | null;
  readonly #threads: number;
  readonly #patience: { quietMs: number; stuckMs: number };
  readonly #changed: () => void;
  readonly #open = new Map<Held, number>();
  /** Algorithms that have started jobs. */
  readonly #starters = new Set<string>();
  /** In which requests are read. */
  readonly #turns = new Turns();
  /** Since when a thread has had nothing to do, while tasks are held back. */
  #quietSince: number | null = null;

  constructor(
    jobs: ChildJobs | null,
    threads: number,
    patience: { quietMs: number; stuckMs: number },
    changed: () => void,
  ) {
    this.#jobs = jobs;
    this.#threads = threads;
    this.#patience = patience;
    this.#changed = changed;
  }

  /** Tasks that have jobs under way. */
  get waiting(): number {
    return this.#open.size;
  }

  /** Whether as many tasks wait as there are threads. */
  get isCrowded(): boolean {
    return this.#open.size >= this.#threads;
  }

  /** Whether it is a task of an algorithm that has started jobs before. */
  mayWait({ task }: Held): boolean {
    return this.#starters.has(task.algorithmName);
  }

  /** Algorithms of which no tasks should be acquired now, and when to ask again; `idle`: a thread has nothing to do. */
  heldBack(idle: boolean, now: number): { without: readonly string[]; again: number | null } {
    if (!this.isCrowded || !idle) this.#quietSince = null;
    if (!this.isCrowded) return { without: [], again: null };
    const without = [...this.#starters];
    if (!idle) return { without, again: null };
    this.#quietSince ??= now;
    const { quietMs, stuckMs } = this.#patience;
    const again = this.#quietSince + (this.#open.size < this.#most ? quietMs : stuckMs) - now;
    return again > 0 ? { without, again } : { without: [], again: null };
  }

  /** Resolves once the job has ended, or is refused. */
  async start(held: Held, json: string): Promise<ChildAnswer> {
    const open = this.#open.get(held) ?? 0;
    const problem = this.#refusal(open);
    if (problem !== null) return { problem };
    this.#starters.add(held.task.algorithmName);
    this.#set(held, open + 1);
    try {
      await this.#turns.wait(json.length);
      // Its jobs would be stopped at once.
      if (!this.#open.has(held)) return { problem: 'the task has ended' };
      const { request, includeResult } = JSON.parse(json) as ChildCall;
      return { results: await this.#jobs!.run(held.task, request, includeResult) };
    } catch (error) {
      return { problem: messageOf(error) };
    } finally {
      // A task that has ended is not counted any more.
      const left = this.#open.get(held);
      if (left !== undefined) this.#set(held, left - 1);
    }
  }

  /** The task has ended; its jobs are stopped elsewhere. */
  ended(held: Held): void {
    this.#set(held, 0);
  }

  get #most(): number {
    return this.#threads * WAITING_PER_THREAD;
  }

  #set(held: Held, open: number): void {
    const before = this.#open.size;
    if (open > 0) this.#open.set(held, open);
    else this.#open.delete(held);
    if (this.#open.size === before) return;
    this.#quietSince = null;
    this.#changed();
  }

  #refusal(open: number): string | null {
    if (!this.#jobs) return 'this server starts no jobs for algorithms';
    if (open >= MAX_OPEN_CHILDREN)
      return `a task may have ${MAX_OPEN_CHILDREN} jobs of its own under way: wait for one of them to end`;
    if (open > 0 || this.#open.size < this.#most) return null;
    return `${this.#most} tasks on this server wait for jobs that they have started, the most for ${this.#threads} worker threads: start jobs from fewer tasks at once, use nodes of kind "pipeline", or raise CARILLON_WORKER_THREADS`;
  }
}
