import type { Clock, Timer } from '../clock.js';

/** At most one report a second and task leaves the thread, besides the last. */
export const PROGRESS_INTERVAL_MS = 1_000;
const MAX_MESSAGE_CHARS = 1_000;

export interface ProgressReport {
  /** 0 … 100, or null where the algorithm gave none. */
  percent: number | null;
  message: string | null;
}

/** Coalesces one task's progress: the last value counts, and it is always sent before the result. */
export class Progress {
  readonly #clock: Clock;
  readonly #send: (report: ProgressReport) => void;
  #sent: ProgressReport = { percent: null, message: null };
  #sentAt = Number.NEGATIVE_INFINITY;
  #pending: ProgressReport | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(clock: Clock, send: (report: ProgressReport) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** What the algorithm calls: takes anything, and nothing once the task has ended. */
  report(percent: unknown, message: unknown): void {
    if (this.#closed) return;
    this.#pending = {
      percent:
        typeof percent === 'number' && !Number.isNaN(percent) ? Math.min(Math.max(percent, 0), 100) : null,
      message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE_CHARS) : null,
    };
    // Asked of the clock at each call, not left to the timer alone: code that never yields runs no timers.
    const waitMs = this.#sentAt + PROGRESS_INTERVAL_MS - this.#clock.now();
    if (waitMs <= 0) this.#flush();
    else this.#timer ??= this.#clock.after(waitMs, () => this.#flush());
  }

  /** Sends what is still unsent and closes. */
  finish(): void {
    if (this.#pending) this.#flush();
    this.#closed = true;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const report = this.#pending;
    this.#pending = null;
    if (!report || (report.percent === this.#sent.percent && report.message === this.#sent.message)) return;
    this.#sent = report;
    this.#sentAt = this.#clock.now();
    this.#send(report);
  }
}
