import type { Committed } from './committed.js';
import type {
  AttemptOutcome,
  Delivery,
  DeliveryAttempt,
  DeliverySource,
  DeliveryStatus,
} from './delivery.js';
import type { EventType, LoggedEvent } from './event.js';
import type { Page } from './page.js';
import type { ResultList } from './result.js';
import type { HttpHeader, Webhook, WebhookFormat } from './webhook.js';

export interface NewWebhook {
  accountId: string;
  url: string;
  urlKey: string;
  description: string | null;
  events: EventType[];
  pipelines: string[];
  format: WebhookFormat;
  headers: HttpHeader[];
  secret: string;
  timeoutMs: number;
  maxPerSecond: number | null;
  enabled: boolean;
  at: number;
}

export type WebhookPatch = Partial<
  Pick<
    NewWebhook,
    | 'url'
    | 'urlKey'
    | 'description'
    | 'events'
    | 'pipelines'
    | 'format'
    | 'headers'
    | 'timeoutMs'
    | 'maxPerSecond'
    | 'enabled'
  >
>;

export interface Webhooks {
  registerWebhook(webhook: NewWebhook): Promise<Webhook>;
  /** Null for an unknown one. Disabling holds its deliveries; enabling sends them in order. */
  updateWebhook(accountId: string, id: string, patch: WebhookPatch, at: number): Promise<Webhook | null>;
  /** Cancels what it still had to deliver. The record of its deliveries stays. */
  deleteWebhook(accountId: string, id: string, at: number): Promise<boolean>;
  rotateWebhookSecret(accountId: string, id: string, secret: string): Promise<Webhook | null>;
  webhook(accountId: string, id: string): Promise<Webhook | null>;
  webhooks(accountId: string, page: Page): Promise<Webhook[]>;
}

export interface DeliveryFilter {
  statuses?: DeliveryStatus[];
  webhookId?: string;
  jobId?: string;
  eventTypes?: EventType[];
  sources?: DeliverySource[];
  /** Only those that were tried. */
  attempted?: boolean;
}

/** A delivery whose turn it is, with all that its body and its call are made of. */
export interface DueDelivery {
  deliveryId: string;
  /** Of the lane's lease: `recordAttempt` must present it. */
  token: string;
  accountId: string;
  webhookId: string | null;
  url: string;
  format: WebhookFormat;
  headers: HttpHeader[];
  timeoutMs: number;
  /** Signing secret, `whsec_…`. */
  secret: string;
  event: LoggedEvent;
  part: 'EVENT' | 'RESULT';
  /** Of this attempt, from 1. */
  number: number;
  /** Results of a completed job, up to `maxResultBytes`; null where the event is no completion. */
  results: ResultList | null;
}

export interface AttemptRecord {
  deliveryId: string;
  token: string;
  number: number;
  startedAt: number;
  durationMs: number;
  outcome: AttemptOutcome;
  statusCode: number | null;
  responseSnippet: string | null;
  requestHeaders: HttpHeader[];
  /** Null above 64 KiB. */
  body: string | null;
  bodyBytes: number;
  bodySha256: string;
}

export interface Deliveries {
  /**
   * Leases at most `max` lanes whose head is due, `maxPerUrl` of one URL, none of a URL that cools down; after the
   * cool-down one alone, the most valuable. Nothing else of a leased lane is sent before the lease ends.
   */
  claimLanes(claim: {
    max: number;
    maxPerUrl: number;
    maxResultBytes: number;
    leaseMs: number;
    at: number;
  }): Promise<DueDelivery[]>;
  /** When `claimLanes` can next return something, as far as is known now; null: not before a new delivery. */
  nextDueAt(at: number): Promise<number | null>;
  /** Records an attempt and decides what becomes of the delivery, its lane and its URL. False: the lease was lost. */
  recordAttempt(record: AttemptRecord, fraction: number, at: number): Promise<boolean>;
  /** Lanes that a dead server had under lease are free again: called once, at start. */
  releaseLanes(): Promise<void>;
  /** A WEBHOOK_PING event and its delivery, leased to the caller. Null for an unknown webhook. */
  startPing(
    accountId: string,
    webhookId: string,
    leaseMs: number,
    at: number,
  ): Promise<{ due: DueDelivery; committed: Committed } | null>;
  /** Sends an ended delivery again, on a new schedule, beside its lane. Null for an unknown one. */
  resend(
    accountId: string,
    deliveryId: string,
    at: number,
  ): Promise<Delivery | 'IN_FLIGHT' | 'WEBHOOK_DELETED' | null>;
  delivery(accountId: string, id: string, at: number): Promise<Delivery | null>;
  deliveries(accountId: string, filter: DeliveryFilter, page: Page, at: number): Promise<Delivery[]>;
  attempts(accountId: string, deliveryId: string): Promise<DeliveryAttempt[]>;
}
