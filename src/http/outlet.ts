import type { Socket } from 'node:net';

/** A client with more than this unread is sent nothing until it has read all of it. */
const MAX_UNSENT = 1024 * 1024;
/** What may lie unread by all clients together, about: with many that read slowly each gets a smaller part. */
const MAX_UNSENT_TOTAL = 256 * 1024 * 1024;
/** Every client may have so much unread; who has more counts as slow. */
const MIN_UNSENT = 64 * 1024;

/** Bounds what lies in memory for clients that do not read. */
export class Backlog {
  private readonly slow = new Set<Outlet>();

  /** What one client may have unread, in bytes. */
  limit(): number {
    return Math.max(MIN_UNSENT, Math.min(MAX_UNSENT, MAX_UNSENT_TOTAL / Math.max(1, this.slow.size)));
  }

  add(outlet: Outlet): void {
    this.slow.add(outlet);
  }

  delete(outlet: Outlet): void {
    this.slow.delete(outlet);
  }
}

/** One connection to a client, as the hub sees it: takes what it can, and says when it takes more. */
export class Outlet {
  private readonly waiting = new Set<() => void>();
  private readonly onDrain = () => this.drained();
  /** Bytes the client had taken when it was last looked at, and when that was. */
  private taken = 0;
  private takenAt: number;

  constructor(
    private readonly socket: Socket,
    private readonly backlog: Backlog,
    now: number,
  ) {
    this.takenAt = now;
    socket.on('drain', this.onDrain);
  }

  /** Bytes on their way to the client. */
  get unsent(): number {
    return this.socket.writableLength;
  }

  takesMore(): boolean {
    if (this.unsent <= MIN_UNSENT) return true;
    // Counted before it is full: all that fill up at the same time must share the total.
    this.backlog.add(this);
    return this.unsent <= this.backlog.limit();
  }

  /** Calls back once, when all that was on its way has been taken. */
  whenDrained(callback: () => void): void {
    this.waiting.add(callback);
  }

  /** What `run` writes goes out in one piece. */
  together(run: () => void): void {
    this.socket.cork();
    try {
      run();
    } finally {
      this.socket.uncork();
    }
  }

  /** For how long the client has had something to take and taken nothing of it, in ms. */
  stalledFor(now: number): number {
    const taken = this.socket.bytesWritten - this.unsent;
    if (this.unsent === 0 || taken !== this.taken) {
      this.taken = taken;
      this.takenAt = now;
    }
    return now - this.takenAt;
  }

  close(): void {
    this.socket.off('drain', this.onDrain);
    this.waiting.clear();
    this.backlog.delete(this);
  }

  private drained(): void {
    this.backlog.delete(this);
    const callbacks = [...this.waiting];
    this.waiting.clear();
    for (const callback of callbacks) callback();
  }
}
