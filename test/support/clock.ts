import type { Clock, Timer } from '../../src/clock.js';

interface Waiting {
  at: number;
  order: number;
  run: () => void;
}

/** A clock that stands still until a test moves it, firing what falls due on the way, in order. */
export class VirtualClock implements Clock {
  private waiting: Waiting[] = [];
  private order = 0;

  constructor(private time = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): Timer {
    const entry = { at: this.time + Math.max(ms, 0), order: this.order++, run };
    this.waiting.push(entry);
    return {
      cancel: () => {
        this.waiting = this.waiting.filter((one) => one !== entry);
      },
    };
  }

  /** How many timers are set. */
  timers(): number {
    return this.waiting.length;
  }

  /** Moves time by `ms`; between timers everything that was set off gets to run as far as it can. */
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      await settle();
      const next = this.waiting
        .filter((one) => one.at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!next) break;
      this.waiting = this.waiting.filter((one) => one !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = until;
    await settle();
  }
}

/** Lets promises and the store's commits (one turn of the event loop each) come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
