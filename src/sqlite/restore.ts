import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { messageOf } from '../errors.js';
import { type CopyFacts, copyDatabase, syncPath } from './copy.js';
import { DATABASE, DataFolderError, lockFolder, RESTORING, versionOf } from './database.js';

export interface RestoreOptions {
  /** The data folder; made if there is none. No server may run in it. */
  folder: string;
  /** A backup, or any database file of Carillon. It is only read. */
  file: string;
  pid: number;
  now: number;
  signal?: AbortSignal;
}

export interface RestoreFacts extends CopyFacts {
  /** Where what was there before lies now; null: there was nothing. */
  aside: string | null;
}

/** The database, and its logs, which must go where it goes: one that met another database would be played into it. */
const PARTS = ['', '-wal', '-journal'];

/** A copy that is not in place yet, and what belongs to it. */
const PART = 'restore.part-';

/**
 * Puts a copy of a backup in place of the database, which is moved aside. Rejects with DataFolderError, one sentence;
 * until the copy has been checked, nothing in the folder has changed.
 */
export async function restoreDatabase({
  folder,
  file,
  pid,
  now,
  signal,
}: RestoreOptions): Promise<RestoreFacts> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new DataFolderError(`there is no backup ${file}; name a file that "carillon backup" has made`);
  }
  const unlock = lockFolder(folder, { pid, startedAt: now });
  const part = join(folder, PART + pid);
  try {
    removeParts(folder);
    finishMoving(folder);
    const facts = await copyDatabase(file, part, 'integrity_check', signal);
    makeReady(part, file, folder);
    return { ...facts, aside: exchange(folder, part, now) };
  } catch (error) {
    removeParts(folder);
    throw error instanceof DataFolderError
      ? error
      : new DataFolderError(`${file} was not restored: ${messageOf(error)}`);
  } finally {
    unlock();
  }
}

/** Whoever holds the lock is alone: other copies are those of restores that were killed. */
function removeParts(folder: string): void {
  for (const name of readdirSync(folder)) if (name.startsWith(PART)) rmSync(join(folder, name));
}

/** Makes of a checked copy what a server can open at once, or throws where it is of a newer version. */
function makeReady(part: string, file: string, folder: string): void {
  const db = new Database(part);
  try {
    if (versionOf(db) === 'newer') {
      throw new DataFolderError(
        `${file} was written by a newer version of Carillon; restore it with that version`,
      );
    }
    // Otherwise the server would have to change it, and could not start while somebody reads, such as a backup.
    db.pragma('journal_mode = WAL');
  } finally {
    db.close();
  }
  // Root may read and write all; the user whom the server runs as must be able to as well.
  const { uid, gid } = statSync(folder);
  if (process.getuid?.() === 0) chownSync(part, uid, gid);
  syncPath(part);
}

/**
 * Moves the database aside and the copy in its place. Several renames are not one step: a note says that they have
 * begun, no server starts while it is there, and the restore that ends the work goes on with the name in it.
 */
function exchange(folder: string, part: string, now: number): string | null {
  const note = join(folder, RESTORING);
  const name = begun(folder) || `${DATABASE}.${new Date(now).toISOString().replace(/[:.]/g, '-')}`;
  writeFileSync(note, name);
  syncPath(note);
  syncPath(folder);
  const aside = join(folder, name);
  moveAside(folder, aside);
  // An index of the log, which SQLite makes anew.
  rmSync(join(folder, `${DATABASE}-shm`), { force: true });
  renameSync(part, join(folder, DATABASE));
  syncPath(folder);
  rmSync(note);
  syncPath(folder);
  return existsSync(aside) ? aside : null;
}

/** The name in the note. An empty note is one whose writing was interrupted: nothing had been moved by then. */
function begun(folder: string): string {
  const note = join(folder, RESTORING);
  return existsSync(note) ? readFileSync(note, 'utf8') : '';
}

/** What an interrupted restore has begun to move is moved whole: the log that is left belongs to what was moved. */
function finishMoving(folder: string): void {
  const name = begun(folder);
  const aside = join(folder, name);
  if (name && existsSync(aside) && !existsSync(join(folder, DATABASE))) moveAside(folder, aside);
}

function moveAside(folder: string, aside: string): void {
  // What an interrupted restore has moved is the one to keep; what lies in its place is that restore's copy.
  const copied = existsSync(aside) && existsSync(join(folder, DATABASE));
  if (copied) {
    // The database last: as long as it is there, its logs are known for the copy's.
    for (const tail of PARTS.toReversed()) rmSync(join(folder, DATABASE + tail), { force: true });
    return;
  }
  for (const tail of PARTS) {
    const from = join(folder, DATABASE + tail);
    if (existsSync(from) && !existsSync(aside + tail)) renameSync(from, aside + tail);
  }
}
