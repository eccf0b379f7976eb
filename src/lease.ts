import type { InputSource } from './reference.js';

/** A task under lease: who holds `token` runs it, and no one else can settle it. */
export interface LeasedTask {
  token: string;
  taskId: string;
  jobId: string;
  accountId: string;
  pipelineName: string;
  nodeName: string;
  algorithmName: string;
  queue: string;
  /** 1-based; null outside a batch. */
  batchIndex: number | null;
  /** Counts the starts, this one included. */
  attempt: number;
  /** Bounds the run; null: none. */
  timeoutMs: number | null;
  leaseExpiresAt: number;
  /** What the input is made of; parsed and resolved where the task runs, off the server's main thread. */
  source: InputSource;
  extraData: string | null;
}

/** The leases of a module are renewed well before they end: a third of it leaves two more chances. */
export const LEASE_MS = 30_000;
/** Leases that end before their task was started, after which the task is given up. */
export const MAX_LOST_LEASES = 20;
/** HKube's words for a task that has run longer than its node's ttl. */
export const TIMEOUT_MESSAGE = 'Algorithm TTL expired';
