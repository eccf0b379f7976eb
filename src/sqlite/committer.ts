import type { NewEvent } from '../event.js';
import type { Ids } from '../id.js';
import type { Committed } from '../store.js';
import type { Handle } from './database.js';
import { appendEvents } from './feed.js';
import type { GroupCommit } from './group-commit.js';
import { eventJobOf, type JobSqlRow } from './jobs.js';
import { addDeliveries } from './lanes.js';

/** One unit of work inside a shared transaction, gathering what others must hear once it stands. */
export interface Unit {
  committed: Committed;
  /** Writes events and the deliveries they are owed; the job's newest sequence and position go with them. */
  append(account: { key: number; id: string }, job: JobSqlRow | null, events: readonly NewEvent[]): void;
}

export interface Committer {
  run<T>(work: (unit: Unit) => T): Promise<T>;
}

export function committerOf(db: Handle, commits: GroupCommit, ids: Ids): Committer {
  return {
    run: (work) =>
      commits.run(() => {
        const committed: Committed = {
          events: [],
          readyQueues: [],
          deliveries: false,
          expansion: false,
          triggered: false,
          revoked: [],
          links: false,
        };
        return work({
          committed,
          append(account, job, events) {
            const about = job && { ...eventJobOf(job), key: job.key, sequence: job.sequence };
            const logged = appendEvents(db, account, about, events);
            const last = logged.at(-1);
            if (!last) return;
            if (job) {
              job.sequence = last.sequence!;
              job.position = last.position;
              db.prepare('update jobs set sequence = ?, position = ? where key = ?').run(
                job.sequence,
                job.position,
                job.key,
              );
            }
            committed.events.push(...logged);
            if (addDeliveries(db, ids, account, job, logged)) committed.deliveries = true;
          },
        });
      }),
  };
}
