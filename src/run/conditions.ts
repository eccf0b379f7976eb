import type { Timers } from './timers.js';

/** Waiting for something to become true, of which only its owner knows when to look again. */
export class Conditions {
  readonly #timers: Timers;
  #waiting: { met: () => boolean; resolve: () => void }[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Looks at every condition that is waited for. */
  changed(): void {
    this.#waiting = this.#waiting.filter(({ met, resolve }) => {
      if (!met()) return true;
      resolve();
      return false;
    });
  }

  /** Whether `met` came true within `ms`. */
  until(met: () => boolean, ms: number): Promise<boolean> {
    if (met()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = this.#timers.after(ms, () => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        resolve(met());
      });
      const waiting = {
        met,
        resolve: () => {
          timer.cancel();
          resolve(true);
        },
      };
      this.#waiting.push(waiting);
    });
  }
}
