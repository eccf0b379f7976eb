import type { CronRun } from '../store.js';
import type { Handle } from './database.js';

/** Whether this run is still the next one that is owed, by the pattern it was computed from. */
export function cronStands(db: Handle, { pipelineId, pattern, timeZone, scheduledAt }: CronRun): boolean {
  return (
    db
      .prepare(
        `select 1 from crons c join pipelines p on p.key = c.pipeline
         where p.id = ? and c.next_at = ? and c.pattern = ? and c.time_zone = ?`,
      )
      .get(pipelineId, scheduledAt, pattern, timeZone) !== undefined
  );
}

/** Goes on to the run after this one. Whoever calls it has asked `cronStands` in the same transaction. */
export function advanceCron(
  db: Handle,
  { pipelineId, scheduledAt, nextAt }: CronRun,
  { lastJob, lastError }: { lastJob: string | null; lastError: string | null },
): void {
  db.prepare(
    `update crons set next_at = ?, last_at = ?, last_job = ifnull(?, last_job), last_error = ?
     where pipeline = (select key from pipelines where id = ?)`,
  ).run(nextAt, scheduledAt, lastJob, lastError, pipelineId);
}
