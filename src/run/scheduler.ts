import type { Timer } from '../clock.js';
import { LEASE_MS, type LeasedTask } from '../lease.js';
import { parseTaskId } from '../task.js';
import { Children } from './children.js';
import { Conditions } from './conditions.js';
import { Durations } from './durations.js';
import { Held } from './held.js';
import type { ModuleThread, TaskEnd } from './module.js';
import { Outcomes } from './outcomes.js';
import type { Pool, PoolLimits, PoolOptions, PoolStats } from './pool.js';
import { Reports, type TaskOutcome } from './reports.js';
import { isOpen, isOverloaded, MAX_PER_THREAD, room, share } from './share.js';
import { threadEntry } from './thread-entry.js';
import { Threads } from './threads.js';
import { Timers } from './timers.js';
import { Watch } from './watch.js';

const POLL_MS = 1_000;
/** Nothing is acquired while the source owes an answer to more outcomes than this. */
const MAX_UNSETTLED = 2_000;
/** Nor while their results together are larger than this: each may have 4 MiB. */
const MAX_UNSETTLED_CHARS = 64 * 1024 * 1024;
/** One claim takes no more, or its transaction would hold the event loop for longer than about 5 ms. */
const MAX_ACQUIRED = 256;
/** Threads that never came up, in a row, after which the pool counts as dead (it goes on trying). */
const MAX_FAILED_STARTS = 5;
const FINAL_SETTLE_MS = 10_000;

/**
 * Decides which task goes to which thread, when more are acquired, and what is reported. A task is in exactly one
 * place: in the queue, in a thread, or ended and waiting to be settled; and in `held` as long as it is in any of them.
 */
export class Scheduler implements Pool {
  readonly #options: PoolOptions;
  readonly #limits: PoolLimits;
  readonly #leaseMs: number;
  readonly #paths: ReadonlyMap<string, string>;
  readonly #timers: Timers;
  readonly #conditions: Conditions;
  readonly #reports: Reports;
  readonly #outcomes: Outcomes;
  readonly #threads: Threads;
  readonly #watch: Watch;
  readonly #children: Children;
  readonly #durations = new Durations();
  readonly #abort = new AbortController();
  readonly #held = new Map<string, Held>();
  /** Acquired, and in no thread. */
  #queue: Held[] = [];
  #state: 'new' | 'running' | 'stopping' = 'new';
  #stopped: Promise<{ unsettled: number }> | null = null;
  #subscriptions: (() => void)[] = [];
  #acquiring = false;
  #mayBeReady = true;
  #again: Timer | null = null;
  #failed = false;
  #nextId = 1;

  constructor(options: PoolOptions, limits: PoolLimits) {
    const { algorithms, clock, tasks } = options;
    this.#options = options;
    this.#limits = limits;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#paths =
      algorithms instanceof Map
        ? algorithms
        : new Map([...algorithms].map((one) => ('name' in one ? [one.name, one.path] : one)));
    this.#timers = new Timers(clock, (error) => {
      this.#failed = true;
      this.#trouble(error, 'running the pool');
    });
    this.#conditions = new Conditions(this.#timers);
    this.#reports = new Reports(clock, {
      settle: (reports) => tasks.settle(reports),
      settled: (outcome, accepted) => this.#settled(outcome, accepted),
      answered: () => {
        this.#acquire();
        this.#conditions.changed();
      },
      failed: (error) => this.#trouble(error, 'settling outcomes'),
    });
    this.#outcomes = new Outcomes(clock, (report) => this.#reports.add(report));
    this.#threads = this.#makeThreads();
    this.#children = new Children(options.children ?? null, options.threads, limits, () => this.#resize());
    this.#watch = new Watch(clock, this.#timers, this.#threads, limits, {
      started: (held) => this.#outcomes.started(held),
      released: (waiting) => this.#release(waiting),
      ended: (held, end) => this.#finish(held, end),
      looked: () => {
        this.#balance();
        this.#conditions.changed();
      },
    });
  }

  #makeThreads(): Threads {
    const { worker, log } = this.#options;
    const { maxInputBytes, maxResultBytes, memoryMb, lingerMs } = this.#limits;
    const settings = { kind: 'carillon-module-thread', maxInputBytes, maxResultBytes } as const;
    return new Threads({ entry: threadEntry(), settings, memoryMb, worker, lingerMs }, this.#timers, {
      ready: () => this.#balance(),
      ended: (thread, held, end) => this.#ended(thread, held, end),
      progress: (held, at, percent, message) => this.#outcomes.progress(held, at, percent, message),
      child: (thread, held, json, answer) => {
        void this.#children.start(held, json).then(answer);
        this.#waits(thread, held);
      },
      line: log,
      retiring: (thread) => {
        this.#release(thread.takeBack());
        if (thread.size === 0) this.#watch.ending(thread);
      },
      exited: (_thread, waiting) => {
        this.#release(waiting);
        this.#conditions.changed();
      },
    });
  }

  start(): void {
    if (this.#state !== 'new') throw new Error('a pool is started once: make another');
    const { tasks, threads } = this.#options;
    this.#state = 'running';
    this.#threads.want(threads);
    this.#subscriptions = [
      tasks.onReady(() => {
        this.#mayBeReady = true;
        this.#acquire();
      }),
      tasks.onRevoked((tokens) => {
        for (const token of tokens) this.#drop(token);
      }),
    ];
    this.#timers.after(POLL_MS, () => this.#poll());
    this.#timers.after(this.#leaseMs / 3, () => void this.#renew());
  }

  stop(deadlineMs: number): Promise<{ unsettled: number }> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  stats(): PoolStats {
    const threads = [...this.#threads].filter((thread) => thread.isReady);
    const waiting = threads.map((thread) => thread.size - (thread.running() ? 1 : 0));
    return {
      threads: threads.length,
      busy: threads.filter((thread) => thread.size > 0).length,
      waiting: waiting.reduce((sum, count) => sum + count, this.#queue.length),
      unsettled: this.#reports.unsettled,
    };
  }

  alive(): boolean {
    return this.#state === 'running' && !this.#failed && this.#threads.failedStarts < MAX_FAILED_STARTS;
  }

  #trouble(error: unknown, during: string): void {
    this.#options.onError?.(error, during);
  }

  async #stop(deadlineMs: number): Promise<{ unsettled: number }> {
    this.#state = 'stopping';
    this.#abort.abort();
    this.#threads.freeze();
    this.#release(this.#queue.splice(0));
    for (const thread of this.#threads) this.#release(thread.takeBack());
    const idle = () => [...this.#threads].every((thread) => thread.size === 0);
    if (!(await this.#conditions.until(idle, deadlineMs))) {
      for (const thread of this.#threads) {
        const running = thread.running();
        if (running) this.#watch.stop(thread, running, 'shutdown');
      }
      // Bounded by the grace: what has not stopped by then is terminated. Twice, for a task that was cancelled late.
      await this.#conditions.until(idle, 2 * this.#limits.graceMs);
    }
    await this.#conditions.until(() => !this.#acquiring && this.#reports.unsettled === 0, FINAL_SETTLE_MS);
    const { unsettled } = this.#reports;
    this.#threads.close();
    await this.#conditions.until(() => this.#threads.size === 0, this.#limits.graceMs);
    for (const thread of [...this.#threads]) this.#threads.terminate(thread);
    for (const end of this.#subscriptions) end();
    this.#timers.close();
    this.#reports.close();
    return { unsettled };
  }

  // ── Acquiring and handing out ─────────────────────────────────────────────────────────────────────

  #poll(): void {
    this.#timers.after(POLL_MS, () => this.#poll());
    this.#look();
  }

  /** Asks for more once half of what the threads should hold is missing, or one of them has nothing to do. */
  #acquire(): void {
    if (this.#state !== 'running' || this.#acquiring || !this.#mayBeReady) return;
    if (this.#reports.unsettled > MAX_UNSETTLED || this.#reports.resultChars > MAX_UNSETTLED_CHARS) return;
    const { wanted, free } = room(this.#threads, this.#durations);
    const max = Math.min(free - this.#queue.length, MAX_ACQUIRED);
    const idle = this.#hasIdle();
    if (max < 1 || (max * 2 < wanted && !idle)) return;
    const { without, again } = this.#children.heldBack(
      idle && this.#queue.length === 0,
      this.#options.clock.now(),
    );
    if (again !== null) {
      this.#again?.cancel();
      this.#again = this.#timers.after(again, () => this.#look());
    }
    void this.#acquireUpTo(max, without);
  }

  #look(): void {
    this.#mayBeReady = true;
    this.#acquire();
  }

  async #acquireUpTo(max: number, without: readonly string[]): Promise<void> {
    this.#mayBeReady = false;
    this.#acquiring = true;
    let tasks: LeasedTask[] = [];
    try {
      tasks = await this.#options.tasks.acquire(max, without, this.#abort.signal);
    } catch (error) {
      // The poll tries again. A call that was aborted by `stop` has told nothing.
      if (this.#state === 'running') this.#trouble(error, 'acquiring tasks');
    }
    this.#acquiring = false;
    if (tasks.length >= max) this.#mayBeReady = true;
    this.#take(tasks);
    this.#acquire();
    this.#conditions.changed();
  }

  #take(tasks: LeasedTask[]): void {
    const now = this.#options.clock.now();
    for (const task of tasks) {
      const ref = parseTaskId(task.taskId);
      if (!ref) {
        this.#trouble(
          new Error(`"${task.taskId}" is no task id: its lease is left to end`),
          'acquiring tasks',
        );
        continue;
      }
      // An output node may call itself what it likes.
      const path = this.#paths.get(task.queue);
      const held = new Held(task, ref, path ?? '', now);
      this.#held.set(held.token, held);
      if (this.#state !== 'running') {
        this.#release([held]);
      } else if (path !== undefined) {
        this.#queue.push(held);
      } else {
        this.#outcomes.notFound(held);
      }
    }
    this.#balance();
  }

  /** Gives idle threads what waits behind a task that runs long, fills up the threads, and asks for more. */
  #balance(): void {
    if (this.#state !== 'running') return;
    if (this.#queue.length === 0 && this.#hasIdle()) {
      for (const thread of this.#threads) {
        if (isOverloaded(thread, this.#durations)) this.#queue.push(...thread.takeBack());
      }
    }
    this.#handOut();
    this.#acquire();
  }

  #handOut(): void {
    if (this.#queue.length === 0) return;
    for (const [thread, tasks] of share(this.#queue, this.#threads, this.#durations)) {
      thread.give(tasks, this.#nextId);
      this.#nextId += tasks.length;
    }
    this.#watch.within();
  }

  #hasIdle(): boolean {
    for (const thread of this.#threads) if (thread.size === 0 && isOpen(thread)) return true;
    return false;
  }

  /** Hands back tasks that have not been started. */
  #release(tasks: Held[]): void {
    for (const held of tasks) this.#outcomes.released(held);
  }

  // ── Running tasks ─────────────────────────────────────────────────────────────────────────────────

  #ended(thread: ModuleThread, held: Held, end: TaskEnd): void {
    if (!held.stopping) this.#durations.add(held.task.algorithmName, end.at - held.startedAt());
    thread.stalledAt = null;
    this.#finish(held, end);
    if (thread.isEnding && thread.size === 0) this.#watch.ending(thread);
    // Filled up in portions: a message for each single task would cost as much as a short task.
    if (thread.size === 0) this.#balance();
    else if (thread.size <= MAX_PER_THREAD / 2) this.#handOut();
    this.#acquire();
    this.#watch.within();
    this.#conditions.changed();
  }

  #finish(held: Held, end: TaskEnd): void {
    held.grace?.cancel();
    this.#children.ended(held);
    this.#outcomes.ended(held, end);
    // It owes nothing, so nothing will be settled.
    if (!held.ended) this.#held.delete(held.token);
    this.#conditions.changed();
  }

  /** It may wait for the job it has asked for: what is behind it in its thread must not wait with it. */
  #waits(thread: ModuleThread, held: Held): void {
    held.long = true;
    this.#outcomes.started(held);
    if (this.#state === 'running') this.#queue.unshift(...thread.takeBack());
    if (this.#children.isCrowded) this.#giveBack((one) => this.#children.mayWait(one));
    this.#balance();
  }

  /** Tasks that wait do not count: as many others can run as there are threads. */
  #resize(): void {
    this.#threads.want(this.#options.threads + this.#children.waiting);
    for (const thread of this.#threads) if (thread.isParked) this.#queue.unshift(...thread.takeBack());
    this.#handOut();
  }

  // ── Reports and leases ────────────────────────────────────────────────────────────────────────────

  #settled(outcome: TaskOutcome, accepted: boolean): void {
    const { kind, token } = outcome;
    if (kind !== 'started' && kind !== 'progress') this.#held.delete(token);
    else if (!accepted) this.#drop(token);
  }

  /** The lease is someone else's, or no one's: the task must not start, and stops where it runs. */
  #drop(token: string): void {
    const held = this.#held.get(token);
    if (!held || held.ended) return;
    const thread = [...this.#threads].find(({ tasks }) => tasks.includes(held));
    if (!thread) {
      this.#queue = this.#queue.filter((one) => one !== held);
      this.#held.delete(token);
    } else if (thread.revoke(held)) {
      this.#held.delete(token);
    } else {
      this.#watch.stop(thread, held, 'cancel');
    }
    this.#conditions.changed();
  }

  /** Renews every lease in one call, off the threads: code that blocks its thread keeps its lease. */
  async #renew(): Promise<void> {
    let next = this.#leaseMs / 3;
    this.#releaseStale();
    const tokens = [...this.#held.keys()];
    try {
      const kept = tokens.length > 0 ? await this.#options.tasks.extend(tokens) : [];
      for (const [index, token] of tokens.entries()) if (kept[index] === false) this.#drop(token);
    } catch (error) {
      next /= 4;
      this.#trouble(error, 'renewing leases');
    }
    this.#timers.after(next, () => void this.#renew());
  }

  /** What has waited for a third of its lease goes back: another server may have a free thread. */
  #releaseStale(): void {
    const before = this.#options.clock.now() - this.#leaseMs / 3;
    this.#giveBack((held) => held.acquiredAt <= before);
  }

  /** Hands back those of them that have not been started. */
  #giveBack(which: (held: Held) => boolean): void {
    this.#release(this.#queue.filter(which));
    this.#queue = this.#queue.filter((held) => !held.ended);
    for (const thread of this.#threads) {
      this.#release(thread.tasks.filter((held) => which(held) && thread.revoke(held)));
    }
  }
}
