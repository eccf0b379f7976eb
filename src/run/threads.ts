import type { Timer } from '../clock.js';
import { type ThreadHandlers as Handlers, ModuleThread, type ThreadOptions } from './module.js';
import type { Timers } from './timers.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

interface Options extends Omit<ThreadOptions, 'name'> {
  worker: string;
  /** How long there may be too many. */
  lingerMs: number;
}

/** Keeps a number of threads running: one that ends is replaced, at once unless it never came up. */
export class Threads implements Iterable<ModuleThread> {
  readonly #options: Options;
  readonly #timers: Timers;
  readonly #handlers: Handlers;
  readonly #all = new Set<ModuleThread>();
  /** Of them, those too many: they are given nothing, and wait to be needed again. */
  readonly #parked = new Set<ModuleThread>();
  /** Of them, those that were too many for long: they end as soon as they have nothing to do. */
  readonly #leaving = new Set<ModuleThread>();
  /** Replacements whose time has not come. */
  #delayed = 0;
  #wanted = 0;
  #trim: Timer | null = null;
  #number = 0;
  #frozen = false;
  /** Threads in a row that ended before they could run anything. */
  failedStarts = 0;

  constructor(options: Options, timers: Timers, handlers: Handlers) {
    this.#options = options;
    this.#timers = timers;
    this.#handlers = {
      ...handlers,
      ready: (thread) => {
        this.failedStarts = 0;
        handlers.ready(thread);
      },
      exited: (thread, waiting) => {
        this.#replace(thread);
        handlers.exited(thread, waiting);
      },
    };
  }

  [Symbol.iterator](): Iterator<ModuleThread> {
    return this.#all[Symbol.iterator]();
  }

  get size(): number {
    return this.#all.size;
  }

  has(thread: ModuleThread): boolean {
    return this.#all.has(thread);
  }

  /**
   * Says how many are to run tasks. More are started now. Those too many get no more tasks, but stay for a while: the
   * next time they are needed is likely to be soon.
   */
  want(count: number): void {
    this.#wanted = count;
    this.#park();
    while (this.#surplus() < 0 && !this.#frozen) this.#spawn();
  }

  /** Ends a thread at once; its tasks are the caller's affair. */
  terminate(thread: ModuleThread): void {
    thread.terminate();
    this.#replace(thread);
  }

  /** From now on no thread is replaced. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Asks every thread to end. */
  close(): void {
    this.freeze();
    for (const thread of this.#all) thread.leave();
  }

  #surplus(): number {
    return this.#all.size - this.#leaving.size + this.#delayed - this.#wanted;
  }

  /** Has as many parked as are too many: idle ones first, and none that may be about to wait for long. */
  #park(): void {
    const surplus = Math.max(this.#surplus(), 0);
    for (const thread of this.#parked) if (this.#parked.size > surplus) this.#setParked(thread, false);
    if (this.#parked.size === surplus) return;
    const order = [...this.#all].sort((a, b) => a.size - b.size || rank(a) - rank(b));
    for (const thread of order) {
      if (this.#parked.size === surplus) break;
      if (thread.isReady && !thread.isEnding) this.#setParked(thread, true);
    }
    this.#trim ??= this.#timers.after(this.#options.lingerMs, () => {
      this.#trim = null;
      this.#dismiss();
    });
  }

  #setParked(thread: ModuleThread, parked: boolean): void {
    thread.isParked = parked;
    if (parked) this.#parked.add(thread);
    else this.#parked.delete(thread);
  }

  /** Lets those go that have been too many for a while. */
  #dismiss(): void {
    if (this.#frozen) return;
    for (const thread of this.#parked) {
      this.#parked.delete(thread);
      this.#leaving.add(thread);
      thread.leave();
      this.#handlers.retiring(thread);
    }
  }

  #spawn(): void {
    if (this.#frozen) return;
    const { worker, lingerMs: _lingerMs, ...options } = this.#options;
    this.#all.add(new ModuleThread({ ...options, name: `${worker}/${++this.#number}` }, this.#handlers));
  }

  // Replaced when told to end, not when gone: a thread inside native code may take long to go, and the pool must not
  // stand still meanwhile.
  #replace(thread: ModuleThread): void {
    this.#all.delete(thread);
    this.#leaving.delete(thread);
    this.#parked.delete(thread);
    if (this.#frozen || this.#surplus() >= 0) return;
    if (thread.isReady) {
      this.#spawn();
    } else {
      const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.failedStarts++, 10), MAX_RETRY_MS);
      this.#delayed++;
      this.#timers.after(delay, () => {
        this.#delayed--;
        if (this.#surplus() < 0) this.#spawn();
      });
    }
  }
}

function rank(thread: ModuleThread): number {
  return thread.running()?.long === true ? 1 : 0;
}
