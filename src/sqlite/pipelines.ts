import type { Ids } from '../id.js';
import type { JobType } from '../job.js';
import { MAX_PIPELINES, MAX_VERSION_BYTES, MAX_VERSIONS, type Pipeline } from '../pipeline.js';
import type { PipelineSave, PipelineSaved, Pipelines } from '../store.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { addUse, bytesOf, noRoom } from './usage.js';

interface PipelineSqlRow {
  key: number;
  id: string;
  account: number;
  name: string;
  version: number;
  description: string | null;
  tags: string;
  created_at: number;
  modified_at: number;
}

function pipelineOf(accountId: string, row: PipelineSqlRow): Pipeline {
  return {
    id: row.id,
    accountId,
    name: row.name,
    version: row.version,
    description: row.description,
    tags: JSON.parse(row.tags) as string[],
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
  };
}

const SELECT = 'select * from pipelines where account = (select key from accounts where id = @account)';

/** Rows of one look at the jobs that run: about a millisecond. */
const LOOKED_AT = 500;
/** Experiment, held and key of a running job. */
type Place = [string | Buffer, number, number];
/** Behind all of them: SQLite orders bytes behind every text. */
const START: Place = [Buffer.alloc(0), 0, 0];
/** Jobs that are made of what is stored. */
const STORED: readonly JobType[] = ['stored', 'cron', 'trigger'];

export function pipelinesOf(db: Handle, commits: GroupCommit, ids: Ids): Pipelines {
  const find = (accountId: string, name: string) =>
    db.prepare(`${SELECT} and name = @name`).get({ account: accountId, name }) as PipelineSqlRow | undefined;
  return {
    savePipeline: (save) => commits.run(() => savePipeline(db, ids, find(save.accountId, save.name), save)),

    async pipeline(accountId, name) {
      const row = find(accountId, name);
      return row ? pipelineOf(accountId, row) : null;
    },

    async pipelineById(accountId, id) {
      const row = db.prepare(`${SELECT} and id = @id`).get({ account: accountId, id }) as
        | PipelineSqlRow
        | undefined;
      return row ? pipelineOf(accountId, row) : null;
    },

    async pipelines(accountId, { after, before, inverted, limit }) {
      const rows = db
        .prepare(
          `${SELECT} and name > ifnull(@after, '') and (@before is null or name < @before)
           order by name ${inverted ? 'desc' : 'asc'} limit @limit`,
        )
        .all({ account: accountId, after, before, limit }) as PipelineSqlRow[];
      return rows.map((row) => pipelineOf(accountId, row));
    },

    async pipelineDescriptor(accountId, name, version) {
      const row = find(accountId, name);
      if (!row) return null;
      const found = db
        .prepare('select version, descriptor from pipeline_versions where pipeline = ? and version = ?')
        .get(row.key, version ?? row.version) as { version: number; descriptor: string } | undefined;
      return found ?? null;
    },

    async pipelineVersions(accountId, name, { after, before, inverted, limit }) {
      const row = find(accountId, name);
      if (!row) return [];
      const rows = db
        .prepare(
          `select version, created_at as createdAt from pipeline_versions where pipeline = @pipeline
           and (@after is null or version < @after) and (@before is null or version > @before)
           order by version ${inverted ? 'asc' : 'desc'} limit @limit`,
        )
        .all({ pipeline: row.key, after: numberOf(after), before: numberOf(before), limit }) as {
        version: number;
        createdAt: number;
      }[];
      return rows.map((one) => ({ pipelineName: name, ...one }));
    },

    deletePipeline: (accountId, name) =>
      commits.run(() => {
        const row = find(accountId, name);
        if (!row) return null;
        const { bytes } = db
          .prepare('select sum(octet_length(descriptor)) as bytes from pipeline_versions where pipeline = ?')
          .get(row.key) as { bytes: number };
        db.prepare('delete from pipeline_versions where pipeline = ?').run(row.key);
        db.prepare('delete from pipelines where key = ?').run(row.key);
        addUse(db, row.account, -bytes);
        return pipelineOf(accountId, row);
      }),

    async storedRuns(accountId, name, after) {
      const [experiment, held, key] = after === null ? START : (JSON.parse(after) as Place);
      // Backwards: a job that gets a slot goes from held to not held, and is met again.
      const rows = db
        .prepare(
          `select experiment, held, key, uuid, types from jobs indexed by jobs_running
           where account = ? and pipeline = ? and finished_at is null and (experiment, held, key) < (?, ?, ?)
           order by experiment desc, held desc, key desc limit ?`,
        )
        .all(accountKey(db, accountId), name, experiment, held, key, LOOKED_AT) as {
        experiment: string;
        held: number;
        key: number;
        uuid: string;
        types: string;
      }[];
      const last = rows.length === LOOKED_AT ? rows.at(-1)! : null;
      return {
        jobUuids: rows
          .filter(({ types }) => (JSON.parse(types) as JobType[]).some((type) => STORED.includes(type)))
          .map(({ uuid }) => uuid),
        next: last && JSON.stringify([last.experiment, last.held, last.key] satisfies Place),
      };
    },
  };
}

/** The number a place stands for; one that is none stands behind everything. */
function numberOf(place: string | null): number | null {
  return place === null ? null : /^\d{1,15}$/.test(place) ? Number(place) : 0;
}

function savePipeline(
  db: Handle,
  ids: Ids,
  row: PipelineSqlRow | undefined,
  save: PipelineSave,
): PipelineSaved {
  const { accountId, name, descriptor, mode, ifVersion, at } = save;
  if (!row && (mode === 'update' || ifVersion !== null)) return { missing: true };
  if (row && mode === 'create') return { exists: true };
  if (row && ifVersion !== null && ifVersion !== row.version) return { version: row.version };
  if (row && descriptorOf(db, row) === descriptor) return { pipeline: pipelineOf(accountId, row) };

  const account = { key: accountKey(db, accountId)!, id: accountId };
  if (!row) {
    const { count } = db
      .prepare('select count(*) as count from pipelines where account = ?')
      .get(account.key) as { count: number };
    if (count >= MAX_PIPELINES) return { full: count };
  }
  const added = bytesOf([descriptor]);
  const surplus = row ? surplusOf(db, row, added) : { bytes: 0, upTo: 0 };
  const bytes = added - surplus.bytes;
  const full = noRoom(db, account, save.limits, bytes, 0);
  if (full) return { noRoom: full };

  const { description } = save;
  const tags = JSON.stringify(save.tags);
  const written = (
    row
      ? db
          .prepare(
            `update pipelines set version = version + 1, description = ?, tags = ?, modified_at = ?
             where key = ? returning *`,
          )
          .get(description, tags, at, row.key)
      : db
          .prepare(
            `insert into pipelines (id, account, name, version, description, tags, created_at, modified_at)
             values (?, ?, ?, 1, ?, ?, ?, ?) returning *`,
          )
          .get(ids.random('pip'), account.key, name, description, tags, at, at)
  ) as PipelineSqlRow;
  db.prepare(
    'insert into pipeline_versions (pipeline, version, descriptor, created_at) values (?, ?, ?, ?)',
  ).run(written.key, written.version, descriptor, at);
  db.prepare('delete from pipeline_versions where pipeline = ? and version <= ?').run(
    written.key,
    surplus.upTo,
  );
  addUse(db, account.key, bytes);
  return { pipeline: pipelineOf(accountId, written) };
}

function descriptorOf(db: Handle, row: PipelineSqlRow): string {
  const { descriptor } = db
    .prepare('select descriptor from pipeline_versions where pipeline = ? and version = ?')
    .get(row.key, row.version) as { descriptor: string };
  return descriptor;
}

/** The versions that have to go for one of `added` bytes more: those up to a number, and what they take. */
function surplusOf(db: Handle, row: PipelineSqlRow, added: number): { bytes: number; upTo: number } {
  // The lengths alone are read, not the texts.
  const kept = db
    .prepare(
      `select version, octet_length(descriptor) as bytes from pipeline_versions where pipeline = ?
       order by version desc`,
    )
    .all(row.key) as { version: number; bytes: number }[];
  let total = added;
  const first = kept.findIndex(({ bytes }, index) => {
    total += bytes;
    return index + 1 >= MAX_VERSIONS || total > MAX_VERSION_BYTES;
  });
  if (first < 0) return { bytes: 0, upTo: 0 };
  const gone = kept.slice(first);
  return { bytes: gone.reduce((sum, { bytes }) => sum + bytes, 0), upTo: gone[0]!.version };
}
