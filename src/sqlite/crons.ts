import type { CronRun, CronState, DueCron, SavedTriggers, Triggering } from '../store.js';
import type { Handle } from './database.js';

/** The cron of a pipeline as it was just saved. One that has not changed keeps its next run, which may be due by now. */
export function writeCron(db: Handle, pipeline: number, cron: SavedTriggers['cron']): void {
  if (cron === null) {
    db.prepare('delete from crons where pipeline = ?').run(pipeline);
    return;
  }
  db.prepare(
    `insert into crons (pipeline, pattern, time_zone, next_at) values (@pipeline, @pattern, @timeZone, @nextAt)
     on conflict (pipeline) do update set pattern = @pattern, time_zone = @timeZone, next_at = @nextAt
     where pattern <> @pattern or time_zone <> @timeZone or (next_at is null) <> (@nextAt is null)`,
  ).run({ pipeline, ...cron });
}

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

/** The earliest run of each account first, those of the next accounts each time. About 2 µs for each that is due. */
export function dueCronsOf(db: Handle): Triggering['dueCrons'] {
  let served = 0;
  return async (at, limit) => {
    const rows = db
      .prepare(
        `select d.*, a.id as accountId from (
           select p.account, p.id as pipelineId, p.name as pipelineName, c.pattern, c.time_zone as timeZone,
             c.next_at as scheduledAt, c.last_error as lastError,
             row_number() over (partition by p.account order by c.next_at, c.pipeline) as turn
           from crons c join pipelines p on p.key = c.pipeline where c.next_at <= @at) d
         join accounts a on a.key = d.account
         order by d.turn, d.account <= @served, d.account limit @limit`,
      )
      .all({ at, served, limit }) as (DueCron & { account: number; turn: number })[];
    served = rows.findLast(({ turn }) => turn === 1)?.account ?? served;
    const { nextAt } = db
      .prepare('select min(next_at) as nextAt from crons where next_at is not null')
      .get() as { nextAt: number | null };
    return { due: rows.map(({ account: _account, turn: _turn, ...due }) => due), nextAt };
  };
}

export function cronState(db: Handle, accountId: string, pipelineName: string): CronState | null {
  const row = db
    .prepare(
      `select c.pattern, c.time_zone as timeZone, c.next_at as nextRunAt, c.last_at as lastRunAt,
       c.last_job as lastJobId, c.last_error as lastError
       from crons c join pipelines p on p.key = c.pipeline
       where p.account = (select key from accounts where id = ?) and p.name = ?`,
    )
    .get(accountId, pipelineName) as CronState | undefined;
  return row ?? null;
}
