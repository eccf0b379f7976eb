import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataFolderError, lockFolder, openDatabase } from '../../src/sqlite/database.js';
import { GroupCommit } from '../../src/sqlite/group-commit.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-db-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the data folder', () => {
  it('has one owner; the second is told who the first is', () => {
    const unlock = lockFolder(folder, { pid: 4711, startedAt: Date.UTC(2026, 0, 2) });
    expect(() => lockFolder(folder, { pid: 1, startedAt: 0 })).toThrow(
      `the data folder ${folder} is in use by process 4711, running since 2026-01-02T00:00:00.000Z; stop it, or set CARILLON_DATA_DIR to another folder`,
    );
    unlock();
    lockFolder(folder, { pid: 1, startedAt: 0 })();
  });

  it('is free again once its owner was killed', async () => {
    const entry = new URL('../../dist/src/sqlite/database.js', import.meta.url).href;
    const script = join(folder, 'holder.mjs');
    const code = `import { lockFolder } from ${JSON.stringify(entry)};
      lockFolder(${JSON.stringify(folder)}, { pid: process.pid, startedAt: 0 });
      process.send('locked'); setInterval(() => {}, 1000);`;
    await writeFile(script, code);
    const child = fork(script);
    await once(child, 'message');
    expect(() => lockFolder(folder, { pid: 1, startedAt: 0 })).toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFolder(folder, { pid: 1, startedAt: 0 })();
  });

  it('that cannot be written is refused in one sentence', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect(() => openDatabase(join(file, 'data'), { migrate: true })).toThrow(DataFolderError);
    expect(() => openDatabase(join(file, 'data'), { migrate: true })).toThrow(
      /cannot be written \((ENOTDIR|EEXIST)\); set CARILLON_DATA_DIR/,
    );
  });

  it.runIf(process.getuid?.() !== 0)('that may not be written is refused too', async () => {
    const closed = join(folder, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o500);
    expect(() => openDatabase(closed, { migrate: true })).toThrow('EACCES');
  });

  // A lock that can only be read is no lock: SQLite would let two servers have it.
  it.runIf(process.getuid?.() !== 0).each(['carillon.db', 'lock.db'])(
    'with a %s that another user has made is refused',
    async (name) => {
      openDatabase(folder, { migrate: true }).close();
      lockFolder(folder, { pid: 1, startedAt: 0 })();
      await chmod(join(folder, name), 0o444);
      const message = `${join(folder, name)} cannot be read and written (EACCES); it must belong to the user who runs the server`;
      expect(() => lockFolder(folder, { pid: 1, startedAt: 0 })).toThrow(message);
      expect(() => openDatabase(folder, { migrate: true })).toThrow(message);
    },
  );

  it('of a newer version is refused and left alone', () => {
    openDatabase(folder, { migrate: true }).close();
    const raw = new Database(join(folder, 'carillon.db'));
    raw
      .prepare("insert into __drizzle_migrations (hash, created_at) values ('future', 99999999999999)")
      .run();
    raw.close();
    expect(() => openDatabase(folder, { migrate: true })).toThrow(
      'the database was written by a newer version of Carillon',
    );
  });

  it('has a database that grows no more above its limit, and does again without one', () => {
    const open = (maxMb: number) => openDatabase(folder, { migrate: true, maxMb });
    const first = open(1);
    first.raw.exec('create table t (n integer, b blob); insert into t values (1, null)');
    const large = 'insert into t values (2, zeroblob(1024 * 1024))';
    expect(() => first.raw.exec(large)).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }));
    first.close();
    const second = open(0);
    second.raw.exec(large);
    second.close();
    // Larger than its limit by now: it opens, and what needs no room is written.
    const third = open(1);
    third.raw.exec('update t set n = n + 1');
    expect(() => third.raw.exec(large)).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }));
    expect(third.raw.prepare('select sum(n) from t').pluck().get()).toBe(5);
    third.close();
  });

  it('is brought up to date by its owner only', () => {
    expect(() => openDatabase(folder, { migrate: false })).toThrow('is of an older version; stop it first');
    openDatabase(folder, { migrate: true }).close();
    openDatabase(folder, { migrate: false }).close();
  });

  it('is written with FULL synchronous WAL, and its tables are those of the migrations', () => {
    const db = openDatabase(folder, { migrate: true });
    expect(db.raw.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(db.raw.pragma('synchronous', { simple: true })).toBe(2);
    const tables = db.raw
      .prepare("select name from sqlite_master where sql like '%WITHOUT ROWID%' order by name")
      .pluck()
      .all();
    expect(tables).toContain('tasks');
    expect(tables).toContain('events');
    db.close();
  });
});

describe('group commit', () => {
  it('commits what came in one tick together, and fails alone what fails', async () => {
    const db = openDatabase(folder, { migrate: true });
    db.raw.exec('create table t (n integer unique)');
    const commits = new GroupCommit(db.raw);
    const insert = db.raw.prepare('insert into t values (?)');
    const done: string[] = [];
    const results = await Promise.allSettled([
      commits.run(() => insert.run(1)).then(() => done.push('one')),
      commits.run(() => {
        insert.run(2);
        throw new Error('changed its mind');
      }),
      commits.run(() => insert.run(1)),
      commits
        .run(() => insert.run(3))
        .then(() => done.push(`three sees ${db.raw.inTransaction ? 'an open' : 'a committed'} transaction`)),
    ]);
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(db.raw.prepare('select n from t order by n').pluck().all()).toEqual([1, 3]);
    expect(done).toEqual(['one', 'three sees a committed transaction']);
    db.close();
  });

  it('rejects everybody where the transaction itself is lost', async () => {
    const db = openDatabase(folder, { migrate: true });
    db.raw.exec('create table t (n integer)');
    const commits = new GroupCommit(db.raw);
    const insert = db.raw.prepare('insert into t values (?)');
    const results = await Promise.allSettled([
      commits.run(() => insert.run(1)),
      commits.run(() => {
        // What SQLite does by itself when the disk is full.
        db.raw.exec('ROLLBACK');
        throw new Error('disk full');
      }),
      commits.run(() => insert.run(3)),
    ]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(db.raw.prepare('select n from t').pluck().all()).toEqual([3]);
    db.close();
  });

  it('answers everything that was handed in before it drains, in order, also beyond one flush', async () => {
    const db = openDatabase(folder, { migrate: true });
    const commits = new GroupCommit(db.raw);
    const order: number[] = [];
    for (let n = 0; n < 1_200; n++) void commits.run(() => n).then((value) => order.push(value));
    await commits.drain();
    expect(order).toEqual(Array.from({ length: 1_200 }, (_, n) => n));
    db.close();
  });
});
