import { type buildConnector, Pool } from 'undici';

/** The right to make one call to an origin; given back by `release`, once. */
export interface Slot {
  pool: Pool;
  release(): void;
}

interface Origin {
  pool: Pool;
  active: number;
  waiting: Set<(slot: Slot | null) => void>;
}

export interface OriginsOptions {
  connect: buildConnector.connector;
  /** Calls to one origin at one time, and so its connections. */
  connectionsPerOrigin: number;
  /** Idle origins beyond this number lose their pool, the longest unused first. */
  maxOrigins: number;
}

/** Idle connections are closed before servers do it: many close after 5 s, and a call sent into a close is lost. */
const KEEP_ALIVE_MS = 4_000;
/** Upper bound where a server promises to keep a connection for longer. */
const KEEP_ALIVE_MAX_MS = 30_000;
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * A pool of connections for each origin. Calls wait for a slot here and not inside undici, so that the clock of a
 * call runs while it connects and not while others use the connections.
 */
export class Origins {
  readonly #options: OriginsOptions;
  /** In order of last use. */
  readonly #origins = new Map<string, Origin>();
  #closed = false;

  constructor(options: OriginsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#origins.size;
  }

  /** A slot, or null: none became free within `waitMs`, or all was closed. */
  acquire(key: string, waitMs: number): Promise<Slot | null> {
    if (this.#closed) return Promise.resolve(null);
    const origin = this.#use(key);
    if (origin.active < this.#options.connectionsPerOrigin) {
      origin.active += 1;
      return Promise.resolve(this.#slot(origin));
    }
    return new Promise((resolve) => {
      const settle = (slot: Slot | null) => {
        clearTimeout(timer);
        origin.waiting.delete(settle);
        resolve(slot);
      };
      const timer = setTimeout(() => settle(null), waitMs);
      origin.waiting.add(settle);
    });
  }

  /** Ends every call that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    const origins = [...this.#origins.values()];
    this.#origins.clear();
    for (const origin of origins) for (const settle of [...origin.waiting]) settle(null);
    await Promise.all(origins.map((origin) => origin.pool.destroy()));
  }

  #use(key: string): Origin {
    const origin = this.#origins.get(key) ?? this.#open(key);
    this.#origins.delete(key);
    this.#origins.set(key, origin);
    return origin;
  }

  #open(key: string): Origin {
    for (const [oldKey, old] of this.#origins) {
      if (this.#origins.size < this.#options.maxOrigins) break;
      if (old.active > 0) continue;
      this.#origins.delete(oldKey);
      old.pool.destroy();
    }
    const pool = new Pool(key, {
      connect: this.#options.connect,
      connections: this.#options.connectionsPerOrigin,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // The call has one timer of its own over connecting and headers, and one over the body.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { pool, active: 0, waiting: new Set() };
  }

  #slot(origin: Origin): Slot {
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      const [next] = origin.waiting;
      if (next) next(this.#slot(origin));
      else origin.active -= 1;
    };
    return { pool: origin.pool, release };
  }
}
