import type { Clock } from '../clock.js';
import { UnavailableError } from '../errors.js';
import type { Log } from '../log.js';
import type { Outage } from '../store.js';
import type { CommitWatch } from './group-commit.js';

/** Without a refusal for this long, and with something written since, an outage is over: until then small writes may fit where large ones do not. */
const QUIET_MS = 60_000;

/** So often at most is the log moved into the database while writes are refused. */
const CHECKPOINT_EVERY_MS = 1_000;

const REASONS: [RegExp, string][] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT)$/, "the server's disk or database is full"],
  [/^(SQLITE_(IOERR|READONLY|CANTOPEN)|EIO$|EROFS$)/, "the server's disk fails"],
  [/^SQLITE_BUSY/, 'another process keeps the database locked'],
];

/** What was thrown, as the known failure that it is; null: it is another one. */
export function unavailable(thrown: unknown): UnavailableError | null {
  if (thrown instanceof UnavailableError) return thrown;
  // Drizzle wraps what SQLite says.
  for (const error of [thrown, (thrown as { cause?: unknown } | null)?.cause]) {
    const code = String((error as { code?: unknown } | null | undefined)?.code ?? '');
    const reason = REASONS.find(([pattern]) => pattern.test(code))?.[1];
    if (reason !== undefined) return new UnavailableError(reason, { cause: thrown });
  }
  return null;
}

/** Knows when the disk refused writes, and tells the operator once of each such time, not once of each write. */
export class Outages implements CommitWatch {
  #latest: Outage | null = null;
  #checkpointAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log | null,
    private readonly checkpoint: () => void,
  ) {}

  /** The newest one, whether it is over or not. */
  get latest(): Outage | null {
    return this.#latest && { ...this.#latest };
  }

  /**
   * A log that a long reader has let grow begins anew only once it is in the database, which SQLite sees to after
   * commits. Where the disk has no room for one more, that would never come: so it is seen to here.
   */
  beginning(): void {
    const now = this.clock.now();
    if (!this.#latest || this.#latest.over || now - this.#checkpointAt < CHECKPOINT_EVERY_MS) return;
    this.#checkpointAt = now;
    try {
      this.checkpoint();
    } catch {
      // The database finds no room either.
    }
  }

  failed(error: unknown): unknown {
    const refusal = unavailable(error);
    if (!refusal) return error;
    const now = this.clock.now();
    if (this.#latest && !this.#latest.over) {
      Object.assign(this.#latest, { last: now, reason: refusal.reason });
      return refusal;
    }
    this.#latest = { since: now, last: now, reason: refusal.reason, over: false };
    this.log?.error({ err: refusal.cause }, 'writes are refused until there is room; reading goes on');
    return refusal;
  }

  wrote(): void {
    const outage = this.#latest;
    if (!outage || outage.over || this.clock.now() - outage.last < QUIET_MS) return;
    outage.over = true;
    this.log?.info({ ms: outage.last - outage.since }, 'writes are taken again');
  }
}
