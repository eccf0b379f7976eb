/** A timer that has been set and can be taken back. */
export interface Timer {
  cancel(): void;
}

/** Where all time comes from, so that tests can move it. Times are milliseconds since 1970. */
export interface Clock {
  now(): number;
  /** Runs `run` once, `ms` milliseconds from now. */
  after(ms: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    // setTimeout fires at once above 2^31-1 ms; a loop that wakes too early only looks and sleeps again.
    const handle = setTimeout(run, Math.min(Math.max(ms, 0), 2_147_483_647));
    return { cancel: () => clearTimeout(handle) };
  },
};
