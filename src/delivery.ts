import { jittered } from './backoff.js';
import {
  type EventType,
  isTerminal,
  jobStatusEvents,
  levelOf,
  type Verbosity,
  verbosities,
} from './event.js';
import type { HttpHeader, WebhookFormat } from './webhook.js';

/** One event for one target. HELD and IN_FLIGHT are read off the clock, the lane and the URL; the others are stored. */
export const deliveryStatuses = [
  'PENDING',
  'IN_FLIGHT',
  'DELIVERED',
  'RETRYING',
  'HELD',
  'EXHAUSTED',
  'SUPERSEDED',
  'CANCELLED',
] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

export const deliverySources = ['REGISTERED', 'JOB_PROGRESS', 'JOB_RESULT', 'ACCOUNT_DEFAULT'] as const;
export type DeliverySource = (typeof deliverySources)[number];

/** HKube owes the end of a job two bodies: the last progress and the result. */
export const deliveryParts = ['EVENT', 'RESULT'] as const;
export type DeliveryPart = (typeof deliveryParts)[number];

export const attemptOutcomes = [
  'DELIVERED',
  'HTTP_ERROR',
  'REDIRECT',
  'TIMEOUT',
  'DNS_ERROR',
  'CONNECTION_ERROR',
  'TLS_ERROR',
  'BLOCKED_DESTINATION',
  'GONE',
] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/** One call, as recorded. */
export interface DeliveryAttempt {
  deliveryId: string;
  number: number;
  startedAt: number;
  durationMs: number;
  outcome: AttemptOutcome;
  statusCode: number | null;
  responseSnippet: string | null;
  /** Without the values that a user marked as theirs: those read as "•••". */
  requestHeaders: HttpHeader[];
}

/** A delivery as clients see it. */
export interface Delivery {
  id: string;
  accountId: string;
  url: string;
  format: WebhookFormat;
  source: DeliverySource;
  webhookId: string | null;
  eventPosition: number;
  part: DeliveryPart;
  jobId: string | null;
  status: DeliveryStatus;
  nextAttemptAt: number | null;
  body: string | null;
  bodyBytes: number | null;
  bodySha256: string | null;
}

// ── Classes ─────────────────────────────────────────────────────────────────────────────────────────

/** Status changes must arrive; progress is best effort and yields to newer progress and to the job's end. */
export type DeliveryClass = 'STATUS' | 'PROGRESS';

export function classOf(type: EventType): DeliveryClass {
  return type === 'JOB_PROGRESS' ||
    type === 'TASK_PROGRESS' ||
    type.startsWith('WEBHOOK_') ||
    type === 'DELIVERY_EXHAUSTED'
    ? 'PROGRESS'
    : 'STATUS';
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface Schedule {
  /** Delay before each try, the first included. */
  delaysMs: readonly number[];
  /** Age of the event past which nothing is tried any more. */
  maxAgeMs: number;
}

/** Ten tries over 75 h 35 min, as Standard Webhooks recommends; an hour more for jitter. */
const STATUS_SCHEDULE: Schedule = {
  delaysMs: [
    0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ],
  maxAgeMs: 76 * HOUR,
};
const PROGRESS_SCHEDULE: Schedule = { delaysMs: [0, 5 * SECOND], maxAgeMs: 10 * MINUTE };

export function scheduleOf(deliveryClass: DeliveryClass): Schedule {
  return deliveryClass === 'STATUS' ? STATUS_SCHEDULE : PROGRESS_SCHEDULE;
}

/** A failing status change holds the ones behind it for at most this long; then it retries alone. */
export const LANE_HOLD_MS = 5 * MINUTE;
/** HKube's pace: one progress webhook of a job in this time, the first and the last among them. */
export const PROGRESS_PACE_MS = SECOND;
/** After a timeout no call to that URL for this long (SerpWow's rule, for every format). */
export const COOL_DOWN_MS = 5 * MINUTE;

/** When to try again after the `tries`-th failure, or null: exhausted. `since` is the time its age counts from. */
export function nextTryAt(
  deliveryClass: DeliveryClass,
  tries: number,
  since: number,
  now: number,
  fraction: number,
): number | null {
  const { delaysMs, maxAgeMs } = scheduleOf(deliveryClass);
  const delay = delaysMs[tries];
  if (delay === undefined || now >= since + maxAgeMs) return null;
  return Math.min(now + jittered(delay, fraction), since + maxAgeMs);
}

// ── Targets ─────────────────────────────────────────────────────────────────────────────────────────

/** Somewhere an event may have to go. */
export interface Target {
  source: DeliverySource;
  url: string;
  /** Normal form of the URL: what health, cool-down and duplicates are told by. */
  urlKey: string;
  format: WebhookFormat;
  /** The store's own key. */
  key: number;
  /** REGISTERED only. */
  events: readonly EventType[];
  pipelines: readonly string[];
  /** JOB_PROGRESS only: the descriptor's progressVerbosityLevel. */
  verbosity: Verbosity;
}

/** What a target gets of one event: its parts, in the order they are owed. */
export function partsFor(target: Target, type: EventType, pipelineName: string | null): DeliveryPart[] {
  switch (target.source) {
    case 'REGISTERED': {
      const wanted = target.events.includes(type);
      const scoped =
        target.pipelines.length === 0 || (pipelineName !== null && target.pipelines.includes(pipelineName));
      if (!wanted || !scoped) return [];
      // A registered webhook in HKube's format gets the last progress and, being told of the end, the result too.
      return target.format.startsWith('HKUBE') && isTerminal(type) ? ['EVENT', 'RESULT'] : ['EVENT'];
    }
    case 'JOB_PROGRESS':
      return wantsProgress(type, target.verbosity) ? ['EVENT'] : [];
    case 'JOB_RESULT':
      return isTerminal(type) ? ['RESULT'] : [];
    case 'ACCOUNT_DEFAULT':
      return isTerminal(type) ? ['RESULT'] : [];
  }
}

/** HKube's rule: sent when the option ranks at or above the level of the event. Tasks show as the job's progress. */
function wantsProgress(type: EventType, verbosity: Verbosity): boolean {
  if (type !== 'JOB_PROGRESS' && !(jobStatusEvents as readonly EventType[]).includes(type)) return false;
  return verbosities.indexOf(verbosity) >= verbosities.indexOf(levelOf(type));
}

export interface Match {
  target: Target;
  part: DeliveryPart;
}

/**
 * Who gets an event. The same URL and format from several sources gets each body once; a job's own target comes
 * first, since its lane and its place in the order are the ones the client asked for.
 */
export function match(targets: readonly Target[], type: EventType, pipelineName: string | null): Match[] {
  const matches: Match[] = [];
  const seen = new Set<string>();
  for (const target of targets) {
    for (const part of partsFor(target, type, pipelineName)) {
      // Only the HKube formats tell the two parts apart; elsewhere both are the same body.
      const body = target.format.startsWith('HKUBE') ? part : 'EVENT';
      const identity = `${body} ${target.format} ${target.urlKey}`;
      if (!seen.has(identity)) matches.push({ target, part });
      seen.add(identity);
    }
  }
  return matches;
}
