/** One thing that a source tells, at its place. */
export interface Item<T> {
  position: number;
  value: T;
}

/** What there is to tell after a position. */
export interface Page<T> {
  items: Item<T>[];
  /** Everything up to here has been looked at: go on from here. */
  through: number;
  /** Nothing can follow `through`. */
  ended: boolean;
}

/** Something new of a stream. */
export interface Told<T> {
  position: number;
  /** Null: something at or before this position is new, and must be read. */
  item: Item<T> | null;
  /** Nothing follows it. */
  last: boolean;
}

/**
 * Something that can be followed by many at once. What a subscription's `subscribe` returns; the hub opens one stream for
 * all sources of one topic and keeps a position for each follower. graphql-js wants an AsyncIterable, which it hands on.
 */
export interface Source<T> extends AsyncIterable<T> {
  /** Equal for sources that tell the same, wherever one starts. */
  readonly topic: string;
  /** Only what comes after this position; null: from now on. */
  readonly after: number | null;
  /** Least milliseconds between two tellings to one follower. */
  readonly paceMs: number;
  /** The cursor of a position, to resume with; null where there is nothing to resume from. */
  readonly cursorOf: ((position: number) => string) | null;
  /** `tell` is called with what is new, in order of position, as long as the stream is open. */
  open(tell: (told: Told<T>) => void): Stream<T>;
}

/** An open source. The three ways to what comes after a position agree, so a follower may change between them. */
export interface Stream<T> {
  /** Resolves with the position it was opened at: everything after that is told. */
  ready: Promise<number>;
  /** Everything up to here has been told. */
  position(): number;
  /** From memory; null where that does not reach back to `after`. Only for a follower that has read once. */
  recent(after: number): Page<T> | null;
  /**
   * From the store, and checked: CursorError where `after` cannot be served (any more), ProblemError NOT_FOUND where there is
   * nothing to follow.
   */
  read(after: number): Promise<Page<T>>;
  close(): void;
}

export function createSource<T>(parts: Omit<Source<T>, typeof Symbol.asyncIterator>): Source<T> {
  return {
    ...parts,
    [Symbol.asyncIterator](): AsyncIterator<T> {
      throw new Error('a source is followed through the hub, which shares it');
    },
  };
}

export function isSource(value: object): value is Source<unknown> {
  return 'topic' in value && 'open' in value;
}
