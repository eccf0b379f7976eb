import type { Clock, Timer } from '../clock.js';
import {
  BURST_SECONDS,
  type Bucket,
  burstOf,
  type Holder,
  type Limit,
  type Limits,
  leastOf,
  limitsOf,
  nameOf,
  type Quotas,
  roomFor,
  usedAt,
  waitOf,
} from '../limits.js';
import type { Refusal } from './refusal.js';

export interface QuotaRefusal extends Refusal {
  retryAfterMs: number;
}

/** Requests and sockets, counted in memory: after a restart they begin anew. */
export interface HttpQuotas extends Quotas {
  /** Takes one request of every limit that applies, or none of any. */
  take(holder: Holder): QuotaRefusal | null;
  /** Counts a socket until the function is called that it answers. */
  openSocket(holder: Holder): QuotaRefusal | (() => void);
  /** Of how many keys and accounts something is remembered: those that are full again are not. */
  size(): number;
  close(): void;
}

/** Nothing tells when a socket closes: how long a client should wait before it looks again. */
const SOCKET_RETRY_MS = 5_000;
const SWEEP_EVERY_MS = BURST_SECONDS * 1_000;

export function createQuotas({ clock, limits: server }: { clock: Clock; limits: Limits }): HttpQuotas {
  /** By the id of a key, or of an account. */
  const buckets = new Map<string, Bucket & { perSecond: number }>();
  const sockets = new Map<string, number>();
  let timer: Timer | null = null;
  let closed = false;

  // A bucket that is full again is like one that never was.
  const sweep = () => {
    const now = clock.now();
    for (const [id, bucket] of buckets) if (usedAt(bucket, bucket.perSecond, now) === 0) buckets.delete(id);
    timer = null;
    arm();
  };
  const arm = () => {
    if (!closed && buckets.size > 0) timer ??= clock.after(SWEEP_EVERY_MS, sweep);
  };

  return {
    limits: (holder) => limitsOf(server, holder),

    used(holder, { kind, scope }) {
      const id = (scope === 'KEY' ? holder.apiKey : holder.account)?.id ?? '';
      if (kind === 'sockets') return sockets.get(id) ?? 0;
      if (kind !== 'requestsPerSecond') return null;
      // In the limit's own measure: a bucket that is used up was filled at the limit for ten seconds.
      const bucket = buckets.get(id);
      const used = bucket ? usedAt(bucket, bucket.perSecond, clock.now()) : 0;
      return Math.round((used / BURST_SECONDS) * 100) / 100;
    },

    take(holder) {
      const now = clock.now();
      const taken = placesOf(holder, limitsOf(server, holder)).flatMap(({ id, limits }) => {
        const limit = leastOf(limits, 'requestsPerSecond');
        const bucket = buckets.get(id);
        return limit ? [{ id, limit, used: bucket ? usedAt(bucket, limit.max, now) : 0 }] : [];
      });
      let refusal: QuotaRefusal | null = null;
      for (const { limit, used } of taken) {
        const retryAfterMs = Math.ceil(waitOf(used, limit.max));
        if (retryAfterMs > (refusal?.retryAfterMs ?? 0)) refusal = tooManyRequests(limit, retryAfterMs);
      }
      for (const { id, limit, used } of taken)
        buckets.set(id, { used: refusal ? used : used + 1, at: now, perSecond: limit.max });
      arm();
      return refusal;
    },

    openSocket(holder) {
      const places = placesOf(holder, limitsOf(server, holder));
      for (const { id, limits } of places) {
        const full = roomFor(limits, 'sockets', sockets.get(id) ?? 0, 1);
        if (full) return tooManySockets(full.limit, full.used);
      }
      for (const { id } of places) sockets.set(id, (sockets.get(id) ?? 0) + 1);
      let open = true;
      return () => {
        if (!open) return;
        open = false;
        for (const { id } of places) {
          const left = sockets.get(id)! - 1;
          if (left > 0) sockets.set(id, left);
          else sockets.delete(id);
        }
      };
    },

    size: () => new Set([...buckets.keys(), ...sockets.keys()]).size,

    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** Where what a caller uses is counted, with the limits that count there: at its key, and at its account. */
function placesOf({ account, apiKey }: Holder, limits: Limit[]): { id: string; limits: Limit[] }[] {
  const ofKey = limits.filter(({ scope }) => scope === 'KEY');
  const ofAccount = limits.filter(({ scope }) => scope !== 'KEY');
  return [...(apiKey ? [{ id: apiKey.id, limits: ofKey }] : []), { id: account.id, limits: ofAccount }];
}

function tooManyRequests(limit: Limit, retryAfterMs: number): QuotaRefusal {
  const message = `${nameOf(limit)} is ${limit.max}, and the ${burstOf(limit.max)} that may come at once are used: try again in ${retryAfterMs} ms`;
  return refusalOf(message, retryAfterMs);
}

function tooManySockets(limit: Limit, used: number): QuotaRefusal {
  const message = `${nameOf(limit)} is ${limit.max}, and ${used} are open: close one, or follow more in one socket`;
  return refusalOf(message, SOCKET_RETRY_MS);
}

function refusalOf(message: string, retryAfterMs: number): QuotaRefusal {
  const headers = { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) };
  return { status: 429, code: 'LIMIT_REACHED', message, headers, retryAfterMs };
}
