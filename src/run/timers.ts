import type { Clock, Timer } from '../clock.js';

/** Timers that end together, and whose failures end in one place. */
export class Timers {
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #set = new Set<Timer>();
  #closed = false;

  constructor(clock: Clock, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Runs `run` once, `ms` from now; never after `close`. */
  after(ms: number, run: () => void): Timer {
    if (this.#closed) return { cancel: () => {} };
    const inner = this.#clock.after(ms, () => {
      this.#set.delete(timer);
      try {
        run();
      } catch (error) {
        this.#failed(error);
      }
    });
    const timer: Timer = {
      cancel: () => {
        this.#set.delete(timer);
        inner.cancel();
      },
    };
    this.#set.add(timer);
    return timer;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#set) timer.cancel();
  }
}
