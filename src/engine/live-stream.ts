import type { Clock, Timer } from '../clock.js';

/** What a stream waits on: a call, the end of a time, or its own end. */
export class Wakeup {
  ended = false;
  private called = false;
  private release: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  wake(): void {
    this.called = true;
    this.release?.();
  }

  end(): void {
    this.ended = true;
    this.release?.();
  }

  /** Resolves at the next call (or at once, where one came since the last wait), after `ms`, or at the end. */
  async wait(ms: number): Promise<void> {
    if (!this.called) await this.sleep(ms);
    this.called = false;
  }

  /** Resolves after `ms` or at the end: a call does not cut it short, nor is it forgotten. */
  async pause(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    while (!this.ended && this.clock.now() < until) await this.sleep(until - this.clock.now());
  }

  private sleep(ms: number): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      this.release = () => {
        timer?.cancel();
        this.release = null;
        resolve();
      };
      timer = this.clock.after(ms, () => this.release?.());
    });
  }
}

/**
 * A generator that can be ended while it waits: `return()` of a plain one is only heard at its next `yield`, so a
 * client that leaves would be kept until something happens.
 */
export function liveStream<T>(
  clock: Clock,
  open: (wakeup: Wakeup) => { run: () => AsyncGenerator<T>; end: () => void },
): AsyncGenerator<T> {
  const wakeup = new Wakeup(clock);
  const { run, end } = open(wakeup);
  const inner = run();
  const finish = () => {
    wakeup.end();
    end();
  };
  return {
    async next() {
      try {
        const result = await inner.next();
        if (result.done) finish();
        return result;
      } catch (error) {
        finish();
        throw error;
      }
    },
    async return(value) {
      finish();
      return inner.return(value);
    },
    async throw(error) {
      finish();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
