import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { GroupCommit } from '../../src/sqlite/group-commit.js';
import { Outages } from '../../src/sqlite/outages.js';
import { recordingLog } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';

/** What SQLite throws where the disk is full. */
function full(): Error {
  return Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
}

interface Fault {
  /** How the statement begins. */
  statement: string;
  /** Whether SQLite has given up the transaction by then, as it does on a full disk. */
  rollsBack: boolean;
  /** How often it fails. */
  times: number;
}

/** A database whose statements fail when they are told to. */
class FaultyDatabase {
  readonly faults: Fault[] = [];
  readonly ran: string[] = [];

  constructor(readonly real: Database.Database) {}

  get inTransaction(): boolean {
    return this.real.inTransaction;
  }

  exec(text: string): void {
    this.#guard(text);
    this.real.exec(text);
  }

  prepare(text: string) {
    const statement = this.real.prepare(text);
    return {
      run: (...parameters: unknown[]) => {
        this.#guard(text);
        return statement.run(...parameters);
      },
      pluck: () => statement.pluck(),
    };
  }

  #guard(text: string): void {
    this.ran.push(text);
    const fault = this.faults.find((one) => text.startsWith(one.statement) && one.times > 0);
    if (!fault) return;
    fault.times--;
    if (fault.rollsBack && this.real.inTransaction) this.real.exec('ROLLBACK');
    throw full();
  }
}

describe('a group commit over a disk that is full', () => {
  let faulty: FaultyDatabase;
  let commits: GroupCommit;
  let clock: VirtualClock;
  let log: ReturnType<typeof recordingLog>;
  let outages: Outages;
  let checkpoints: number;
  beforeEach(() => {
    const real = new Database(':memory:');
    real.exec('create table t (n integer)');
    faulty = new FaultyDatabase(real);
    clock = new VirtualClock(1_000);
    log = recordingLog();
    checkpoints = 0;
    outages = new Outages(clock, log, () => {
      checkpoints++;
      if (faulty.inTransaction) throw new Error('a transaction is open');
      throw full();
    });
    commits = new GroupCommit(faulty as unknown as Database.Database, outages);
  });
  afterEach(() => faulty.real.close());

  const insert = (n: number) =>
    commits.run(() => {
      faulty.prepare('insert into t values (?)').run(n);
      return n;
    });
  const rows = () => faulty.real.prepare('select n from t order by n').pluck().all();
  const outcomes = async (...numbers: number[]) =>
    (await Promise.allSettled(numbers.map(insert))).map((one) =>
      one.status === 'fulfilled' ? one.value : (one.reason as Error).constructor.name,
    );
  const U = 'UnavailableError';

  it.each([
    { statement: 'BEGIN', rollsBack: false, told: [U, U, U], kept: [] },
    { statement: 'SAVEPOINT', rollsBack: false, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'SAVEPOINT', rollsBack: true, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'insert', rollsBack: false, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'insert', rollsBack: true, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'RELEASE', rollsBack: false, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'RELEASE', rollsBack: true, told: [U, 2, 3], kept: [2, 3] },
    { statement: 'COMMIT', rollsBack: false, told: [U, U, U], kept: [] },
    { statement: 'COMMIT', rollsBack: true, told: [U, U, U], kept: [] },
  ])(
    'that fails at $statement (transaction given up: $rollsBack) keeps exactly what it acknowledges, and goes on',
    async ({ statement, rollsBack, told, kept }) => {
      faulty.faults.push({ statement, rollsBack, times: 1 });
      expect(await outcomes(1, 2, 3)).toEqual(told);
      expect(rows()).toEqual(kept);
      expect(faulty.real.inTransaction).toBe(false);
      expect(await outcomes(4)).toEqual([4]);
      expect(rows()).toEqual([...kept, 4]);
    },
  );

  it('refuses the units before and after one that ended the transaction only where nothing of them stands', async () => {
    let count = 0;
    const real = faulty.prepare;
    faulty.prepare = (text) => {
      if (text.startsWith('insert') && ++count === 2)
        faulty.faults.push({ statement: 'insert', rollsBack: true, times: 1 });
      return real.call(faulty, text);
    };
    expect(await outcomes(1, 2, 3)).toEqual([U, U, 3]);
    expect(rows()).toEqual([3]);
  });

  it('tells everybody where a unit can neither be kept nor taken back alone', async () => {
    faulty.faults.push(
      { statement: 'RELEASE', rollsBack: false, times: 1 },
      { statement: 'ROLLBACK TO', rollsBack: false, times: 1 },
    );
    expect(await outcomes(1, 2)).toEqual([U, 2]);
    expect(rows()).toEqual([2]);
  });

  it('does not mix a transaction that could not be rolled back with the next one', async () => {
    faulty.faults.push(
      { statement: 'COMMIT', rollsBack: false, times: 1 },
      { statement: 'ROLLBACK', rollsBack: false, times: 1 },
    );
    expect(await outcomes(1)).toEqual([U]);
    expect(await outcomes(2)).toEqual([2]);
    expect(rows()).toEqual([2]);
  });

  it('passes other errors on as they are', async () => {
    const failing = commits.run(() => {
      throw new TypeError('a bug');
    });
    await expect(failing).rejects.toThrow(new TypeError('a bug'));
    expect([log.lines, outages.latest]).toEqual([[], null]);
  });

  it('says so once, however many writes are refused, and once more when writes go on', async () => {
    faulty.faults.push({ statement: 'COMMIT', rollsBack: true, times: 100 });
    for (let n = 0; n < 100; n++) {
      expect(await outcomes(n)).toEqual([U]);
      await clock.advance(100);
    }
    const outage = {
      since: 1_000,
      last: 10_900,
      reason: "the server's disk or database is full",
      over: false,
    };
    expect(outages.latest).toEqual(outage);
    expect(log.lines.map(({ level }) => level)).toEqual(['error']);
    // Room is looked for in the log once a second, whether any is found or not.
    expect(checkpoints).toBe(10);
    expect(await outcomes(1)).toEqual([1]);
    // One that fits, in between: the next one may not.
    expect(outages.latest).toEqual(outage);
    await clock.advance(60_000);
    await commits.run(() => 'nothing written');
    expect(outages.latest).toEqual(outage);
    await outcomes(2);
    expect(outages.latest).toEqual({ ...outage, over: true });
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'writes are refused until there is room; reading goes on'],
      ['info', 'writes are taken again'],
    ]);
  });

  it.each(['SQLITE_IOERR_WRITE', 'SQLITE_IOERR_FSYNC', 'SQLITE_READONLY', 'SQLITE_BUSY', 'ENOSPC', 'EROFS'])(
    'takes %s for a failure that may end, and tells no SQL',
    async (code) => {
      const thrown = Object.assign(new Error('insert into t'), { code });
      const error = await commits
        .run(() => {
          throw new Error('Failed query', { cause: thrown });
        })
        .catch((error: unknown) => error);
      expect(error).toBeInstanceOf(UnavailableError);
      expect((error as Error).message).toMatch(
        /^nothing was written: .*; reading goes on, so try again later$/,
      );
      expect((error as Error).message).not.toContain('insert');
    },
  );
});
