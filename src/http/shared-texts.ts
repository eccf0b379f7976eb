import type { Rendered } from './sink.js';

/** Of all groups together, in characters. */
const MAX_TOTAL = 64 * 1024 * 1024;
/** Of one group: enough for its ring where answers are of ordinary size. */
const MAX_GROUP = 1024 * 1024;
/** What an entry costs beside its text, about. */
const ENTRY = 200;
/** What looks at the present is as good as new for this long: enough to share a burst of replays. */
export const MOVING_MS = 100;

interface Kept {
  rendered: Rendered | Promise<Rendered>;
  at: number;
  size: number;
}

/** All that groups keep of their recent answers, within one bound. */
export class SharedTexts {
  private readonly groups = new Set<GroupTexts>();
  private total = 0;

  counted(group: GroupTexts, change: number): void {
    this.total += change;
    this.groups.add(group);
    // Who began to keep first has most to give.
    for (const oldest of this.groups) {
      if (this.total <= MAX_TOTAL) break;
      oldest.clear();
    }
  }

  cleared(group: GroupTexts, size: number): void {
    this.total -= size;
    this.groups.delete(group);
  }
}

/** Recent answers of one group by position, so that who comes a little later shares them too. */
export class GroupTexts {
  private readonly kept = new Map<number, Kept>();
  private size = 0;

  constructor(
    private readonly all: SharedTexts,
    /** How long an answer counts, in ms. */
    private readonly forMs: number,
  ) {}

  get(position: number, now: number): Rendered | Promise<Rendered> | null {
    const entry = this.kept.get(position);
    // Either way: the clock may have been set back.
    return entry && Math.abs(now - entry.at) <= this.forMs ? entry.rendered : null;
  }

  /** Keeps an answer, also one that is still being made: others wait for it instead of making it again. */
  set(position: number, rendered: Rendered | Promise<Rendered>, now: number): void {
    this.drop(position);
    const size = ENTRY + ('then' in rendered ? 0 : rendered.text.length);
    this.kept.set(position, { rendered, at: now, size });
    this.size += size;
    this.all.counted(this, size);
    for (const oldest of this.kept.keys()) {
      if (this.size <= MAX_GROUP) break;
      this.drop(oldest);
    }
  }

  clear(): void {
    this.kept.clear();
    this.all.cleared(this, this.size);
    this.size = 0;
  }

  private drop(position: number): void {
    const entry = this.kept.get(position);
    if (!entry) return;
    this.kept.delete(position);
    this.size -= entry.size;
    this.all.counted(this, -entry.size);
  }
}
