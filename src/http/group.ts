import type { GraphQLError } from 'graphql';
import type { Clock, Timer } from '../clock.js';
import type { Item, Page, Source, Stream, Told } from '../engine/source.js';
import { GroupTexts, MOVING_MS, type SharedTexts } from './shared-texts.js';
import type { Rendered, Sink } from './sink.js';
import type { Turns } from './turns.js';

/** Events rendered and sent in one go: what came while the last go was under way. */
const MAX_BATCH = 64;
/** More events waiting than this are dropped from memory: everybody reads them from the log. */
const MAX_QUEUE = 1_024;
/** Pages kept while somebody catches up: those that catch up together read each page once. */
const PAGES_KEPT = 4;
/** What one follower who catches up is sent in one write, about. */
const CHUNK_CHARS = 16 * 1024;
/** Followers served between two looks at the clock. */
const BETWEEN_LOOKS = 32;

/** What a group needs of the hub. */
export interface GroupParts<T> {
  source: Source<T>;
  /** Runs the operation for one event; never throws. */
  render(value: T): string | Promise<string>;
  /** What a follower may see of a failure. */
  shown(error: unknown): GraphQLError;
  /** Whether answers depend on the moment they are made at. */
  moving: boolean;
  texts: SharedTexts;
  turns: Turns;
  clock: Clock;
  counts: HubCounts;
  observeLag(ms: number): void;
  /** Called when the last follower has left, and when the stream could not be opened: nobody may join any more. */
  closed(): void;
}

/** Totals of the hub since it was made. */
export interface HubCounts {
  /** Events for which an operation was run. */
  executed: number;
  /** Results handed to clients. */
  sent: number;
  /** Times that a client was found to have too much unread. */
  stalled: number;
  /** Events that were dropped from memory because sending could not keep up; they are read from the log. */
  dropped: number;
}

/** One subscriber: a place in a stream, and where its results go. */
export interface Follower {
  /** Ends it without a word. */
  leave(): void;
}

type Batch<T> = readonly (Told<T> & { at: number })[];

interface Place extends Follower {
  readonly sink: Sink;
  /** Everything up to here has been sent. Null until the stream is open, for one that begins at its present. */
  position: number | null;
  /** Whether the store has said that there is something to follow from here. */
  checked: boolean;
  left: boolean;
  /** When something was sent last; only kept where the source has a pace. */
  sentAt: number;
  timer: Timer | null;
}

/**
 * Subscribers that are told the same. Those who have everything are live: each event is rendered once and sent to them
 * all. The others catch up one page a turn, each from its own place, sharing what was rendered, and then become live.
 */
export class Group<T> {
  private readonly places = new Set<Place>();
  private readonly live = new Set<Place>();
  private readonly texts: GroupTexts;
  private readonly stream: Stream<T>;
  private readonly opened: Promise<void>;
  private readonly pages = new Map<number, Promise<Page<T>>>();
  /** Followers that catch up and have a turn to come. */
  private reading = 0;
  private queue: (Told<T> & { at: number })[] = [];
  /** Everything told up to here has been sent to whoever is live. */
  private delivered = 0;
  private running = false;
  private open = false;

  constructor(private readonly parts: GroupParts<T>) {
    this.texts = new GroupTexts(parts.texts, parts.moving ? MOVING_MS : Number.POSITIVE_INFINITY);
    this.stream = parts.source.open((told) => this.tell(told));
    this.opened = this.stream.ready.then((position) => {
      this.delivered = position;
      this.open = true;
      for (const place of this.places) place.position ??= position;
    });
    // Every follower waits for it and is told; who comes later tries anew.
    this.opened.catch(() => this.parts.closed());
  }

  get size(): number {
    return this.places.size;
  }

  get behind(): number {
    return this.places.size - this.live.size;
  }

  join(sink: Sink, after: number | null): Follower {
    const place: Place = {
      sink,
      // "From now on" is the moment of joining, however long the line is.
      position: after ?? (this.open ? this.stream.position() : null),
      checked: after === null,
      left: false,
      sentAt: Number.NEGATIVE_INFINITY,
      timer: null,
      leave: () => this.leave(place),
    };
    this.places.add(place);
    this.catchUp(place);
    return place;
  }

  private leave(place: Place): void {
    if (place.left) return;
    place.left = true;
    place.timer?.cancel();
    this.places.delete(place);
    this.live.delete(place);
    if (this.places.size > 0) return;
    this.stream.close();
    this.texts.clear();
    this.parts.closed();
  }

  private end(place: Place, error: unknown): void {
    if (place.left) return;
    this.leave(place);
    place.sink.end(error === null ? null : this.parts.shown(error));
  }

  // ── What is new ───────────────────────────────────────────────────────────────────────────────

  private tell(told: Told<T>): void {
    if (this.queue.length >= MAX_QUEUE) {
      this.parts.counts.dropped += this.queue.length;
      const { position } = this.queue.at(-1)!;
      this.queue = [{ position, item: null, last: false, at: performance.now() }];
    }
    this.queue.push({ ...told, at: performance.now() });
    if (this.running) return;
    this.running = true;
    this.sendSoon();
  }

  /** What is told in one turn of the event loop goes out together; between two batches others get theirs. */
  private sendSoon(): void {
    this.parts.turns.soon(() => {
      try {
        const sending = this.sendNext();
        if (!sending) return this.goOn();
        sending.then(
          () => this.goOn(),
          (error: unknown) => this.failed(error),
        );
      } catch (error) {
        this.failed(error);
      }
    });
  }

  private goOn(): void {
    if (this.queue.length > 0) this.sendSoon();
    else this.running = false;
  }

  /** One batch: at once where nothing must be waited for, which is the rule. */
  private sendNext(): Promise<void> | undefined {
    const cut = this.queue.findIndex(({ item }) => item === null);
    if (cut === 0) return this.sendToRead(this.queue.shift()!);
    return this.sendToLive(this.queue.splice(0, cut < 0 ? MAX_BATCH : Math.min(cut, MAX_BATCH)));
  }

  /** A bug: better that clients resume than that they wait for what will not come. */
  private failed(error: unknown): void {
    this.running = false;
    for (const place of this.places) this.end(place, error);
  }

  /** There is something that must be read: everybody does so for himself. */
  private sendToRead({ position }: Told<T>): undefined {
    this.delivered = position;
    const waiting = [...this.live];
    this.live.clear();
    for (const place of waiting) this.catchUp(place);
  }

  private sendToLive(batch: Batch<T>): Promise<void> | undefined {
    const rendered = this.live.size > 0 ? batch.map(({ item }) => this.rendered(item!)) : [];
    if (this.live.size > BETWEEN_LOOKS || rendered.some((one) => 'then' in one)) {
      return this.sendInTurns(batch, rendered);
    }
    for (const place of this.live) this.sendTo(place, rendered as Rendered[], batch);
    this.sent(batch, rendered.length > 0);
    return undefined;
  }

  private async sendInTurns(batch: Batch<T>, rendering: (Rendered | Promise<Rendered>)[]): Promise<void> {
    const rendered = await Promise.all(rendering);
    let count = 0;
    // Who becomes live meanwhile is met too: a set is walked to its end as it grows.
    for (const place of this.live) {
      if (++count % BETWEEN_LOOKS === 0) await this.parts.turns.breath();
      this.sendTo(place, rendered, batch);
    }
    this.sent(batch, true);
  }

  private sendTo(place: Place, rendered: readonly Rendered[], batch: Batch<T>): void {
    if (place.left) return;
    if (!this.send(place, rendered)) this.stall(place);
    else if (batch.at(-1)!.last) this.end(place, null);
  }

  private sent(batch: Batch<T>, toSomebody: boolean): void {
    this.delivered = batch.at(-1)!.position;
    if (toSomebody) this.parts.observeLag(performance.now() - batch[0]!.at);
  }

  /** Sends what comes after the follower's place, as far as it takes it; false where it did not take all. */
  private send(place: Place, rendered: readonly Rendered[]): boolean {
    const { sink } = place;
    let all = true;
    const each = () => {
      for (const one of rendered) {
        if (one.position <= place.position!) continue;
        all = sink.ready();
        if (!all) return;
        sink.send(one);
        place.position = one.position;
        this.parts.counts.sent++;
      }
    };
    if (rendered.length > 1) sink.together(each);
    else each();
    return all;
  }

  private stall(place: Place): void {
    this.live.delete(place);
    this.parts.counts.stalled++;
    place.sink.whenReady(() => this.catchUp(place));
  }

  // ── What came before ──────────────────────────────────────────────────────────────────────────

  private catchUp(place: Place): void {
    this.reading++;
    this.parts.turns.add(async () => {
      const more = await this.turn(place);
      // Who stands still may do so for minutes: with nobody on the way there is nobody to share with.
      if (!more && --this.reading === 0) this.pages.clear();
      return more;
    });
  }

  /** One page for one follower: true where it wants more. */
  private async turn(place: Place): Promise<boolean> {
    try {
      await this.opened;
      if (place.left || this.live.has(place)) return false;
      if (place.checked && place.position! >= this.delivered) {
        this.live.add(place);
        return false;
      }
      if (this.mustWait(place)) return false;
      return await this.sendPage(place);
    } catch (error) {
      this.end(place, error);
      return false;
    }
  }

  private async sendPage(place: Place): Promise<boolean> {
    const from = place.position!;
    const page = (place.checked ? this.stream.recent(from) : null) ?? (await this.read(from));
    place.checked = true;
    let chunk: Rendered[] = [];
    let size = 0;
    for (const [index, item] of page.items.entries()) {
      const one = this.rendered(item);
      const rendered = 'then' in one ? await one : one;
      chunk.push(rendered);
      size += rendered.text.length;
      if (size < CHUNK_CHARS && index < page.items.length - 1) continue;
      await this.parts.turns.breath();
      if (place.left) return false;
      if (!this.send(place, chunk)) {
        this.stall(place);
        return false;
      }
      if (this.parts.source.paceMs > 0) place.sentAt = this.parts.clock.now();
      chunk = [];
      size = 0;
    }
    if (place.left) return false;
    place.position = Math.max(place.position!, page.through);
    if (page.ended) this.end(place, null);
    return !page.ended;
  }

  /** Whether it is too soon for another telling; then it is called again when it is time. */
  private mustWait(place: Place): boolean {
    const { source, clock } = this.parts;
    const waitMs = source.paceMs === 0 ? 0 : place.sentAt + source.paceMs - clock.now();
    if (waitMs <= 0) return false;
    // A clock that was set back makes nobody wait longer, nor again.
    place.timer = clock.after(Math.min(waitMs, source.paceMs), () => {
      place.sentAt = Number.NEGATIVE_INFINITY;
      this.catchUp(place);
    });
    return true;
  }

  private read(after: number): Promise<Page<T>> {
    const known = this.pages.get(after);
    if (known) return known;
    const page = this.stream.read(after);
    this.pages.set(after, page);
    if (this.pages.size > PAGES_KEPT) this.pages.delete(this.pages.keys().next().value!);
    const forget = () => {
      if (this.pages.get(after) === page) this.pages.delete(after);
    };
    // What holds nothing yet, what failed and what shows the present is read anew.
    page.then(({ through }) => {
      if (through <= after || this.parts.moving) forget();
    }, forget);
    return page;
  }

  // ── Rendering ─────────────────────────────────────────────────────────────────────────────────

  private rendered({ position, value }: Item<T>): Rendered | Promise<Rendered> {
    const { clock } = this.parts;
    const known = this.texts.get(position, clock.now());
    if (known) return known;
    this.parts.counts.executed++;
    const text = this.parts.render(value);
    const made =
      typeof text === 'string'
        ? this.framed(position, text)
        : text.then((done) => this.framed(position, done));
    // Alone there is nobody to share with.
    if (this.places.size < 2) return made;
    this.texts.set(position, made, clock.now());
    if ('then' in made) {
      made.then((done) => {
        if (this.places.size > 1) this.texts.set(position, done, clock.now());
      });
    }
    return made;
  }

  private framed(position: number, text: string): Rendered {
    const { cursorOf } = this.parts.source;
    let cursor: string | null = null;
    return {
      position,
      text,
      cursor: () => {
        if (cursorOf) cursor ??= cursorOf(position);
        return cursor;
      },
    };
  }
}
