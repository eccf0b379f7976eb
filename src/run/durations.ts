/** What a task is thought to take before any has been seen: as long as to be handed out alone. */
const UNKNOWN_MS = 50;
/** Weight of the newest task: after ten tasks of another length, the old estimate counts for a tenth. */
const WEIGHT = 0.2;

/** How long tasks take, on the whole and by algorithm: exponential averages, in milliseconds. */
export class Durations {
  readonly #ofAlgorithm = new Map<string, number>();
  #overall = UNKNOWN_MS;

  add(algorithm: string, ms: number): void {
    const known = this.#ofAlgorithm.get(algorithm);
    // The first is taken as it is: it says more than the guess did.
    this.#ofAlgorithm.set(algorithm, known === undefined ? ms : known + WEIGHT * (ms - known));
    this.#overall += WEIGHT * (ms - this.#overall);
  }

  of(algorithm: string): number {
    return this.#ofAlgorithm.get(algorithm) ?? UNKNOWN_MS;
  }

  overall(): number {
    return this.#overall;
  }
}
