import { type ChildJobs, MAX_OPEN_CHILDREN } from '../child.js';
import { messageOf } from '../errors.js';
import type { Held } from './held.js';
import type { ChildAnswer, ChildCall } from './messages.js';

/** Tasks that may wait for each thread of the pool: each of them has a thread of its own meanwhile. */
const WAITING_PER_THREAD = 4;

/**
 * Tasks that have jobs of their own under way, as the pool sees them. A task that waits holds its thread; the jobs
 * that it waits for need threads as well. So it does not count: the pool is told how many more threads it needs, and
 * what would need too many is refused.
 */
export class Children {
  readonly #jobs: ChildJobs | null;
  readonly #threads: number;
  readonly #changed: () => void;
  readonly #open = new Map<Held, number>();

  constructor(jobs: ChildJobs | null, threads: number, changed: () => void) {
    this.#jobs = jobs;
    this.#threads = threads;
    this.#changed = changed;
  }

  /** Tasks that have jobs under way. */
  get waiting(): number {
    return this.#open.size;
  }

  /** Resolves once the job has ended, or is refused. */
  async start(held: Held, json: string): Promise<ChildAnswer> {
    const open = this.#open.get(held) ?? 0;
    const problem = this.#refusal(open);
    if (problem !== null) return { problem };
    this.#set(held, open + 1);
    const { request, includeResult } = JSON.parse(json) as ChildCall;
    try {
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

  #set(held: Held, open: number): void {
    const before = this.#open.size;
    if (open > 0) this.#open.set(held, open);
    else this.#open.delete(held);
    if (this.#open.size !== before) this.#changed();
  }

  #refusal(open: number): string | null {
    if (!this.#jobs) return 'this server starts no jobs for algorithms';
    if (open >= MAX_OPEN_CHILDREN)
      return `a task may have ${MAX_OPEN_CHILDREN} jobs of its own under way: wait for one of them to end`;
    const most = this.#threads * WAITING_PER_THREAD;
    if (open > 0 || this.#open.size < most) return null;
    return `${most} tasks on this server wait for jobs that they have started, the most for ${this.#threads} worker threads: start jobs from fewer tasks at once, use nodes of kind "pipeline", or raise CARILLON_WORKER_THREADS`;
  }
}
