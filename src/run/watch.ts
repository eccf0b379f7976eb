import type { Clock, Timer } from '../clock.js';
import { TIMEOUT_MESSAGE } from '../lease.js';
import type { Held, StopReason } from './held.js';
import type { ModuleThread, TaskEnd } from './module.js';
import { DONE } from './slots.js';
import type { Threads } from './threads.js';
import type { Timers } from './timers.js';

/** Threads are looked at this often while something about them is new: a start is told at the second look. */
const LOOK_MS = 20;

const ABORT_REASONS: Record<StopReason, string> = {
  cancel: 'the job has ended',
  shutdown: 'the server stops',
  timeout: TIMEOUT_MESSAGE,
};

export interface WatchHandlers {
  /** A task has run for 20 to 40 ms. */
  started(held: Held): void;
  /** Tasks taken back from a thread, which had not started them. */
  released(tasks: Held[]): void;
  /** A task's thread was ended under it. */
  ended(held: Held, end: TaskEnd): void;
  /** All threads have been looked at. */
  looked(): void;
}

/**
 * Looks at the threads from outside, since code that blocks its thread tells nothing: one timer for all of them
 * finds starts, timeouts, tasks that run long, and threads that have stopped taking tasks.
 */
export class Watch {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #threads: Threads;
  readonly #limits: { graceMs: number; stallMs: number };
  readonly #handlers: WatchHandlers;
  #next: { timer: Timer; at: number } | null = null;

  constructor(
    clock: Clock,
    timers: Timers,
    threads: Threads,
    limits: { graceMs: number; stallMs: number },
    handlers: WatchHandlers,
  ) {
    this.#clock = clock;
    this.#timers = timers;
    this.#threads = threads;
    this.#limits = limits;
    this.#handlers = handlers;
  }

  /** Looks within `ms`, or earlier if that was asked for before. */
  within(ms: number = LOOK_MS): void {
    const at = this.#clock.now() + ms;
    if (this.#next && this.#next.at <= at) return;
    this.#next?.timer.cancel();
    const timer = this.#timers.after(ms, () => {
      this.#next = null;
      const now = this.#clock.now();
      for (const thread of [...this.#threads]) this.#look(thread, now);
      this.#handlers.looked();
    });
    this.#next = { timer, at };
  }

  /** Aborts a running task's signal; when it has not ended after the grace, its thread is ended. */
  stop(thread: ModuleThread, held: Held, reason: StopReason): void {
    // What has ended is reported as it ended; but a cancelled task says nothing more, whatever became of it.
    if (reason === 'cancel') held.stopping = reason;
    else if (held.state() !== DONE) held.stopping ??= reason;
    if (held.stopping === null || held.grace) return;
    held.long = true;
    thread.abort(held, ABORT_REASONS[reason]);
    held.grace = this.#timers.after(this.#limits.graceMs, () => {
      if (thread.running() !== held) return;
      // First, so that no other task can start between the look at this one and the end of the thread.
      this.#handlers.released(thread.takeBack());
      if (held.state() !== DONE) this.#terminate(thread);
    });
  }

  /** Gives a thread that is ending by itself the grace for it: a module's `exit` must not keep it for ever. */
  ending(thread: ModuleThread): void {
    this.#timers.after(this.#limits.graceMs, () => {
      if (this.#threads.has(thread)) this.#terminate(thread);
    });
  }

  #look(thread: ModuleThread, now: number): void {
    const running = thread.running();
    if (!running) {
      this.#lookForStall(thread, now);
      return;
    }
    thread.stalledAt = null;
    if (running.state() === DONE) {
      // Its end has been posted: the message is on its way.
      this.within();
      return;
    }
    if (running.seenAt === null) {
      running.seenAt = now;
      this.within();
    } else if (!running.long) {
      running.long = true;
      this.#handlers.started(running);
    }
    const { timeoutMs } = running.task;
    if (timeoutMs === null || running.stopping) return;
    const leftMs = running.seenAt + timeoutMs - now;
    if (leftMs <= 0) this.stop(thread, running, 'timeout');
    else this.within(leftMs);
  }

  #lookForStall(thread: ModuleThread, now: number): void {
    if (thread.size === 0) {
      thread.stalledAt = null;
      return;
    }
    thread.stalledAt ??= now;
    if (now - thread.stalledAt < this.#limits.stallMs) this.within();
    else this.#terminate(thread);
  }

  /** Ends a thread at once: what has not started in it goes back, what has is over. */
  #terminate(thread: ModuleThread): void {
    this.#handlers.released(thread.takeBack());
    const [running] = thread.tasks;
    this.#threads.terminate(thread);
    if (!running) return;
    const message = 'the thread of the algorithm was ended';
    this.#handlers.ended(running, { kind: 'failed', at: Date.now(), code: 'EXITED', message, crash: true });
  }
}
