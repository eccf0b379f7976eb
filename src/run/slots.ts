/** What may happen to a task that was handed to a thread. Only WAITING may be left by either side. */
export const WAITING = 0;
export const STARTED = 1;
export const DONE = 2;
export const REVOKED = 3;

const START_BYTES = Float64Array.BYTES_PER_ELEMENT;
const STATE_BYTES = Int32Array.BYTES_PER_ELEMENT;

/**
 * One batch of tasks in memory that the main thread and a module's thread share: a start time and a state for each.
 * Both sides leave WAITING by compare-and-exchange, so a task is either started or revoked, never both, and the main
 * thread can revoke while the other is busy in a loop that never ends.
 */
export class Slots {
  readonly memory: SharedArrayBuffer;
  readonly #starts: Float64Array;
  readonly #states: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    const count = memory.byteLength / (START_BYTES + STATE_BYTES);
    this.memory = memory;
    this.#starts = new Float64Array(memory, 0, count);
    this.#states = new Int32Array(memory, count * START_BYTES, count);
  }

  static ofLength(count: number): Slots {
    return new Slots(new SharedArrayBuffer(count * (START_BYTES + STATE_BYTES)));
  }

  /** The thread's side: false where the task was revoked. */
  start(index: number, at: number): boolean {
    // Written first: whoever then reads STARTED also reads the time.
    this.#starts[index] = at;
    return Atomics.compareExchange(this.#states, index, WAITING, STARTED) === WAITING;
  }

  /** The thread's side, once the outcome has been posted. */
  finish(index: number): void {
    Atomics.store(this.#states, index, DONE);
  }

  /** The main thread's side: false where the task has been started. */
  revoke(index: number): boolean {
    return Atomics.compareExchange(this.#states, index, WAITING, REVOKED) === WAITING;
  }

  state(index: number): number {
    return Atomics.load(this.#states, index);
  }

  /** Milliseconds since 1970; of meaning once the state is STARTED. */
  startedAt(index: number): number {
    return this.#starts[index] ?? 0;
  }
}
