import type { BatchOpener } from '../batch.js';
import type { Bus } from '../bus.js';
import type { Clock } from '../clock.js';
import type { DestinationPolicy } from '../destination.js';
import type { Ids } from '../id.js';
import type { Limits } from '../limits.js';
import type { Log } from '../log.js';
import type { AttemptRecord, DueDelivery, Store } from '../store.js';
import type { WebhookFormat } from '../webhook.js';

/** What the use-cases are made of; handed in by the composition root. */
export interface Parts {
  store: Store;
  bus: Bus;
  clock: Clock;
  ids: Ids;
  log: Log;
  policy: DestinationPolicy;
  /** What every account may use. */
  limits: Limits;
  /** Module algorithms by name, with where they lie. */
  algorithms: ReadonlyMap<string, string>;
  /** Formats that have an encoder. */
  formats: ReadonlySet<WebhookFormat>;
  /** Makes the items of batches. */
  openBatch: BatchOpener;
  /** Encodes, signs and posts one delivery. */
  send(due: DueDelivery): Promise<AttemptRecord>;
}
