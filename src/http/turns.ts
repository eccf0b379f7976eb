/** Work goes on this long before the event loop gets to look at anything else. */
const SLICE_MS = 4;
/** Followers that are read for at once: each holds one page. */
const SLOTS = 16;

/** A piece of work: true where it wants another turn. It never throws. */
export type Turn = () => Promise<boolean>;

/**
 * Gives many their turns: whoever wants more goes to the end of the line, so that one with a million events to catch up
 * with holds up nobody, and no burst holds the event loop.
 */
export class Turns {
  private readonly line: Turn[] = [];
  private readonly woken: (() => void)[] = [];
  private active = 0;
  private sliceStart = 0;
  private pause: Promise<void> | null = null;

  add(turn: Turn): void {
    this.line.push(turn);
    this.fill();
  }

  /** Runs it in the next round of the event loop, or, where many wait, in one of those that follow. */
  soon(work: () => void): void {
    this.woken.push(work);
    if (this.woken.length > 1) return;
    setImmediate(() => {
      this.sliceStart = performance.now();
      void this.wake();
    });
  }

  private async wake(): Promise<void> {
    for (let at = 0; at < this.woken.length; at++) {
      const pause = this.breath();
      if (pause) await pause;
      this.woken[at]!();
    }
    this.woken.length = 0;
  }

  /** Resolves at once, or in the next round of the event loop where this one has been held long enough. */
  breath(): Promise<void> | undefined {
    return performance.now() - this.sliceStart < SLICE_MS ? undefined : this.rest();
  }

  private async rest(): Promise<void> {
    // Everybody waits for one round; those that no longer fit into its slice wait for another.
    do {
      this.pause ??= new Promise((resolve) =>
        setImmediate(() => {
          this.pause = null;
          this.sliceStart = performance.now();
          resolve();
        }),
      );
      await this.pause;
    } while (performance.now() - this.sliceStart >= SLICE_MS);
  }

  private fill(): void {
    while (this.active < SLOTS && this.line.length > 0) {
      this.active++;
      void this.run(this.line.shift()!);
    }
  }

  private async run(turn: Turn): Promise<void> {
    await this.breath();
    const more = await turn();
    if (more) this.line.push(turn);
    this.active--;
    this.fill();
  }
}
