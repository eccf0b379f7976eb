import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { messageOf } from '../errors.js';

/** Something about the data folder that an operator must mend; the message is one sentence. */
export class DataFolderError extends Error {}

export interface Handle {
  raw: Database.Database;
  drizzle: BetterSQLite3Database;
  /** A prepared statement, kept by its text. */
  prepare(text: string): Database.Statement;
  close(): void;
}

export const DATABASE = 'carillon.db';
const LOCK = 'lock.db';
/** Lies in the data folder while a restore moves files about: whoever opened it then could find an empty database. */
export const RESTORING = 'restoring';

export interface OpenOptions {
  /** Only who owns the folder may bring its tables up to date. */
  migrate: boolean;
  /** Largest size of the file, in MiB; 0: none. A file that is larger by now just does not grow. */
  maxMb?: number | undefined;
}

/** Opens the database of a data folder. */
export function openDatabase(folder: string, options: OpenOptions): Handle {
  makeFolder(folder);
  if (existsSync(join(folder, RESTORING))) {
    throw new DataFolderError(
      `a restore into the data folder ${folder} did not come to its end: run "carillon restore <file>" again`,
    );
  }
  const raw = openFile(join(folder, DATABASE), { timeout: 5_000 });
  try {
    raw.pragma('journal_mode = WAL');
    // FULL: an acknowledged commit survives a power cut. Group commit makes it cheap.
    raw.pragma('synchronous = FULL');
    raw.pragma('cache_size = -65536');
    raw.pragma('temp_store = MEMORY');
    const db = drizzle({ client: raw });
    const version = versionOf(raw);
    if (version === 'newer') {
      throw new DataFolderError(
        'the database was written by a newer version of Carillon; run that version, or restore a backup',
      );
    }
    if (version !== 'current') {
      if (!options.migrate) {
        throw new DataFolderError(
          'the server of this data folder is of an older version; stop it first, or use its command line',
        );
      }
      migrate(db, { migrationsFolder: MIGRATIONS });
    }
    // After the migrations: an update must not fail for a limit that is meant for what users store.
    if (options.maxMb) raw.pragma(`max_page_count = ${maxPages(raw, options.maxMb)}`);
    const statements = new Map<string, Database.Statement>();
    return {
      raw,
      drizzle: db,
      prepare(text) {
        const known = statements.get(text);
        if (known) return known;
        const statement = raw.prepare(text);
        statements.set(text, statement);
        return statement;
      },
      close: () => raw.close(),
    };
  } catch (error) {
    raw.close();
    throw error;
  }
}

/** Opens a database file; SQLite itself does not say which one it could not open. */
export function openFile(path: string, options: Database.Options): Database.Database {
  try {
    return new Database(path, options);
  } catch (error) {
    throw new DataFolderError(
      `${path} cannot be opened (${messageOf(error)}); see that it is there and this user may read it`,
      { cause: error },
    );
  }
}

function maxPages(raw: Database.Database, megabytes: number): number {
  return Math.floor((megabytes * 1024 * 1024) / (raw.pragma('page_size', { simple: true }) as number));
}

// tsc copies no SQL: the compiled store reads the migrations of the sources it was made from.
const MIGRATIONS = fileURLToPath(
  import.meta.url.endsWith('.ts')
    ? new URL('./migrations', import.meta.url)
    : new URL('../../../src/sqlite/migrations', import.meta.url),
);

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    const probe = join(folder, '.writable');
    writeFileSync(probe, '');
    refuseForeignFiles(folder);
  } catch (error) {
    if (error instanceof DataFolderError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new DataFolderError(
      `the data folder ${folder} cannot be written (${code}); set CARILLON_DATA_DIR to a folder that can`,
    );
  }
}

/** What another user has made here, root above all, SQLite would take for a disk that fails. */
function refuseForeignFiles(folder: string): void {
  for (const name of [DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`, LOCK]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') continue;
      throw new DataFolderError(
        `${path} cannot be read and written (${code}); it must belong to the user who runs the server`,
      );
    }
  }
}

/** Whose tables they are, by the newest migration that was applied. */
export function versionOf(raw: Database.Database): 'none' | 'older' | 'current' | 'newer' {
  const journal = JSON.parse(readFileSync(join(MIGRATIONS, 'meta/_journal.json'), 'utf8')) as {
    entries: { when: number }[];
  };
  const known = Math.max(...journal.entries.map((entry) => entry.when));
  const table = raw.prepare("select 1 from sqlite_master where name = '__drizzle_migrations'").get();
  if (!table) return 'none';
  const { newest } = raw.prepare('select max(created_at) as newest from __drizzle_migrations').get() as {
    newest: number | null;
  };
  if (Number(newest) === known) return 'current';
  return Number(newest) > known ? 'newer' : 'older';
}

/**
 * Only one server may own a data folder. The lock is a transaction held open on a file of its own: the operating
 * system frees it however the process ends. Beside it lies a note of who holds it.
 */
export function lockFolder(folder: string, holder: { pid: number; startedAt: number }): () => void {
  const unlock = tryLockFolder(folder, holder);
  if (unlock) return unlock;
  const who = holderOf(join(folder, NOTE));
  throw new DataFolderError(
    `the data folder ${folder} is in use by ${who}; stop it, or set CARILLON_DATA_DIR to another folder`,
  );
}

/** The same, or null where somebody else owns it. */
export function tryLockFolder(
  folder: string,
  holder: { pid: number; startedAt: number },
): (() => void) | null {
  makeFolder(folder);
  const lock = new Database(join(folder, LOCK), { timeout: 0 });
  try {
    lock.pragma('journal_mode = DELETE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    return null;
  }
  try {
    writeFileSync(join(folder, NOTE), JSON.stringify(holder));
  } catch {
    // The note is a courtesy, and the lock holds without it: a server must start on a full disk, to be read from.
  }
  return () => lock.close();
}

const NOTE = 'holder.json';

function holderOf(note: string): string {
  try {
    const { pid, startedAt } = JSON.parse(readFileSync(note, 'utf8')) as { pid: number; startedAt: number };
    return `process ${pid}, running since ${new Date(startedAt).toISOString()}`;
  } catch {
    return 'another process';
  }
}
