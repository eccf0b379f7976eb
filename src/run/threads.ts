import { type ThreadHandlers as Handlers, ModuleThread, type ThreadOptions } from './module.js';
import type { Timers } from './timers.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

/** Keeps a number of threads running: one that ends is replaced, at once unless it never came up. */
export class Threads implements Iterable<ModuleThread> {
  readonly #options: Omit<ThreadOptions, 'name'> & { worker: string };
  readonly #timers: Timers;
  readonly #handlers: Handlers;
  readonly #all = new Set<ModuleThread>();
  #number = 0;
  #frozen = false;
  /** Threads in a row that ended before they could run anything. */
  failedStarts = 0;

  constructor(options: Omit<ThreadOptions, 'name'> & { worker: string }, timers: Timers, handlers: Handlers) {
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

  start(count: number): void {
    for (let started = 0; started < count; started++) this.#spawn();
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

  #spawn(): void {
    if (this.#frozen) return;
    const { worker, ...options } = this.#options;
    this.#all.add(new ModuleThread({ ...options, name: `${worker}/${++this.#number}` }, this.#handlers));
  }

  // Replaced when told to end, not when gone: a thread inside native code may take long to go, and the pool must not
  // stand still meanwhile.
  #replace(thread: ModuleThread): void {
    this.#all.delete(thread);
    if (this.#frozen) return;
    if (thread.isReady) {
      this.#spawn();
    } else {
      const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.failedStarts++, 10), MAX_RETRY_MS);
      this.#timers.after(delay, () => this.#spawn());
    }
  }
}
