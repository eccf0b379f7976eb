import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { messageOf } from '../errors.js';
import { DataFolderError, openFile } from './database.js';

/** Pages copied in one turn of the event loop: 8 MiB, after which an interrupt is heard. */
const PAGES_A_TURN = 2_000;

/** What a copy holds, for whoever made it. */
export interface CopyFacts {
  bytes: number;
  /** Null: nothing has happened in it so far. */
  newest: NewestEvent | null;
}

export interface NewestEvent {
  account: string;
  position: number;
  occurredAt: number;
}

/**
 * Copies a database, with what is in its write-ahead log, into one new file that is whole, checked and on the disk.
 * The source is one snapshot: it is read within one transaction, which holds up no writer, though the log cannot be
 * shortened until it ends. VACUUM INTO would do the same, but cannot be interrupted. On failure no file is left.
 */
export async function copyDatabase(
  source: string,
  target: string,
  check: 'quick_check' | 'integrity_check',
  signal?: AbortSignal,
): Promise<CopyFacts> {
  // Made first, for its mode: what the database holds is for its owner alone.
  closeSync(openSync(target, 'wx', 0o600));
  try {
    const db = openFile(source, { readonly: true, fileMustExist: true, timeout: 5_000 });
    let newest: NewestEvent | null;
    try {
      db.exec('BEGIN');
      newest = newestEvent(db, source);
      const progress = () => {
        signal?.throwIfAborted();
        return PAGES_A_TURN;
      };
      await db.backup(target, { progress });
    } finally {
      db.close();
    }
    const bytes = finish(target, check);
    signal?.throwIfAborted();
    return { bytes, newest };
  } catch (error) {
    for (const tail of ['', '-journal', '-wal', '-shm']) rmSync(target + tail, { force: true });
    throw error;
  }
}

/** Checks a copy, makes it a single file that opens from a medium that cannot be written, and sees it to the disk. */
function finish(path: string, check: 'quick_check' | 'integrity_check'): number {
  const db = new Database(path);
  let bytes: number;
  try {
    db.pragma('journal_mode = DELETE');
    const found = db.pragma(check, { simple: true });
    if (found !== 'ok') throw new DataFolderError(`the copy is damaged: ${String(found)}`);
    bytes =
      (db.pragma('page_count', { simple: true }) as number) *
      (db.pragma('page_size', { simple: true }) as number);
  } finally {
    db.close();
  }
  syncPath(path);
  return bytes;
}

/** Sees a file, or the names in a folder, to the disk. */
export function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function newestEvent(db: Database.Database, path: string): NewestEvent | null {
  let known: unknown;
  try {
    // Others use drizzle too.
    const tables = "('__drizzle_migrations', 'accounts', 'events', 'lanes')";
    known = db.prepare(`select count(*) = 4 from sqlite_master where name in ${tables}`).pluck().get();
  } catch (error) {
    throw new DataFolderError(`${path} cannot be read as a database: ${messageOf(error)}`);
  }
  if (!known) throw new DataFolderError(`${path} is no database of Carillon`);
  const row = db
    .prepare(
      `select a.name as account, e.position, e.occurred_at as occurredAt
       from accounts a join events e on e.account = a.key and e.position = a.head order by e.occurred_at desc limit 1`,
    )
    .get();
  return (row as NewestEvent | undefined) ?? null;
}
