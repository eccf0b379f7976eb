import type { LoggedEvent } from './event.js';

/**
 * Tells the parts of a server (and, over NATS, of many) that something was committed. A lost message costs latency
 * only: the store is the truth, and every listener also looks at it from time to time.
 */
export type BusMessage =
  /** Events of one account that were committed together, in order of position. */
  | { kind: 'events'; accountId: string; events: LoggedEvent[] }
  /** A queue has tasks to claim. */
  | { kind: 'ready'; queue: string }
  /** Some lane has a delivery due. */
  | { kind: 'deliveries' }
  /** Some node has rows to expand. */
  | { kind: 'expansion' }
  /** Some stored pipeline is owed a run. */
  | { kind: 'triggered' }
  /** Leases that ended because their job did, or was paused before they started: the code under them must stop. */
  | { kind: 'revoked'; tokens: string[] }
  /** Something is to be done about a job that a task has started. */
  | { kind: 'links' }
  /** A webhook was called. */
  | { kind: 'attempt'; accountId: string; webhookId: string | null; deliveryId: string; number: number }
  /** An API key was revoked: what was opened with it must close. */
  | { kind: 'key'; accountId: string; keyId: string };

export type BusKind = BusMessage['kind'];

export interface Bus {
  publish(messages: BusMessage[]): void;
  /** Calls `handler` with every message of the kind from now on; the function it returns ends that. */
  listen<K extends BusKind>(
    kind: K,
    handler: (message: Extract<BusMessage, { kind: K }>) => void,
  ): () => void;
}
