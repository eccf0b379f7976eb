import type { EventFacts, EventJob, EventType, LoggedEvent, NewEvent } from '../event.js';
import { parseEventId } from '../event.js';
import { isEnded, type JobStatus, jobId, parseJobId } from '../job.js';
import type { EventFilter, EventPage, Feed } from '../store.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import { bytesOf } from './usage.js';

/** A page looks at this many rows for each event it may hold. */
const LOOKED_AT = 10;

/** What an append needs to know of the job. */
export interface AppendJob extends EventJob {
  key: number;
  sequence: number;
}

/** Gives events their places and writes them: inside the transaction of what they tell of. */
export function appendEvents(
  db: Handle,
  account: { key: number; id: string },
  job: AppendJob | null,
  events: readonly NewEvent[],
): LoggedEvent[] {
  if (events.length === 0) return [];
  const facts = events.map((event) => JSON.stringify(event.facts));
  const { head } = db
    .prepare(
      'update accounts set head = head + ?, stored_bytes = stored_bytes + ? where key = ? returning head',
    )
    .get(events.length, bytesOf(facts), account.key) as { head: number };
  const insert = db.prepare(
    'insert into events (account, position, job, sequence, type, occurred_at, facts) values (?, ?, ?, ?, ?, ?, ?)',
  );
  const about: EventJob | null = job && eventJob(job);
  return events.map((event, index) => {
    const position = head - events.length + 1 + index;
    const sequence = job ? job.sequence + 1 + index : null;
    insert.run(account.key, position, job?.key ?? null, sequence, event.type, event.occurredAt, facts[index]);
    return { ...event, accountId: account.id, position, sequence, job: about };
  });
}

function eventJob({ id, number, pipelineName, externalId, tags, createdAt }: EventJob): EventJob {
  return { id, number, pipelineName, externalId, tags, createdAt };
}

export interface EventRow {
  position: number;
  sequence: number | null;
  type: string;
  occurred_at: number;
  facts: string;
  uuid: string | null;
  number: number;
  pipeline: string;
  external_id: string | null;
  tags: string;
  created_at: number;
}

export const EVENT_COLUMNS =
  'e.position, e.sequence, e.type, e.occurred_at, e.facts, j.uuid, j.number, j.pipeline, j.external_id, j.tags, j.created_at';

export function eventOf(accountId: string, row: EventRow): LoggedEvent {
  return {
    accountId,
    position: row.position,
    sequence: row.sequence,
    type: row.type as EventType,
    occurredAt: row.occurred_at,
    facts: JSON.parse(row.facts) as EventFacts,
    job:
      row.uuid === null
        ? null
        : {
            id: jobId(row.pipeline, row.uuid),
            number: row.number,
            pipelineName: row.pipeline,
            externalId: row.external_id,
            tags: JSON.parse(row.tags) as string[],
            createdAt: row.created_at,
          },
  };
}

export function feedOf(db: Handle): Feed {
  const bounds = (account: number) =>
    db.prepare('select head, tail from accounts where key = ?').get(account) as {
      head: number;
      tail: number;
    };
  return {
    async events(accountId, filter, after, limit): Promise<EventPage> {
      const account = accountKey(db, accountId);
      if (account === null) return { events: [], through: after, head: 0, tail: 0 };
      const { head, tail } = bounds(account);
      const through = Math.min(head, after + limit * LOOKED_AT);
      const rows = db
        .prepare(
          `select ${EVENT_COLUMNS} from events e left join jobs j on j.key = e.job
           where e.account = @account and e.position > @after and e.position <= @through
             and (@types is null or e.type in (select value from json_each(@types)))
             and (@jobs is null or j.pipeline || ':' || j.uuid in (select value from json_each(@jobs)))
             and (@pipelines is null or j.pipeline in (select value from json_each(@pipelines)))
             and (@tags is null or exists (
               select 1 from json_each(j.tags) t where t.value in (select value from json_each(@tags))))
             and (@webhooks is null or e.facts ->> 'webhookId' in (select value from json_each(@webhooks)))
           order by e.position limit @limit`,
        )
        .all({ account, after, through, limit, ...filterParameters(filter) }) as EventRow[];
      const events = rows.map((row) => eventOf(accountId, row));
      return {
        events,
        through: rows.length === limit ? (rows.at(-1)?.position ?? after) : through,
        head,
        tail,
      };
    },
    async jobEvents(accountId, id, types, after, limit) {
      const account = accountKey(db, accountId);
      const parts = parseJobId(id);
      if (account === null || !parts) return null;
      // First: what another process writes meanwhile is behind the head, and in a page to come.
      const { head, tail } = bounds(account);
      const job = jobByUuid(db, parts.uuid);
      if (job?.account !== account || job.pipeline !== parts.pipelineName) return null;
      const rows = db
        .prepare(
          `select ${EVENT_COLUMNS} from events e join jobs j on j.key = e.job
           where e.job = @job and e.position > @after and e.position <= @head
             and (@types is null or e.type in (select value from json_each(@types)))
           order by e.position limit @limit`,
        )
        .all({
          job: job.key,
          after,
          head,
          limit,
          types: types === null ? null : JSON.stringify(types),
        }) as EventRow[];
      // A page that is not full has looked at everything there was, of other jobs too.
      const through = rows.length === limit ? (rows.at(-1)?.position ?? after) : Math.max(after, head);
      const ended = isEnded(job.status as JobStatus) && through >= job.position;
      return { events: rows.map((row) => eventOf(accountId, row)), through, ended, head, tail };
    },
    async jobHistory(accountId, id, limit) {
      const account = accountKey(db, accountId);
      const parts = parseJobId(id);
      const job = parts && jobByUuid(db, parts.uuid);
      if (!job || job.account !== account || job.pipeline !== parts.pipelineName) return [];
      // Word for word the condition of the index: a job of a million tasks has as many events that are none of these.
      const rows = db
        .prepare(
          `select ${EVENT_COLUMNS} from events e indexed by events_history join jobs j on j.key = e.job
           where e.job = ? and e.type in ('JOB_PENDING', 'JOB_PAUSED', 'JOB_RESUMED', 'JOB_CANCELLED')
           order by e.position desc limit ?`,
        )
        .all(job.key, limit) as EventRow[];
      return rows.map((row) => eventOf(accountId, row));
    },
    async event(accountId, id) {
      const account = accountKey(db, accountId);
      const place = parseEventId(id, accountId);
      if (account === null || place === null) return null;
      const row = db
        .prepare(
          `select ${EVENT_COLUMNS} from events e left join jobs j on j.key = e.job
           where e.account = ? and e.position = ? and e.occurred_at = ?`,
        )
        .get(account, place.position, place.occurredAt) as EventRow | undefined;
      return row ? eventOf(accountId, row) : null;
    },
  };
}

function jobByUuid(db: Handle, uuid: string) {
  return db.prepare('select key, account, pipeline, status, position from jobs where uuid = ?').get(uuid) as
    | { key: number; account: number; pipeline: string; status: string; position: number }
    | undefined;
}

function filterParameters(filter: EventFilter) {
  const list = (values: readonly string[] | undefined) =>
    values === undefined ? null : JSON.stringify(values);
  return {
    types: list(filter.types),
    jobs: list(filter.jobIds),
    pipelines: list(filter.pipelines),
    tags: list(filter.tags),
    webhooks: list(filter.webhookIds),
  };
}
