/** A job's time limits. Both are moved on by the time that it was paused. */
export interface Deadlines {
  /** When its ttl ends; null: it has none. */
  ttlAt: number | null;
  /** How long it may take from its first start on; null: as long as it likes. */
  activeTtlMs: number | null;
  /** When that is over; null until it has started. */
  activeTtlAt: number | null;
  pausedAt: number | null;
}

/** HKube's words for why a job was ended by each. */
const TTL = 'pipeline expired';
const ACTIVE_TTL = 'pipeline active TTL expired';

/** The last time that a Date can tell: what a ttl reaches beyond it is never. */
const LAST = 8_640_000_000_000_000;

/** Of a job submitted at `at`. The options are HKube's, in seconds; a ttl of 0 and less is none. */
export function deadlinesOf(
  { ttl, activeTtl }: { ttl: number; activeTtl?: number | null | undefined },
  at: number,
): Deadlines {
  return {
    ttlAt: ttl > 0 ? Math.min(at + ttl * 1_000, LAST) : null,
    activeTtlMs: activeTtl ? Math.min(activeTtl * 1_000, LAST) : null,
    activeTtlAt: null,
    pausedAt: null,
  };
}

/** Its first task has started. */
export function started(deadlines: Deadlines, at: number): Deadlines {
  const { activeTtlMs } = deadlines;
  return { ...deadlines, activeTtlAt: activeTtlMs === null ? null : Math.min(at + activeTtlMs, LAST) };
}

/** A paused job has no deadline until it is resumed. */
export function paused(deadlines: Deadlines, at: number): Deadlines {
  return { ...deadlines, pausedAt: at };
}

export function resumed(deadlines: Deadlines, at: number): Deadlines {
  // A clock that was put back gives no time, and takes none.
  const away = Math.max(at - (deadlines.pausedAt ?? at), 0);
  const shifted = (time: number | null) => (time === null ? null : Math.min(time + away, LAST));
  const { ttlAt, activeTtlAt } = deadlines;
  return { ...deadlines, ttlAt: shifted(ttlAt), activeTtlAt: shifted(activeTtlAt), pausedAt: null };
}

/** The earlier of the two; null: neither will come while things are as they are. */
export function expiresAt({ ttlAt, activeTtlAt, pausedAt }: Deadlines): number | null {
  if (pausedAt !== null) return null;
  if (ttlAt === null || activeTtlAt === null) return ttlAt ?? activeTtlAt;
  return Math.min(ttlAt, activeTtlAt);
}

/** Why a job must end at `at`: the limit that was reached first; null: it need not. */
export function overdueReason(deadlines: Deadlines, at: number): string | null {
  const due = expiresAt(deadlines);
  if (due === null || due > at) return null;
  return due === deadlines.ttlAt ? TTL : ACTIVE_TTL;
}
