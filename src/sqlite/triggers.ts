import { jobId } from '../job.js';
import type { DueTrigger, Triggering } from '../store.js';
import { accountKey } from './accounts.js';
import { advanceCron, cronStands, cronState, dueCrons } from './crons.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { type JobSqlRow, jobOf, jobRow } from './jobs.js';

/** As many as a picture of them can show; more pairs take more than a few milliseconds. */
const MAX_EDGES = 10_000;

export function triggeringOf(db: Handle, commits: GroupCommit): Triggering {
  return {
    dueCrons: async (at, limit) => dueCrons(db, at, limit),
    skipCron: (run, lastError) =>
      commits.run(() => {
        if (!cronStands(db, run)) return false;
        advanceCron(db, run, { lastJob: null, lastError });
        return true;
      }),
    cron: async (accountId, pipelineName) => cronState(db, accountId, pipelineName),
    dueTriggers: async (limit, maxBytes) => dueTriggers(db, limit, maxBytes),
    dropTrigger: (key, error) => commits.run(() => takeTriggered(db, key, error)),

    triggerSources: async (accountId, name) =>
      db
        .prepare(
          `select t.source from pipelines p join triggers t on t.pipeline = p.key
           where p.account = ? and p.name = ? order by t.source`,
        )
        .pluck()
        .all(accountKey(db, accountId), name) as string[],

    triggerTargets: async (accountId, name) =>
      db
        .prepare(
          `select p.name from triggers t join pipelines p on p.key = t.pipeline
           where t.account = ? and t.source = ? order by p.name`,
        )
        .pluck()
        .all(accountKey(db, accountId), name) as string[],

    triggerEdges: async (accountId) =>
      db
        .prepare(
          `select t.source, p.name as pipelineName from triggers t join pipelines p on p.key = t.pipeline
           where t.account = ? order by p.name, t.source limit ?`,
        )
        .all(accountKey(db, accountId), MAX_EDGES) as { source: string; pipelineName: string }[],

    async children(accountId, id, { after, before, inverted, limit }) {
      const number = (place: string | null) =>
        place === null ? null : (jobRow(db, accountId, place)?.number ?? 0);
      const rows = db
        .prepare(
          `select * from jobs indexed by jobs_parent where parent = @id and account = @account
           and number > ifnull(@after, 0) and (@before is null or number < @before)
           order by number ${inverted ? 'desc' : 'asc'} limit @limit`,
        )
        .all({
          ...{ id, account: accountKey(db, accountId), limit },
          ...{ after: number(after), before: number(before) },
        }) as JobSqlRow[];
      return rows.map((row) => jobOf(accountId, row));
    },
  };
}

/** The names after whose runs a pipeline runs, as it was just saved. */
export function writeTriggers(
  db: Handle,
  { key, account }: { key: number; account: number },
  sources: readonly string[],
): void {
  db.prepare('delete from triggers where pipeline = ?').run(key);
  const insert = db.prepare('insert into triggers (account, source, pipeline) values (?, ?, ?)');
  for (const source of sources) insert.run(account, source, key);
}

/** All that would run a pipeline which is removed: another may get its key. */
export function removeTriggers(db: Handle, pipeline: number): void {
  for (const table of ['crons', 'triggers', 'triggered'])
    db.prepare(`delete from ${table} where pipeline = ?`).run(pipeline);
}

/** Notes the runs that are owed now that a job has completed. False: none is. */
export function oweTriggered(
  db: Handle,
  { key, account, pipeline }: { key: number; account: number; pipeline: string },
): boolean {
  const { changes } = db
    .prepare(
      `insert into triggered (pipeline, job)
       select pipeline, ? from triggers where account = ? and source = ? order by pipeline`,
    )
    .run(key, account, pipeline);
  return changes > 0;
}

/** Whether this run is still owed. */
export function triggeredStands(db: Handle, key: number): boolean {
  return db.prepare('select 1 from triggered where key = ?').get(key) !== undefined;
}

/** The run is owed no more: it was submitted, or (with an error) it never will be. */
export function takeTriggered(db: Handle, key: number, error: string | null): void {
  const row = db.prepare('delete from triggered where key = ? returning pipeline').get(key) as
    | { pipeline: number }
    | undefined;
  if (row)
    db.prepare(
      'update pipelines set trigger_error = @error where key = @pipeline and trigger_error is not @error',
    ).run({ error, pipeline: row.pipeline });
}

function dueTriggers(db: Handle, limit: number, maxBytes: number): DueTrigger[] {
  const rows = db
    .prepare(
      `select t.key, a.id as account, p.name, j.pipeline, j.uuid, j.depth,
       (select ifnull(sum(n.result_bytes), 0) from job_nodes n where n.job = t.job and n.in_results = 1) as bytes
       from triggered t join pipelines p on p.key = t.pipeline join jobs j on j.key = t.job
       join accounts a on a.key = p.account order by t.key limit ?`,
    )
    .iterate(limit) as Iterable<{
    key: number;
    account: string;
    name: string;
    pipeline: string;
    uuid: string;
    depth: number;
    bytes: number;
  }>;
  const due: DueTrigger[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += row.bytes;
    if (due.length > 0 && bytes > maxBytes) break;
    due.push({
      key: row.key,
      accountId: row.account,
      pipelineName: row.name,
      jobId: jobId(row.pipeline, row.uuid),
      depth: row.depth,
      resultBytes: row.bytes,
    });
  }
  return due;
}
