import type Database from 'better-sqlite3';

/**
 * One flush takes at most this many units, or this much time and one unit more. 5 ms were tried: no faster, and the
 * event loop was held for 15 ms at the 99th percentile instead of 10.
 */
const MAX_UNITS = 500;
const MAX_MS = 2;

interface Unit {
  work: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/** Hears how the transactions went. */
export interface CommitWatch {
  /** The next one is about to begin; none is open. */
  beginning(): void;
  /** What those are told whose work was lost to `error`. */
  failed(error: unknown): unknown;
  /** A transaction that changed something stands. */
  wrote(): void;
}

/**
 * Collects the writes of one tick into one transaction: one fsync for all of them. Every unit has a savepoint of its
 * own, so that one that fails takes nothing with it, and nobody is answered before the commit.
 */
export class GroupCommit {
  private queue: Unit[] = [];
  private scheduled = false;

  private readonly savepoint: Database.Statement;
  private readonly release: Database.Statement;
  private readonly changes: Database.Statement;

  constructor(
    private readonly db: Database.Database,
    private readonly watch: CommitWatch = { beginning() {}, failed: (error) => error, wrote() {} },
  ) {
    this.savepoint = db.prepare('SAVEPOINT unit');
    this.release = db.prepare('RELEASE unit');
    this.changes = db.prepare('select total_changes()').pluck();
  }

  /** Runs `work` inside the next shared transaction; resolves with its value once that is committed. */
  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ work, resolve, reject });
      this.schedule();
    });
  }

  /** Resolves once everything handed in so far has been answered. */
  async drain(): Promise<void> {
    while (this.queue.length > 0 || this.scheduled) await new Promise((resolve) => setImmediate(resolve));
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const done: { unit: Unit; value: unknown }[] = [];
    const failed: { unit: Unit; error: unknown }[] = [];
    try {
      this.abandon();
      this.watch.beginning();
      // IMMEDIATE: a transaction that begins as a reader can be refused the write lock in its middle.
      this.db.exec('BEGIN IMMEDIATE');
    } catch (error) {
      const told = this.watch.failed(error);
      for (const unit of this.queue.splice(0)) unit.reject(told);
      return;
    }
    let lost: { error: unknown } | null = null;
    try {
      const before = this.changes.get();
      this.runUnits(done, failed);
      const changed = this.changes.get() !== before;
      this.db.exec('COMMIT');
      if (changed) this.watch.wrote();
    } catch (error) {
      lost = { error: this.watch.failed(error) };
      try {
        this.abandon();
      } catch {
        // The next flush tries again before it begins; what it is told then is told to its units.
      }
    }
    for (const { unit, error } of failed) unit.reject(this.watch.failed(error));
    for (const { unit, value } of done) {
      if (lost) unit.reject(lost.error);
      else unit.resolve(value as never);
    }
    if (this.queue.length > 0) this.schedule();
  }

  private runUnits(done: { unit: Unit; value: unknown }[], failed: { unit: Unit; error: unknown }[]): void {
    const started = performance.now();
    for (let count = 0; count < MAX_UNITS && this.queue.length > 0; count++) {
      if (count > 0 && performance.now() - started > MAX_MS) return;
      const unit = this.queue.shift()!;
      let saved = false;
      try {
        this.savepoint.run();
        saved = true;
        const value = unit.work();
        this.release.run();
        done.push({ unit, value });
      } catch (error) {
        failed.push({ unit, error });
        // A full disk and its kin end the whole transaction: then nothing of it stands, and everybody is told.
        if (!this.db.inTransaction || (saved && !this.undone())) throw error;
      }
    }
  }

  /** Takes back the unit that failed. False: it could not be told from the others, so none of them may stand. */
  private undone(): boolean {
    try {
      this.db.exec('ROLLBACK TO unit');
      this.release.run();
      return true;
    } catch {
      return false;
    }
  }

  /** Nothing of a transaction that failed may be left open: readers of this connection would see it. */
  private abandon(): void {
    if (this.db.inTransaction) this.db.exec('ROLLBACK');
  }
}
