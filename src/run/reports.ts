import type { Clock, Timer } from '../clock.js';
import type { Outcome } from '../state.js';

export type TaskOutcome = Extract<Outcome, { token: string }>;

/** One outcome on its way to the store. */
export interface Report {
  jobUuid: string;
  outcome: TaskOutcome;
}

export interface ReportHandlers {
  settle(reports: Report[]): Promise<{ accepted: (boolean | null)[] }>;
  /** The store has answered. */
  settled(outcome: TaskOutcome, accepted: boolean): void;
  /** A call has been answered, and some of it was taken. */
  answered(): void;
  /** The store could not answer: the same reports are sent again. */
  failed(error: unknown): void;
}

/** One call settles this many at most: a store transaction of bearable size. */
const MAX_PER_CALL = 500;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5_000;
/** Where the store takes some: others must not wait longer for the few that it does not take. */
const MAX_PARTLY_RETRY_MS = 500;

/**
 * Outcomes wait here until the store has taken them. One call is under way at a time, so their order holds; what
 * comes meanwhile makes up the next call, behind what the last one did not settle.
 */
export class Reports {
  readonly #clock: Clock;
  readonly #handlers: ReportHandlers;
  #queued: Report[] = [];
  /** Of the call under way, or to be repeated. */
  #sending: Report[] = [];
  #resultChars = 0;
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

  /** Text of the results among them. */
  get resultChars(): number {
    return this.#resultChars;
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
    this.#resultChars += resultCharsOf(outcome);
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
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const reports = [...this.#sending, ...this.#queued.splice(0, MAX_PER_CALL - this.#sending.length)];
    this.#sending = reports;
    if (this.#progress.size > 0) for (const { outcome } of reports) this.#progress.delete(outcome.token);
    let accepted: (boolean | null)[] = [];
    try {
      ({ accepted } = await this.#handlers.settle(reports));
    } catch (error) {
      if (this.#closed) return;
      this.#handlers.failed(error);
    }
    this.#sending = reports.filter((_, index) => (accepted[index] ?? null) === null);
    for (const [index, { outcome }] of reports.entries()) {
      const taken = accepted[index] ?? null;
      if (taken === null) continue;
      this.#resultChars -= resultCharsOf(outcome);
      this.#handlers.settled(outcome, taken);
    }
    const someTaken = this.#sending.length < reports.length;
    if (this.#sending.length > 0) this.#repeat(someTaken ? MAX_PARTLY_RETRY_MS : MAX_RETRY_MS);
    else {
      this.#failures = 0;
      if (this.#queued.length > 0) this.#schedule();
    }
    if (someTaken) this.#handlers.answered();
  }

  #repeat(maxMs: number): void {
    if (this.#closed) return;
    const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures++, 10), maxMs);
    this.#retry = this.#clock.after(delay, () => void this.#send());
  }
}

function resultCharsOf(outcome: TaskOutcome): number {
  return outcome.kind === 'succeeded' ? outcome.result.length : 0;
}
