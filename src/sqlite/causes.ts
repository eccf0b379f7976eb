import { jobId } from '../job.js';
import type { Cause } from '../store.js';
import type { Unit } from './committer.js';
import { advanceCron, cronStands } from './crons.js';
import type { Handle } from './database.js';
import type { JobSqlRow } from './jobs.js';
import { linkJob, taskStands } from './links.js';
import { takeTriggered, triggeredStands } from './triggers.js';

/**
 * Whether what a job is to be submitted for is still owed. Asked under the write lock, before the job is written: of
 * two who submit for one cause, in whatever order and after whatever crash, one is told that it is stale.
 */
export function causeStands(db: Handle, cause: Cause): boolean {
  switch (cause.kind) {
    case 'cron':
      return cronStands(db, cause);
    case 'trigger':
      return triggeredStands(db, cause.key);
    case 'task':
      return taskStands(db, cause);
  }
}

/** Takes off what the job was submitted for, in the transaction that writes the job. */
export function takeCause(db: Handle, cause: Cause, job: JobSqlRow, unit: Unit): void {
  switch (cause.kind) {
    case 'cron':
      advanceCron(db, cause, { lastJob: jobId(job.pipeline, job.uuid), lastError: null });
      break;
    case 'trigger':
      takeTriggered(db, cause.key, null);
      break;
    case 'task':
      linkJob(db, cause, job, unit);
      break;
  }
}
