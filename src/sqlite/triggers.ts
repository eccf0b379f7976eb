import { jobId } from '../job.js';
import type { DueTrigger, Triggering } from '../store.js';
import { MAX_OWED_RUNS, TOO_MANY_OWED } from '../triggers.js';
import { accountKey } from './accounts.js';
import { advanceCron, cronStands, cronState, dueCronsOf } from './crons.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { type JobSqlRow, jobOf, jobRow } from './jobs.js';

/** As many as a picture of them can show; more pairs take more than a few milliseconds. */
const MAX_EDGES = 10_000;

export function triggeringOf(db: Handle, commits: GroupCommit): Triggering {
  return {
    dueCrons: dueCronsOf(db),
    skipCron: (run, lastError) =>
      commits.run(() => {
        if (!cronStands(db, run)) return false;
        advanceCron(db, run, { lastJob: null, lastError });
        return true;
      }),
    cron: async (accountId, pipelineName) => cronState(db, accountId, pipelineName),
    dueTriggers: dueTriggersOf(db),
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

/**
 * Notes the runs that are owed now that a job has completed; those above MAX_OWED_RUNS are refused here. False: none is
 * owed.
 */
export function oweTriggered(
  db: Handle,
  { key, account, pipeline }: { key: number; account: number; pipeline: string },
): boolean {
  const followers = db
    .prepare('select pipeline from triggers where account = ? and source = ? order by pipeline')
    .pluck()
    .all(account, pipeline) as number[];
  if (followers.length === 0) return false;
  const { owed } = db
    .prepare('select count(*) as owed from (select 1 from triggered where account = ? limit ?)')
    .get(account, MAX_OWED_RUNS) as { owed: number };
  const room = MAX_OWED_RUNS - owed;
  const owe = db.prepare('insert into triggered (account, pipeline, job) values (?, ?, ?)');
  for (const follower of followers.slice(0, room)) owe.run(account, follower, key);
  for (const follower of followers.slice(room)) noteError(db, follower, TOO_MANY_OWED);
  return room > 0;
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
  if (row) noteError(db, row.pipeline, error);
}

function noteError(db: Handle, pipeline: number, error: string | null): void {
  db.prepare(
    'update pipelines set trigger_error = @error where key = @pipeline and trigger_error is not @error',
  ).run({ error, pipeline });
}

interface DueSqlRow {
  key: number;
  account: string;
  name: string;
  pipeline: string;
  uuid: string;
  depth: number;
  bytes: number;
}

/** The oldest run of each account first, those of the next accounts each time: nobody waits for another's backlog. */
function dueTriggersOf(db: Handle): Triggering['dueTriggers'] {
  let served = 0;
  const oldest = db.prepare(
    `select t.key, a.id as account, p.name, j.pipeline, j.uuid, j.depth,
     (select ifnull(sum(n.result_bytes), 0) from job_nodes n where n.job = t.job and n.in_results = 1) as bytes
     from triggered t join pipelines p on p.key = t.pipeline join jobs j on j.key = t.job
     join accounts a on a.key = t.account where t.account = ? order by t.key limit ?`,
  );
  return async (limit, maxBytes) => {
    const accounts = owing(db, served, limit);
    const each = Math.ceil(limit / Math.max(accounts.length, 1));
    const queues = accounts.map((account) => ({ account, rows: oldest.all(account, each) as DueSqlRow[] }));
    const due: DueTrigger[] = [];
    let bytes = 0;
    for (let turn = 0; turn < each; turn++) {
      for (const { account, rows } of queues) {
        const row = rows[turn];
        if (!row) continue;
        bytes += row.bytes;
        if (due.length === limit || (due.length > 0 && bytes > maxBytes)) return due;
        if (turn === 0) served = account;
        due.push(dueOf(row));
      }
    }
    return due;
  };
}

/** Accounts that are owed runs, each once: those after one, and round again. */
function owing(db: Handle, after: number, limit: number): number[] {
  const next = db.prepare('select min(account) from triggered where account > ?').pluck();
  const found: number[] = [];
  for (let place = after; found.length < limit; ) {
    const account = (next.get(place) ?? next.get(0)) as number | null;
    if (account === null || found.includes(account)) break;
    found.push(account);
    place = account;
  }
  return found;
}

function dueOf({ key, account, name, pipeline, uuid, depth, bytes }: DueSqlRow): DueTrigger {
  return {
    key,
    accountId: account,
    pipelineName: name,
    jobId: jobId(pipeline, uuid),
    depth,
    resultBytes: bytes,
  };
}
