import type { Bus } from '../bus.js';
import type { Clock, Timer } from '../clock.js';
import type { LoggedEvent } from '../event.js';
import type { Log } from '../log.js';
import { POLL_MS } from '../loop.js';
import type { Store } from '../store.js';

/** Newest events of an account that are kept in memory: who is not further behind than this costs no read. */
export const RING_EVENTS = 1_024;
const PAGE = 256;
/** Feeds that are polled in one turn of the event loop: a read each, 50 µs of it. */
const POLLED_TOGETHER = 50;

/** Who is told of a feed's events. */
export interface Listener {
  tell(event: LoggedEvent): void;
  /** Events up to this position were removed before they could be told: who has not seen them must ask the log. */
  missed(upTo: number): void;
}

/** The newest events of one account, complete and in order, whatever the bus lost, doubled or brought late. */
export class AccountFeed {
  /** Everything up to here has been told. */
  position = 0;
  private readonly opening: Promise<number>;
  private readonly ring: LoggedEvent[] = [];
  /** Everything after this and up to `position` is in the ring. */
  private floor = 0;
  private readonly ofAll = new Set<Listener>();
  private readonly ofJob = new Map<string, Set<Listener>>();
  private catching = false;
  private again = false;
  private opened = false;

  constructor(
    private readonly store: Pick<Store, 'events'>,
    readonly accountId: string,
    private readonly log: Log,
  ) {
    this.opening = this.open();
    // Whoever waits for it is told; where nobody does any more, a failure is nobody's.
    this.opening.catch(() => {});
  }

  /** The position after which whoever asks now is told everything. */
  ready(): Promise<number> {
    return this.opened ? Promise.resolve(this.position) : this.opening;
  }

  private async open(): Promise<number> {
    const { head } = await this.store.events(this.accountId, {}, 0, 1);
    this.position = head;
    this.floor = head;
    this.opened = true;
    // Something may have been committed while the head was read, and its message have come too early.
    if (this.again) this.catchUp();
    return head;
  }

  /** What a bus message brought: events that were committed together. */
  take(events: readonly LoggedEvent[]): void {
    const first = events[0];
    if (!first) return;
    // Dense positions show a lost message by themselves; then the log has what came before.
    if (!this.opened || this.catching || first.position > this.position + 1) {
      this.catchUp();
      return;
    }
    this.append(events);
  }

  /** Reads from the log what is missing, if anything. */
  catchUp(): void {
    this.again = true;
    if (this.opened && !this.catching) void this.readAll();
  }

  private async readAll(): Promise<void> {
    this.catching = true;
    try {
      while (this.again) {
        this.again = false;
        for (;;) {
          const page = await this.store.events(this.accountId, {}, this.position, PAGE);
          if (page.tail > this.position) this.miss(page.tail);
          this.append(page.events);
          this.position = Math.max(this.position, page.through);
          if (page.through >= page.head) break;
        }
      }
    } catch (error) {
      // The next poll tries again: nobody is told a gap.
      this.log.error({ err: error, account: this.accountId }, 'the feed could not be read');
    } finally {
      // In one step with the last look at `again`: what comes between would wait for the poll.
      this.catching = false;
    }
  }

  private append(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (event.position <= this.position) continue;
      this.position = event.position;
      this.ring.push(event);
      if (this.ring.length > RING_EVENTS) this.floor = this.ring.shift()!.position;
      for (const listener of this.ofAll) listener.tell(event);
      for (const listener of this.ofJob.get(event.job?.id ?? '') ?? []) listener.tell(event);
    }
  }

  private miss(upTo: number): void {
    this.position = upTo;
    this.ring.length = 0;
    this.floor = upTo;
    for (const set of [this.ofAll, ...this.ofJob.values()]) {
      for (const listener of set) listener.missed(upTo);
    }
  }

  /** Events after a position, all of them; null where the ring does not reach back so far. */
  recent(after: number): LoggedEvent[] | null {
    if (after < this.floor) return null;
    let at = this.ring.length;
    while (at > 0 && this.ring[at - 1]!.position > after) at--;
    return this.ring.slice(at);
  }

  /** Tells `listener` each event from now on, of one job or of all; the function it returns ends that. */
  listen(jobId: string | null, listener: Listener): () => void {
    const key = jobId ?? '';
    const set = jobId === null ? this.ofAll : (this.ofJob.get(key) ?? new Set());
    if (jobId !== null) this.ofJob.set(key, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set !== this.ofAll && set.size === 0) this.ofJob.delete(key);
    };
  }
}

/** The feeds that somebody follows: one an account, kept as long as anybody does. */
export class AccountFeeds {
  private readonly feeds = new Map<string, { feed: AccountFeed; users: number }>();
  private unlisten: (() => void) | null = null;
  private timer: Timer | null = null;

  constructor(private readonly parts: { store: Pick<Store, 'events'>; bus: Bus; clock: Clock; log: Log }) {}

  use(accountId: string): { feed: AccountFeed; release: () => void } {
    const known = this.feeds.get(accountId);
    const { store, bus, log } = this.parts;
    // Listening comes first: what is committed while the feed opens must not be missed.
    this.unlisten ??= bus.listen('events', (message) =>
      this.feeds.get(message.accountId)?.feed.take(message.events),
    );
    this.poll();
    const entry = known ?? { feed: new AccountFeed(store, accountId, log), users: 0 };
    const drop = () => {
      if (this.feeds.get(accountId) === entry) this.feeds.delete(accountId);
      if (this.feeds.size === 0) this.rest();
    };
    if (!known) {
      this.feeds.set(accountId, entry);
      // One that could not be opened is not handed to the next: with clients that keep trying there is always somebody.
      entry.feed.ready().catch(drop);
    }
    entry.users++;
    return {
      feed: entry.feed,
      release: () => {
        if (--entry.users === 0) drop();
      },
    };
  }

  /** A lost message costs no more than this much time. */
  private poll(): void {
    this.timer ??= this.parts.clock.after(POLL_MS, () => {
      this.timer = null;
      if (this.feeds.size > 0) this.poll();
      void this.pollAll();
    });
  }

  private async pollAll(): Promise<void> {
    let count = 0;
    for (const { feed } of this.feeds.values()) {
      feed.catchUp();
      if (++count % POLLED_TOGETHER === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private rest(): void {
    this.timer?.cancel();
    this.timer = null;
    this.unlisten?.();
    this.unlisten = null;
  }
}
