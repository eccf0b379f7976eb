/** JSON of so many characters is read in one turn of the event loop, or one text that is longer: 2 MiB take 0.3 s. */
export const A_TURN_CHARS = 64 * 1024;

/**
 * What reads large texts on the main thread waits here first, so that others get their turn between one and the next:
 * a task may ask for a hundred jobs in one go, and a hundred pipelines may be due at the same second.
 */
export class Turns {
  readonly #waiting: { chars: number; begin(): void }[] = [];

  /** Resolves when a text of so many characters may be read. */
  wait(chars: number): Promise<void> {
    return new Promise((begin) => {
      if (this.#waiting.push({ chars, begin }) === 1) setImmediate(() => this.#turn());
    });
  }

  #turn(): void {
    let chars = 0;
    do {
      const next = this.#waiting.shift()!;
      chars += next.chars;
      next.begin();
    } while (this.#waiting.length > 0 && chars + this.#waiting[0]!.chars <= A_TURN_CHARS);
    if (this.#waiting.length > 0) setImmediate(() => this.#turn());
  }
}
