import type { Clock, Timer } from './clock.js';
import { UnavailableError } from './errors.js';
import type { Log } from './log.js';

/** Every loop looks at the store this often, whatever the bus said: a lost message costs no more than this. */
export const POLL_MS = 1_000;
/** A step that has not ended for this long has stopped its loop. */
const STUCK_MS = 60_000;

/**
 * A step that is run again and again: when it is woken, when it asked to be, and from time to time. Steps never
 * overlap. A step that fails is logged and tried again.
 */
export class Loop {
  private running: Promise<void> | null = null;
  private again = false;
  private stopped = true;
  private timer: Timer | null = null;
  private startedAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly name: string,
    /** Resolves with the time until the next step is due, in ms; null: nothing is. */
    private readonly step: () => Promise<number | null>,
  ) {}

  start(): void {
    this.stopped = false;
    this.wake();
  }

  wake(): void {
    if (this.stopped) return;
    if (this.running) this.again = true;
    else this.running = this.run();
  }

  /** Resolves once the step that may be running has ended; none follows it. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    await this.running;
  }

  /** Whether it still turns. */
  alive(): boolean {
    return !this.stopped && (this.running === null || this.clock.now() - this.startedAt < STUCK_MS);
  }

  private async run(): Promise<void> {
    this.timer?.cancel();
    let delay: number | null = 0;
    do {
      this.again = false;
      this.startedAt = this.clock.now();
      try {
        delay = await this.step();
      } catch (error) {
        // Of a full disk the store tells, once.
        if (!(error instanceof UnavailableError))
          this.log.error({ err: error, loop: this.name }, 'a step of a loop failed');
        delay = POLL_MS;
      }
    } while (!this.stopped && (this.again || delay === 0));
    this.running = null;
    if (!this.stopped) this.timer = this.clock.after(Math.min(delay ?? POLL_MS, POLL_MS), () => this.wake());
  }
}
