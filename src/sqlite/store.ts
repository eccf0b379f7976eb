import type { Clock } from '../clock.js';
import type { Ids } from '../id.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { accountsOf } from './accounts.js';
import { algorithmsOf } from './algorithms.js';
import { apiKeysOf } from './api-keys.js';
import { committerOf } from './committer.js';
import { lockFolder, openDatabase, tryLockFolder } from './database.js';
import { deliveriesOf } from './deliveries.js';
import { feedOf } from './feed.js';
import { GroupCommit } from './group-commit.js';
import { jobsOf } from './jobs.js';
import { keepOf } from './keep.js';
import { linksOf } from './links.js';
import { Outages } from './outages.js';
import { pipelinesOf } from './pipelines.js';
import { tasksOf } from './tasks.js';
import { triggeringOf } from './triggers.js';
import { webhooksOf } from './webhooks.js';

export interface SqliteOptions {
  /** The data folder; made if there is none. */
  folder: string;
  clock: Clock;
  ids: Ids;
  /**
   * True for the one server that owns the folder (DataFolderError if another does); false for the command line,
   * which writes beside it, or alone where no server runs.
   */
  own: boolean;
  /** Told of times in which the disk refuses writes. */
  log?: Log;
  /** Largest size of the database file in MiB: writes are refused above it as on a full disk. 0: none. */
  maxMb?: number;
}

/** The embedded store: one SQLite file, one writer, no other process to install. */
export function openSqliteStore({ folder, clock, ids, own, log, maxMb }: SqliteOptions): Store {
  const holder = { pid: process.pid, startedAt: clock.now() };
  const unlock = own ? lockFolder(folder, holder) : tryLockFolder(folder, holder);
  try {
    const db = openDatabase(folder, { migrate: unlock !== null, maxMb });
    const outages = new Outages(clock, log ?? null, () => db.raw.pragma('wal_checkpoint(PASSIVE)'));
    const commits = new GroupCommit(db.raw, outages);
    const committer = committerOf(db, commits, ids);
    return {
      ...jobsOf(db, committer),
      ...pipelinesOf(db, commits, ids),
      ...algorithmsOf(db, commits),
      ...triggeringOf(db, commits),
      ...tasksOf(db, commits, ids),
      ...keepOf(db, committer),
      ...linksOf(db),
      ...feedOf(db),
      ...webhooksOf(db, commits, ids, () => clock.now()),
      ...deliveriesOf(db, commits, committer, ids),
      ...accountsOf(db, commits, ids),
      ...apiKeysOf(db, commits, ids),
      ping: async () => db.prepare('select 1').get() !== undefined,
      outage: async () => outages.latest,
      async close() {
        await commits.drain();
        db.close();
        unlock?.();
      },
    };
  } catch (error) {
    unlock?.();
    throw error;
  }
}
