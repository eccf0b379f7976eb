import type { JobError, JobStatus, Progress } from './job.js';
import type { TaskStatus } from './task.js';

/**
 * The event log is the one truth that subscribers and webhook receivers are fed from. An event carries every fact
 * that any format needs, as of its moment, so that a body written three days later is the same body.
 */
export const eventTypes = [
  'JOB_PENDING',
  'JOB_ACTIVE',
  'JOB_PROGRESS',
  'JOB_PAUSED',
  'JOB_RESUMED',
  'JOB_COMPLETED',
  'JOB_FAILED',
  'JOB_CANCELLED',
  'TASK_ACQUIRED',
  'TASK_PROGRESS',
  'TASK_RETRIED',
  'TASK_COMPLETED',
  'TASK_FAILED',
  'TASK_SKIPPED',
  'TASK_CANCELLED',
  'WEBHOOK_PING',
  'WEBHOOK_COOLING',
  'WEBHOOK_DISABLED',
  'WEBHOOK_RECOVERED',
  'DELIVERY_EXHAUSTED',
] as const;
export type EventType = (typeof eventTypes)[number];

/** The type on every wire but GraphQL's: JOB_COMPLETED is "job.completed". */
export function wireType(type: EventType): string {
  return type.toLowerCase().replace('_', '.');
}

/** The status changes of a job: what a webhook without `events` gets. */
export const jobStatusEvents = [
  'JOB_PENDING',
  'JOB_ACTIVE',
  'JOB_PAUSED',
  'JOB_RESUMED',
  'JOB_COMPLETED',
  'JOB_FAILED',
  'JOB_CANCELLED',
] as const satisfies readonly EventType[];

export const terminalEvents = [
  'JOB_COMPLETED',
  'JOB_FAILED',
  'JOB_CANCELLED',
] as const satisfies readonly EventType[];

export function isTerminal(type: EventType): boolean {
  return (terminalEvents as readonly EventType[]).includes(type);
}

/** HKube's verbosity levels; 0 is the most severe. `warning` is another spelling of `warn`. */
export const verbosities = ['critical', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type Verbosity = (typeof verbosities)[number];

export function levelOf(type: EventType): Verbosity {
  if (type === 'JOB_FAILED') return 'error';
  return (jobStatusEvents as readonly EventType[]).includes(type) ? 'info' : 'debug';
}

/** Facts of JOB_PENDING … JOB_CANCELLED, JOB_PROGRESS included. */
export interface JobFacts {
  of: 'job';
  status: JobStatus;
  progress: Progress;
  error: JobError | null;
  reason: string | null;
  startedAt: number | null;
  finishedAt: number | null;
}

/** Facts of the TASK_ events. */
export interface TaskFacts {
  of: 'task';
  node: number;
  item: number;
  nodeName: string;
  algorithmName: string;
  queue: string;
  status: TaskStatus;
  attempt: number;
  worker: string | null;
  acquiredAt: number | null;
  leaseExpiresAt: number | null;
  error: { code: string; message: string } | null;
  /** TASK_RETRIED: when the next attempt may start. */
  retryAt: number | null;
  /** TASK_PROGRESS: as the algorithm reported it. */
  percent: number | null;
  message: string | null;
}

/** Facts of WEBHOOK_PING and its kin. */
export interface WebhookFacts {
  of: 'webhook';
  webhookId: string;
  status: string;
  reason: string | null;
}

export type EventFacts = JobFacts | TaskFacts | WebhookFacts;

/** An event before it has a place in the log. */
export interface NewEvent {
  type: EventType;
  occurredAt: number;
  facts: EventFacts;
}

/** What an event says about its job that never changes. */
export interface EventJob {
  id: string;
  number: number;
  pipelineName: string;
  externalId: string | null;
  tags: string[];
  createdAt: number;
}

/** An event in the log. */
export interface LoggedEvent extends NewEvent {
  accountId: string;
  /** Dense in its account. */
  position: number;
  /** Dense in its job; null for events without a job. */
  sequence: number | null;
  job: EventJob | null;
}

/**
 * `evt_<account>_<position>_<time>`: found by its position, and not repeated by another installation or by this one
 * after an older copy of its data was put back. The separator is never a full stop (Standard Webhooks).
 */
export function eventId(event: Pick<LoggedEvent, 'accountId' | 'position' | 'occurredAt'>): string {
  const account = event.accountId.slice(event.accountId.indexOf('_') + 1);
  return `evt_${account}_${event.position.toString(36)}_${event.occurredAt.toString(36)}`;
}

const EVENT_ID = /^evt_([a-z0-9]+)_([a-z0-9]{1,11})_([a-z0-9]{1,11})$/;

/** The place an event id names, or null where it is none of this account's. */
export function parseEventId(id: string, accountId: string): { position: number; occurredAt: number } | null {
  const match = EVENT_ID.exec(id);
  if (!match || `acc_${match[1]}` !== accountId) return null;
  return { position: Number.parseInt(match[2]!, 36), occurredAt: Number.parseInt(match[3]!, 36) };
}
