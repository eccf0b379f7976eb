import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../errors.js';
import { type CopyFacts, copyDatabase, syncPath } from './copy.js';
import { DATABASE, DataFolderError } from './database.js';

export interface BackupOptions {
  /** The data folder; a server may run in it. */
  folder: string;
  /** Where the copy goes; only the user who makes it may read it, since it holds secrets. */
  file: string;
  /** Whether a file that is there already is replaced. */
  force: boolean;
  /** Ends it early, with nothing left. */
  signal?: AbortSignal;
}

/**
 * Copies all that is committed into one file, which is there under its name only once it is checked and on the disk.
 * Rejects with DataFolderError, one sentence, and leaves nothing.
 */
export async function backupDatabase({ folder, file, force, signal }: BackupOptions): Promise<CopyFacts> {
  const source = join(folder, DATABASE);
  const target = resolve(file);
  if (!existsSync(source)) {
    throw new DataFolderError(
      `there is no database in ${folder}; set CARILLON_DATA_DIR to the server's folder`,
    );
  }
  const place = dirname(target);
  if (!existsSync(place)) throw new DataFolderError(`there is no folder ${place}; make it, or name another`);
  // By a link as well: under the name of the database, the lock or the note of a restore it would do harm.
  if (realpathSync(place) === realpathSync(folder)) {
    throw new DataFolderError(`${file} lies in the data folder itself; name a file elsewhere`);
  }
  refuseExisting(file, force);
  const part = `${target}.part-${randomBytes(4).toString('hex')}`;
  try {
    const facts = await copyDatabase(source, part, 'quick_check', signal);
    // Once more, at the last moment: another backup may have taken as long as this one.
    refuseExisting(file, force);
    renameSync(part, target);
    syncPath(place);
    return facts;
  } catch (error) {
    rmSync(part, { force: true });
    throw error instanceof DataFolderError
      ? error
      : new DataFolderError(`no backup was made to ${file}: ${messageOf(error)}`);
  }
}

function refuseExisting(file: string, force: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found && !found.isFile()) throw new DataFolderError(`${file} is no file; name one`);
  if (found && !force)
    throw new DataFolderError(`${file} exists; name another file, or replace it with --force`);
}
