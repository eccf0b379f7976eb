import type { Outcome } from '../advance.js';
import type { Clock, Timer } from '../clock.js';

export type TaskOutcome = Extract<Outcome, { token: string }>;

/** One outcome on its way to the store. */
export interface Report {
  jobUuid: string;
  outcome: TaskOutcome;
}

export interface ReportHandlers {
  settle(reports: Report[]): Promise<{ accepted: boolean[] }>;
  /** The store has answered. */
  settled(outcome: TaskOutcome, accepted: boolean): void;
  /** The whole call has been answered. */
  answered(): void;
  /** The store could not answer: the same reports are sent again. */
  failed(error: unknown): void;
}

/** One call settles this many at most: a store transaction of bearable size. */
const MAX_PER_CALL = 500;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;

/**
 * Outcomes wait here until the store has taken them. One call is under way at a time, so their order holds; what
 * comes meanwhile makes up the next call. A call that fails is repeated until it succeeds.
 */
export class Reports {
  readonly #clock: Clock;
  readonly #handlers: ReportHandlers;
  #queued: Report[] = [];
  #sending: Report[] = [];
  /** Where a token's progress is queued, to be overwritten by newer progress. */
  readonly #progress = new Map<string, Report>();
  #scheduled = false;
  #failures = 0;
  #retry: Timer | null = null;
  #closed = false;

  constructor(clock: Clock, handlers: ReportHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
  }

  get unsettled(): number {
    return this.#queued.length + this.#sending.length;
  }

  add(report: Report): void {
    const { outcome } = report;
    if (outcome.kind === 'progress') {
      const queued = this.#progress.get(outcome.token);
      if (queued) {
        queued.outcome = outcome;
        return;
      }
      this.#progress.set(outcome.token, report);
    }
    this.#queued.push(report);
    this.#schedule();
  }

  /** Gives up what has not been settled: for the end of the process. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#queued = [];
  }

  // Messages of threads come one by one, but many in one turn of the event loop: they share a call.
  #schedule(): void {
    if (this.#scheduled || this.#sending.length > 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#sending.length > 0 || this.#queued.length === 0) return;
      this.#sending = this.#queued.splice(0, MAX_PER_CALL);
      if (this.#progress.size > 0)
        for (const { outcome } of this.#sending) this.#progress.delete(outcome.token);
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const reports = this.#sending;
    let accepted: boolean[];
    try {
      ({ accepted } = await this.#handlers.settle(reports));
    } catch (error) {
      if (this.#closed) return;
      const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures++, 10), MAX_RETRY_MS);
      this.#retry = this.#clock.after(delay, () => void this.#send());
      this.#handlers.failed(error);
      return;
    }
    this.#failures = 0;
    this.#sending = [];
    for (const [index, { outcome }] of reports.entries()) {
      this.#handlers.settled(outcome, accepted[index] ?? false);
    }
    if (this.#queued.length > 0) this.#schedule();
    this.#handlers.answered();
  }
}
