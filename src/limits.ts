import { type Problem, type ProblemError, problem, shown } from './errors.js';

/** What may be used at once. Null: no limit of that kind. Where several apply, the least counts. */
export interface Limits {
  /** HTTP requests and WebSocket operations, on average; ten seconds' worth may come at once. */
  requestsPerSecond: number | null;
  /** WebSockets and event streams that are open. */
  sockets: number | null;
  /** Jobs that have not ended. */
  runningJobs: number | null;
  /** Bytes of descriptors, stored pipelines, inputs, items, results, kept webhook bodies and events. */
  storedBytes: number | null;
}
export type LimitKind = keyof Limits;
/** The limits that a key can have of its own. */
export type KeyLimits = Pick<Limits, 'requestsPerSecond' | 'sockets'>;

export const NO_LIMITS: Limits = {
  requestsPerSecond: null,
  sockets: null,
  runningJobs: null,
  storedBytes: null,
};

/** Who has set a limit: the key and the account for themselves, the operator for every account. */
export type LimitScope = 'KEY' | 'ACCOUNT' | 'SERVER';

/** One limit that is set. A key's counts the key alone; the others count the whole account. */
export interface Limit {
  kind: LimitKind;
  scope: LimitScope;
  max: number;
}

/** Whom limits apply to. */
export interface Holder {
  account: { id: string; limits: Limits };
  /** Null on a server without keys. */
  apiKey: { id: string; limits: KeyLimits } | null;
}

/** What is counted in memory, as far as others may see it. */
export interface Quotas {
  /** Every limit that is set for this caller: the key's, then the account's, then the server's. */
  limits(holder: Holder): Limit[];
  /** How much of a limit is used now; null for those that the store counts. */
  used(holder: Holder, limit: Limit): number | null;
}

const KINDS: readonly LimitKind[] = ['requestsPerSecond', 'sockets', 'runningJobs', 'storedBytes'];

/** Every limit that is set, by scope and kind. */
export function limitsOf(server: Limits, { account, apiKey }: Holder): Limit[] {
  const scopes: [LimitScope, Partial<Limits>][] = [
    ['KEY', apiKey?.limits ?? {}],
    ['ACCOUNT', account.limits],
    ['SERVER', server],
  ];
  return scopes.flatMap(([scope, limits]) =>
    KINDS.flatMap((kind) => {
      const max = limits[kind] ?? null;
      return max === null ? [] : [{ kind, scope, max }];
    }),
  );
}

/** The least limit of a kind, or null. */
export function leastOf(limits: readonly Limit[], kind: LimitKind): Limit | null {
  return limits
    .filter((limit) => limit.kind === kind)
    .reduce<Limit | null>((least, one) => (least === null || one.max < least.max ? one : least), null);
}

/** "the limit runningJobs of this account": as errors name it. */
export function nameOf({ kind, scope }: Limit): string {
  const whose = { KEY: 'this API key', ACCOUNT: 'this account', SERVER: 'every account of this server' }[
    scope
  ];
  return `the limit ${kind} of ${whose}`;
}

// JavaScript's whole numbers end at 2^53; the others are far above what one server does.
const MOST: Limits & Record<LimitKind, number> = {
  requestsPerSecond: 1_000_000,
  sockets: 1_000_000,
  runningJobs: 1_000_000_000,
  storedBytes: Number.MAX_SAFE_INTEGER,
};

/** What is wrong with limits that somebody wants to set, at `path`. */
export function limitProblems(limits: Partial<Limits>, path: string[]): Problem[] {
  return KINDS.flatMap((kind): Problem[] => {
    const value = limits[kind] ?? null;
    if (value === null || (Number.isSafeInteger(value) && value >= 1 && value <= MOST[kind])) return [];
    const message = `${[...path, kind].join('.')} must be a whole number from 1 to ${MOST[kind]}, got ${shown(value)}; null is no limit`;
    return [{ code: 'INVALID', message, path: [...path, kind] }];
  });
}

/** What somebody asked for would break: so much is used, and so much more would be. */
export interface NoRoom {
  limit: Limit;
  used: number;
  adds: number;
}

/** Whether there is room for more, by the least limit of a kind. */
export function roomFor(
  limits: readonly Limit[],
  kind: LimitKind,
  used: number,
  adds: number,
): NoRoom | null {
  const limit = leastOf(limits, kind);
  return limit && used + adds > limit.max ? { limit, used, adds } : null;
}

/** A submission that there is no room for. */
export function limitReached({ limit, used, adds }: NoRoom): ProblemError {
  return problem(
    'LIMIT_REACHED',
    limit.kind === 'storedBytes'
      ? `${nameOf(limit)} is ${limit.max}, ${used} are used and this needs ${adds} more: wait until older jobs are removed, or have the limit raised`
      : `${nameOf(limit)} is ${limit.max}, and ${used} ${used === 1 ? 'job has' : 'jobs have'} not ended: wait for one to end, or cancel one`,
  );
}

// ── Requests: a bucket of tokens that fills at an even pace ───────────────────────────────────────────

/** A bucket holds this many seconds' worth of tokens, so that a page of a program may ask for much at once. */
export const BURST_SECONDS = 10;

/** The tokens that are out of a bucket, as of a time. None out: the bucket is full, and need not be remembered. */
export interface Bucket {
  used: number;
  at: number;
}

export function burstOf(perSecond: number): number {
  return Math.max(perSecond * BURST_SECONDS, 1);
}

/** Tokens that are out at a time. A clock that has gone back brings none, and takes none. */
export function usedAt({ used, at }: Bucket, perSecond: number, now: number): number {
  const back = (Math.max(now - at, 0) / 1_000) * perSecond;
  return Math.min(Math.max(used - back, 0), burstOf(perSecond));
}

/** How long until one token can be taken, in ms; 0: now. */
export function waitOf(used: number, perSecond: number): number {
  // Sums of fractions are a hair off: nobody shall wait for a billionth of a token.
  const missing = used + 1 - burstOf(perSecond);
  return missing <= 1e-9 ? 0 : (missing / perSecond) * 1_000;
}
