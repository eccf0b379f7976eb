import DataLoader from 'dataloader';
import type { Delivery } from '../src/delivery.js';
import type { Engine } from '../src/engine/engine.js';
import type { LoggedEvent } from '../src/event.js';
import type { Job } from '../src/job.js';
import type { Quotas } from '../src/limits.js';
import type { Store } from '../src/store.js';
import type { Viewer } from '../src/viewer.js';
import type { Webhook } from '../src/webhook.js';
import { Content } from './content.js';
import { boundedReads } from './reads.js';

/** Rows that many fields of one answer point at, each read once. Null: gone, or another account's. */
export interface Loaders {
  job: DataLoader<string, Job | null>;
  webhook: DataLoader<string, Webhook | null>;
  delivery: DataLoader<string, Delivery | null>;
  /** By position. */
  event: DataLoader<number, LoggedEvent | null>;
}

/** What every resolver is handed; made anew for each operation, and for each event of a subscription. */
export interface Context {
  viewer: Viewer;
  engine: Engine;
  store: Store;
  quotas: Quotas;
  loaders: Loaders;
  content: Content;
  requestId: string;
  /** Of a request for server-sent events that resumes; null elsewhere. */
  lastEventId: string | null;
  /** Milliseconds since 1970. */
  now(): number;
}

export function createContext(given: Omit<Context, 'loaders' | 'content'>): Context {
  let loaders: Loaders | null = null;
  const parts = { ...given, store: boundedReads(given.store) };
  return {
    ...parts,
    content: new Content(),
    // Most events are told without a look at anything else.
    get loaders() {
      loaders ??= loadersOf(parts);
      return loaders;
    },
  };
}

function loadersOf({ viewer, store, now }: Pick<Context, 'viewer' | 'store' | 'now'>): Loaders {
  const { id } = viewer.account;
  return {
    job: once((key) => store.job(id, key)),
    webhook: once((key) => store.webhook(id, key)),
    delivery: once((key) => store.delivery(id, key, now())),
    event: once(async (position) => {
      const { events } = await store.events(id, {}, position - 1, 1);
      return events[0]?.position === position ? events[0] : null;
    }),
  };
}

/** The store reads one row at a time, so what is saved is reading the same row twice. */
function once<K, V>(load: (key: K) => Promise<V>): DataLoader<K, V> {
  return new DataLoader((keys) => Promise.all(keys.map((key) => load(key).catch(asError))));
}

/** A loader wants failures as values: one bad row must not fail its neighbours. */
function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
