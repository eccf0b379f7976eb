import {
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupDatabase } from '../../src/sqlite/backup.js';
import { DataFolderError, openDatabase } from '../../src/sqlite/database.js';
import { restoreDatabase } from '../../src/sqlite/restore.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const ASIDE = 'carillon.db.2026-01-02T03-04-05-000Z';

let root: string;
let folder: string;
let file: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'carillon-backup-'));
  folder = join(root, 'data');
  file = join(root, 'copy.db');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Makes or opens the database, leaves a mark in it, and keeps it open until told. */
function marked(mark: string): () => void {
  const db = openDatabase(folder, { migrate: true });
  db.raw.exec('create table if not exists marks (name text)');
  db.raw.prepare('insert into marks values (?)').run(mark);
  return () => db.close();
}
function marksIn(path: string): unknown[] {
  const raw = new Database(path, { readonly: true });
  const marks = raw.prepare('select name from marks').pluck().all();
  raw.close();
  return marks;
}
const backup = (more: { force?: boolean; signal?: AbortSignal } = {}) =>
  backupDatabase({ folder, file, force: false, ...more });
const restore = (from = file, now = NOW) => restoreDatabase({ folder, file: from, pid: 1, now });

describe('a backup', () => {
  it('is one file for its owner alone, with what only the write-ahead log has so far', async () => {
    const close = marked('a');
    expect(statSync(join(folder, 'carillon.db-wal')).size).toBeGreaterThan(0);
    const { bytes, newest } = await backup();
    close();
    expect([bytes, newest]).toEqual([statSync(file).size, null]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(marksIn(file)).toEqual(['a']);
    expect(readdirSync(root).sort()).toEqual(['copy.db', 'data']);
  });

  it('is the state of one moment, though others write while it is copied', async () => {
    const close = marked('before');
    const writer = new Database(join(folder, 'carillon.db'));
    writer.exec('insert into marks values (hex(zeroblob(20 * 1024 * 1024)))');
    const before = marksIn(join(folder, 'carillon.db')).length;
    let running = true;
    let written = 0;
    const write = () => {
      if (!running) return;
      writer.prepare('insert into marks values (?)').run(`while ${written++}`);
      setImmediate(write);
    };
    const copied = backup();
    setImmediate(write);
    await copied;
    running = false;
    expect(written).toBeGreaterThan(2);
    const marks = marksIn(file);
    expect(marks.length).toBeLessThan(before + written);
    expect(marks.slice(before)).toEqual(marks.slice(before).map((_, index) => `while ${index}`));
    writer.close();
    close();
  });

  it('does not take the place of a file unless it is told to, and then only when it is whole', async () => {
    marked('a')();
    writeFileSync(file, 'precious');
    await expect(backup()).rejects.toThrow(`${file} exists; name another file, or replace it with --force`);
    const gone = AbortSignal.abort(new Error('interrupted'));
    await expect(backup({ force: true, signal: gone })).rejects.toThrow(
      `no backup was made to ${file}: interrupted`,
    );
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(readdirSync(root).sort()).toEqual(['copy.db', 'data']);
    await backup({ force: true });
    expect(marksIn(file)).toEqual(['a']);
  });

  it('of a damaged database is not made', async () => {
    marked('a')();
    const path = join(folder, 'carillon.db');
    const bytes = readFileSync(path);
    // The page of some table, not the first one.
    bytes.fill(0xff, 40 * 4_096, 41 * 4_096);
    writeFileSync(path, bytes);
    await expect(backup()).rejects.toThrow(DataFolderError);
    expect(readdirSync(root)).toEqual(['data']);
  });

  it.each([
    ['of a folder without a database', () => backup(), /there is no database in/],
    [
      'in place of the database',
      () => backupDatabase({ folder, file: join(folder, 'carillon.db'), force: true }),
      /lies in the data folder itself; name a file elsewhere/,
    ],
    [
      'in place of the database, by a link to its folder,',
      () => {
        symlinkSync(folder, join(root, 'link'));
        return backupDatabase({ folder: join(root, 'link'), file: join(folder, 'carillon.db'), force: true });
      },
      /lies in the data folder itself/,
    ],
    [
      'under the name of a note that keeps servers from starting',
      () => backupDatabase({ folder, file: join(folder, 'restoring'), force: false }),
      /lies in the data folder itself/,
    ],
    [
      'into a folder that is not there',
      () => backupDatabase({ folder, file: join(root, 'none', 'copy.db'), force: false }),
      /there is no folder .*none; make it/,
    ],
    ['in place of a folder', () => backupDatabase({ folder, file: root, force: true }), /is no file/],
  ])('%s is refused in a sentence', async (what, attempt, message) => {
    if (!what.includes('without')) marked('a')();
    const before = existsSync(folder) && readdirSync(folder);
    await expect(attempt()).rejects.toThrow(message);
    expect(existsSync(folder) && readdirSync(folder)).toEqual(before);
  });
});

describe('a restore', () => {
  it('puts a copy in place, and keeps what was there with its write-ahead log', async () => {
    marked('old')();
    await backup();
    const close = marked('new');
    // As after a crash: what is new is in the log alone.
    const crashed = join(root, 'crashed');
    for (const tail of ['', '-wal']) copyFileSync(join(folder, `carillon.db${tail}`), crashed + tail);
    close();
    for (const tail of ['', '-wal']) copyFileSync(crashed + tail, join(folder, `carillon.db${tail}`));

    expect(await restore()).toMatchObject({ aside: join(folder, ASIDE) });
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['old']);
    expect(marksIn(join(folder, ASIDE))).toEqual(['old', 'new']);
    expect(marksIn(file)).toEqual(['old']);
    openDatabase(folder, { migrate: false }).close();
  });

  it('takes a database with its write-ahead log as well as a backup, and makes the folder', async () => {
    const close = marked('a');
    const there = join(root, 'there');
    await restoreDatabase({ folder: there, file: join(folder, 'carillon.db'), pid: 1, now: NOW });
    close();
    expect(marksIn(join(there, 'carillon.db'))).toEqual(['a']);
    expect(existsSync(join(there, ASIDE))).toBe(false);
  });

  it('refuses what it cannot use, and leaves the folder as it is', async () => {
    marked('a')();
    await backup();
    const good = readFileSync(file);
    const damaged = Buffer.from(good);
    damaged.fill(0xff, 40 * 4_096, 41 * 4_096);
    const cases: [string, Buffer | null, RegExp][] = [
      ['none', null, /there is no backup/],
      ['text', Buffer.from('not a database, but long enough to look at'), /cannot be read as a database/],
      ['half', good.subarray(0, good.length / 2), /cannot be read|malformed|damaged/],
      ['damaged', damaged, /damaged|malformed/],
    ];
    for (const [name, bytes, message] of cases) {
      if (bytes) writeFileSync(join(root, name), bytes);
      const refusal = await restore(join(root, name)).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(DataFolderError);
      expect((refusal as Error).message).toMatch(message);
    }
    const other = new Database(join(root, 'other'));
    other.exec('create table t (n)');
    other.close();
    await expect(restore(join(root, 'other'))).rejects.toThrow('is no database of Carillon');
    const drizzled = new Database(join(root, 'other'));
    drizzled.exec('create table __drizzle_migrations (id, hash, created_at)');
    drizzled.close();
    await expect(restore(join(root, 'other'))).rejects.toThrow('is no database of Carillon');
    const newer = new Database(file);
    newer.exec("insert into __drizzle_migrations (hash, created_at) values ('future', 99999999999999)");
    newer.close();
    await expect(restore()).rejects.toThrow('was written by a newer version of Carillon');
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['a']);
    expect(readdirSync(folder).filter((name) => /part|restoring|T03/.test(name))).toEqual([]);
  });

  it('can be opened by a server while somebody reads it', async () => {
    marked('a')();
    await backup();
    await restore();
    const reader = new Database(join(folder, 'carillon.db'), { readonly: true });
    reader.exec('begin; select * from marks');
    openDatabase(folder, { migrate: true }).close();
    reader.close();
  });

  it('takes away what restores that were killed have left', async () => {
    marked('a')();
    await backup();
    const left = ['restore.part-7', 'restore.part-7-journal', 'restore.part-8'];
    for (const name of left) writeFileSync(join(folder, name), 'half a copy');
    await restoreDatabase({ folder, file, pid: 7, now: NOW });
    expect(readdirSync(folder).filter((name) => name.startsWith('restore.part'))).toEqual([]);
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['a']);
  });

  it('moves a rollback journal aside with the database it belongs to', async () => {
    marked('old')();
    await backup();
    const path = join(folder, 'carillon.db');
    const writer = new Database(path);
    writer.pragma('journal_mode = DELETE');
    writer.exec('insert into marks values (hex(zeroblob(1000000)))');
    writer.pragma('cache_size = 1');
    // As a crash leaves it in the middle of a transaction: changed pages in the file, what they were in the journal.
    writer.exec(
      'begin; delete from marks; create table more (n); insert into more values (zeroblob(100000))',
    );
    for (const tail of ['', '-journal']) copyFileSync(path + tail, `${root}/crashed${tail}`);
    writer.close();
    for (const tail of ['', '-journal']) renameSync(`${root}/crashed${tail}`, path + tail);

    await restore();
    expect(existsSync(`${path}-journal`)).toBe(false);
    expect(marksIn(path)).toEqual(['old']);
    const former = new Database(join(folder, ASIDE));
    expect(former.prepare('select count(*) from marks').pluck().get()).toBe(2);
    former.close();
  });

  it.runIf(process.getuid?.() === 0)('by root belongs to the user whom the folder belongs to', async () => {
    marked('a')();
    await backup();
    chownSync(folder, 65_534, 65_534);
    await restore();
    const { uid, gid, mode } = statSync(join(folder, 'carillon.db'));
    expect([uid, gid, mode & 0o777]).toEqual([65_534, 65_534, 0o600]);
  });

  it.each([
    ['nothing was moved', []],
    ['the database was moved', ['']],
    ['the database and its log were moved', ['', '-wal']],
  ])('that was interrupted when %s lets no server start until it is run again', async (_when, moved) => {
    marked('old')();
    await backup();
    const close = marked('new');
    for (const tail of ['', '-wal'])
      copyFileSync(join(folder, `carillon.db${tail}`), join(root, `crashed${tail}`));
    close();
    for (const tail of ['', '-wal'])
      renameSync(join(root, `crashed${tail}`), join(folder, `carillon.db${tail}`));
    writeFileSync(join(folder, 'restoring'), ASIDE);
    for (const tail of moved) renameSync(join(folder, `carillon.db${tail}`), join(folder, ASIDE + tail));

    expect(() => openDatabase(folder, { migrate: true })).toThrow('run "carillon restore <file>" again');
    expect((await restore(file, NOW + 60_000)).aside).toBe(join(folder, ASIDE));
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['old']);
    expect(marksIn(join(folder, ASIDE))).toEqual(['old', 'new']);
    expect(existsSync(join(folder, 'restoring'))).toBe(false);
    openDatabase(folder, { migrate: false }).close();
  });

  it('that was interrupted can be taken back, with what only the write-ahead log had', async () => {
    marked('old')();
    const close = marked('new');
    for (const tail of ['', '-wal'])
      copyFileSync(join(folder, `carillon.db${tail}`), `${root}/crashed${tail}`);
    close();
    renameSync(`${root}/crashed`, join(folder, ASIDE));
    renameSync(`${root}/crashed-wal`, join(folder, 'carillon.db-wal'));
    rmSync(join(folder, 'carillon.db'));
    writeFileSync(join(folder, 'restoring'), ASIDE);
    await restore(join(folder, ASIDE), NOW + 60_000);
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['old', 'new']);
  });

  it('that was interrupted with the copy in place keeps the database that was there first', async () => {
    marked('old')();
    await backup();
    marked('new')();
    await restore();
    writeFileSync(join(folder, 'restoring'), ASIDE);
    writeFileSync(join(folder, 'carillon.db-wal'), 'of the copy');
    expect((await restore(file, NOW + 60_000)).aside).toBe(join(folder, ASIDE));
    expect(existsSync(join(folder, `${ASIDE}-wal`))).toBe(false);
    expect(marksIn(join(folder, ASIDE))).toEqual(['old', 'new']);
    expect(marksIn(join(folder, 'carillon.db'))).toEqual(['old']);
    expect(existsSync(join(folder, 'restoring'))).toBe(false);
  });
});
