import type { Clock } from '../clock.js';
import { TIMEOUT_MESSAGE } from '../lease.js';
import type { Held } from './held.js';
import type { TaskEnd } from './module.js';
import type { Report, TaskOutcome } from './reports.js';

/** `Omit` that keeps the members of a union apart. */
type Rest<T> = T extends unknown ? Omit<T, 'ref' | 'token'> : never;

/**
 * Turns what happens to held tasks into outcomes. Of each lease: nothing, or `released` alone, or `started`, progress
 * and one end, in this order; a cancelled task says nothing more.
 */
export class Outcomes {
  readonly #clock: Clock;
  readonly #add: (report: Report) => void;

  constructor(clock: Clock, add: (report: Report) => void) {
    this.#clock = clock;
    this.#add = add;
  }

  /** Its code has begun. Reported once, however often it is said; answers when it began, by the pool's clock. */
  started(held: Held): number {
    if (held.reportedStartAt === null) {
      held.reportedStartAt = this.#time(held.startedAt());
      this.#report(held, { kind: 'started', at: held.reportedStartAt });
    }
    return held.reportedStartAt;
  }

  progress(held: Held, at: number, percent: number | null, message: string | null): void {
    if (held.stopping) return;
    const startedAt = this.started(held);
    this.#report(held, { kind: 'progress', at: Math.max(this.#time(at), startedAt), percent, message });
  }

  /** Why it was stopped counts more than how its code ended: that may have been because of it. */
  ended(held: Held, end: TaskEnd): void {
    if (held.stopping === 'cancel') return;
    const at = Math.max(this.#time(end.at), this.started(held));
    if (held.stopping === 'timeout') {
      this.#end(held, { kind: 'failed', at, code: 'TIMEOUT', message: TIMEOUT_MESSAGE, crash: false });
    } else if (held.stopping === 'shutdown') {
      this.#end(held, { kind: 'expired', at });
    } else if (end.kind === 'done') {
      this.#end(held, { kind: 'succeeded', at, result: end.result });
    } else {
      const { code, message, crash } = end;
      this.#end(held, { kind: 'failed', at, code, message, crash });
    }
  }

  /** There is no such algorithm here: a start and a failure at once. */
  notFound(held: Held): void {
    const at = this.#clock.now();
    const message = `algorithm "${held.task.algorithmName}" is not in the algorithms folder of this server`;
    this.#report(held, { kind: 'started', at });
    this.#end(held, { kind: 'failed', at, code: 'ALGORITHM_NOT_FOUND', message, crash: false });
  }

  /** Handed back: it has not been started. */
  released(held: Held): void {
    this.#end(held, { kind: 'released', at: this.#clock.now() });
  }

  /** A thread's time by the pool's clock: threads have only the system's. */
  #time(at: number): number {
    return at + this.#clock.now() - Date.now();
  }

  #end(held: Held, outcome: Rest<TaskOutcome>): void {
    held.ended = true;
    this.#report(held, outcome);
  }

  #report({ jobUuid, ref, token }: Held, outcome: Rest<TaskOutcome>): void {
    this.#add({ jobUuid, outcome: { ...outcome, ref, token } });
  }
}
