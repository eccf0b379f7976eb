import type { Clock, Timer } from '../clock.js';
import type { Viewer } from '../viewer.js';
import type { Auth } from './auth.js';
import type { Outlet } from './outlet.js';

/** Twice a minute would do for most proxies; five times is safe for all that were heard of. */
const PING_EVERY_MS = 12_000;
/** A client that takes nothing for this long is not coming back: it resumes elsewhere with its cursor. */
const STALLED_AFTER_MS = 300_000;
/** Connections closed in one go at shutdown, so that their clients do not come back all at once. */
const CLOSED_TOGETHER = 20;
const CLOSE_EVERY_MS = 10;
/** Connections looked at in one turn of the event loop: a ping each, 50 µs of it. */
const LOOKED_AT_TOGETHER = 50;

/** How a transport lets its connections be watched over. */
export interface Wire {
  outlet: Outlet;
  /** Says goodbye with a WebSocket close code (server-sent events have words for them), after what is under way. */
  close(code: number, reason: string): void;
  /** Ends it without a word. */
  terminate(): void;
  ping(): void;
}

/** A WebSocket or an event stream that is open. */
export interface LiveConnection {
  credentials: string | undefined;
  viewer: Viewer | null;
  /** It is this caller's from now on. */
  admit(credentials: string | undefined, viewer: Viewer): void;
  /** The client has answered a ping. */
  answered(): void;
  /** It is gone. */
  closed(code: number): void;
}

interface Watched extends LiveConnection {
  wire: Wire;
  pinged: boolean;
}

/** Everything open: kept alive, ended when it is dead, too slow, or its key is no longer valid, and closed at shutdown. */
export class LiveConnections {
  private readonly open = new Set<Watched>();
  private readonly codes = new Map<number, number>();
  private timer: Timer | null = null;
  private going = false;

  constructor(
    private readonly clock: Clock,
    private readonly auth: Auth,
    private readonly onError: (error: unknown) => void,
  ) {}

  add(wire: Wire): LiveConnection {
    const connection: Watched = {
      wire,
      pinged: false,
      credentials: undefined,
      viewer: null,
      admit(credentials, viewer) {
        this.credentials = credentials;
        this.viewer = viewer;
      },
      answered() {
        this.pinged = false;
      },
      closed: (code) => {
        this.open.delete(connection);
        this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      },
    };
    this.open.add(connection);
    // Of a request that was let in before the server began to go.
    if (this.going) setImmediate(() => wire.close(1001, 'Going away'));
    this.timer ??= this.clock.after(PING_EVERY_MS, () => this.sweep());
    return connection;
  }

  get size(): number {
    return this.open.size;
  }

  /** Bytes that lie in memory for their clients. */
  unsent(): number {
    let bytes = 0;
    for (const { wire } of this.open) bytes += wire.outlet.unsent;
    return bytes;
  }

  /** How many were closed with each code. */
  closedByCode(): ReadonlyMap<number, number> {
    return this.codes;
  }

  /** A key has been revoked: what it opened ends now. */
  revoke(keyId: string): void {
    for (const { viewer, wire } of this.open) {
      if (viewer?.apiKey?.id === keyId) wire.close(4403, 'Forbidden: the API key was revoked');
    }
  }

  /** Tells every client to go and come back, a few at a time. Resolves once all have been told. */
  async goAway(withinMs: number): Promise<void> {
    this.going = true;
    this.timer?.cancel();
    const all = [...this.open];
    const rounds = Math.ceil(all.length / CLOSED_TOGETHER);
    const everyMs = Math.min(CLOSE_EVERY_MS, withinMs / Math.max(1, rounds));
    for (let at = 0; at < all.length; at += CLOSED_TOGETHER) {
      if (at > 0) await new Promise<void>((resolve) => this.clock.after(everyMs, resolve));
      for (const { wire } of all.slice(at, at + CLOSED_TOGETHER)) wire.close(1001, 'Going away');
    }
  }

  terminate(): void {
    for (const { wire } of this.open) wire.terminate();
  }

  private sweep(): void {
    this.timer = this.open.size > 0 ? this.clock.after(PING_EVERY_MS, () => this.sweep()) : null;
    this.lookAtAll().catch(this.onError);
  }

  private async lookAtAll(): Promise<void> {
    const now = this.clock.now();
    let count = 0;
    const next = () => (++count % LOOKED_AT_TOGETHER === 0 ? turn() : undefined);
    for (const connection of this.open) {
      look(connection, now);
      await next();
    }
    // Keys may expire, or be revoked by the command line or another server: nobody says so here.
    const asked = new Map<string | undefined, Promise<Viewer | null>>();
    for (const { viewer, credentials, wire } of this.open) {
      if (!viewer) continue;
      const answer = asked.get(credentials) ?? this.auth.viewerOf(credentials);
      asked.set(credentials, answer);
      if ((await answer) === null) wire.close(4403, 'Forbidden: the API key is not valid any more');
      await next();
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One look at a connection: a dead one is ended, a stuck one after a while, any other is pinged. */
function look(connection: Watched, now: number): void {
  const { wire } = connection;
  const stalledFor = wire.outlet.stalledFor(now);
  if (wire.outlet.unsent > 0) {
    // The pong would wait behind what is not taken: no ping, no verdict, nor by the next look on the ping before.
    connection.pinged = false;
    if (stalledFor >= STALLED_AFTER_MS) wire.close(1013, 'Too slow');
    return;
  }
  if (connection.pinged) {
    wire.terminate();
    return;
  }
  connection.pinged = true;
  wire.ping();
}
