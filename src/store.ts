import type { Accounts, ApiKeys } from './account-store.js';
import type { Feed } from './feed-store.js';
import type { Jobs } from './job-store.js';
import type { Algorithms, Pipelines, Triggering } from './pipeline-store.js';
import type { Links, Tasks } from './task-store.js';
import type { Deliveries, Webhooks } from './webhook-store.js';

export type * from './account-store.js';
export type * from './committed.js';
export type * from './feed-store.js';
export type * from './job-store.js';
export type * from './page.js';
export type * from './pipeline-store.js';
export type * from './task-store.js';
export type * from './webhook-store.js';

/**
 * The one door to durable state. Every method is one transaction; what it returns is committed. Every method may
 * be called concurrently, and a rejected promise means that nothing of it was written: UnavailableError where the disk
 * is full or fails, which ends by itself. Ids are the public ones;
 * what belongs to another account is answered like what never existed.
 */
export interface Store
  extends Jobs,
    Pipelines,
    Algorithms,
    Triggering,
    Tasks,
    Links,
    Feed,
    Webhooks,
    Deliveries,
    Accounts,
    ApiKeys {
  /** Whether the database answers. */
  ping(): Promise<boolean>;
  /** The newest time in which writes were refused with UnavailableError; null: there was none since the start. */
  outage(): Promise<Outage | null>;
  close(): Promise<void>;
}

/** A time in which the disk refused writes; see UnavailableError. */
export interface Outage {
  since: number;
  /** When a write was last refused. */
  last: number;
  reason: string;
  /** Nothing has been refused for a minute, and something was written since. */
  over: boolean;
}
