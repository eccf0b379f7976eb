import {
  type AttemptOutcome,
  type Delivery,
  type DeliveryAttempt,
  nextTryAt,
  scheduleOf,
} from '../delivery.js';
import type { LoggedEvent } from '../event.js';
import type { Ids } from '../id.js';
import { jobId, parseJobId } from '../job.js';
import type { AttemptRecord, Deliveries, DeliveryFilter, DueDelivery, Page } from '../store.js';
import type { HttpHeader } from '../webhook.js';
import { accountKey } from './accounts.js';
import type { Committer } from './committer.js';
import type { Handle } from './database.js';
import { EVENT_COLUMNS, type EventRow, eventOf } from './feed.js';
import type { GroupCommit } from './group-commit.js';
import { resultItems } from './jobs.js';
import {
  cancelTarget,
  coolDown,
  type DeliverySqlRow,
  endWaiting,
  insertDelivery,
  insertLane,
  type LaneSqlRow,
  moveOn,
  refreshUrl,
  releaseHold,
  type TargetSqlRow,
} from './lanes.js';

/** More than any schedule has: what stands there is not tried again. */
const LAST_TRY = 1_000;

interface UrlRow {
  key: number;
  account: number;
  cooling_until: number | null;
  probing: number;
}

export function deliveriesOf(db: Handle, commits: GroupCommit, committer: Committer, ids: Ids): Deliveries {
  return {
    claimLanes: (claim) =>
      commits.run(() => {
        const due: DueDelivery[] = [];
        const urls = db
          .prepare(
            'select key, account, cooling_until, probing from urls where due_at <= ? order by due_at limit 200',
          )
          .all(claim.at) as UrlRow[];
        for (const url of urls) {
          if (due.length >= claim.max) break;
          if (url.cooling_until !== null && url.cooling_until > claim.at) {
            refreshUrl(db, url.key);
            continue;
          }
          due.push(...claimUrl(db, ids, url, claim, claim.max - due.length));
        }
        return due;
      }),

    async nextDueAt() {
      return (
        db.prepare('select min(due_at) as due from urls where due_at is not null').get() as {
          due: number | null;
        }
      ).due;
    },

    recordAttempt: (record, fraction, at) =>
      commits.run(() => {
        const delivery = db.prepare('select * from deliveries where id = ?').get(record.deliveryId) as
          | DeliverySqlRow
          | undefined;
        if (!delivery) return false;
        const lane = db.prepare('select * from lanes where key = ?').get(delivery.lane) as
          | LaneSqlRow
          | undefined;
        if (lane && lane.token !== record.token) return false;
        writeAttempt(db, delivery, record);
        if (lane) settle(db, lane, delivery, record.outcome, fraction, at);
        return true;
      }),

    releaseLanes: () =>
      commits.run(() => {
        const rows = db
          .prepare(
            'update lanes set token = null, lease_expires_at = null where token is not null returning url',
          )
          .all() as { url: number }[];
        for (const { url } of rows) refreshUrl(db, url);
      }),

    startPing: (accountId, webhookId, leaseMs, at) =>
      committer.run((unit) => {
        const account = { key: accountKey(db, accountId) ?? 0, id: accountId };
        const target = db
          .prepare(
            "select * from targets where account = ? and id = ? and source = 'REGISTERED' and deleted_at is null",
          )
          .get(account.key, webhookId) as TargetSqlRow | undefined;
        if (!target) return null;
        const status = target.enabled === 1 ? 'ENABLED' : 'DISABLED';
        unit.append(account, null, [
          { type: 'WEBHOOK_PING', occurredAt: at, facts: { of: 'webhook', webhookId, status, reason: null } },
        ]);
        const event = unit.committed.events[0]!;
        const delivery = insertDelivery(db, ids, target, null, event, 'EVENT');
        // One call and no other: a ping answers the question of now.
        db.prepare('update deliveries set tries = ? where key = ?').run(LAST_TRY, delivery.key);
        const lane = insertLane(db, target, delivery, {
          target: target.key,
          job: 0,
          solo: delivery.key,
          dueAt: at,
        });
        lease(db, lane, ids.bytes(12).toString('base64url'), at + leaseMs);
        return {
          due: describe(db, lane, { ...delivery, lane: lane.key }, event, 0),
          committed: unit.committed,
        };
      }),

    resend: (accountId, id, at) =>
      commits.run(() => {
        const delivery = db
          .prepare('select * from deliveries where id = ? and account = ?')
          .get(id, accountKey(db, accountId)) as DeliverySqlRow | undefined;
        if (!delivery) return null;
        const lane = db.prepare('select * from lanes where key = ?').get(delivery.lane) as
          | LaneSqlRow
          | undefined;
        if (lane && lane.head === delivery.key && lane.token !== null) return 'IN_FLIGHT' as const;
        const target = db.prepare('select * from targets where key = ?').get(delivery.target) as TargetSqlRow;
        db.prepare(
          "update deliveries set status = 'PENDING', lane = null, tries = 0, since = ?, next_attempt_at = ? where key = ?",
        ).run(at, at, delivery.key);
        if (lane?.head === delivery.key) moveOn(db, lane, at);
        const made = insertLane(db, target, delivery, {
          target: target.key,
          job: delivery.job ?? 0,
          solo: delivery.key,
          dueAt: target.enabled && target.deleted_at === null ? at : null,
        });
        refreshUrl(db, made.url);
        return find(db, accountId, id, at);
      }),

    delivery: async (accountId, id, at) => find(db, accountId, id, at),

    async deliveries(accountId, filter, page, at) {
      const rows = db
        .prepare(deliveriesQuery(filter, page))
        .all(deliveriesParameters(db, accountId, filter, page, at)) as ShownRow[];
      return rows.map((row) => deliveryOf(accountId, row, at));
    },

    async attempts(accountId, id): Promise<DeliveryAttempt[]> {
      const rows = db
        .prepare(
          `select a.* from attempts a join deliveries d on d.key = a.delivery where d.id = ? and d.account = ? order by a.number`,
        )
        .all(id, accountKey(db, accountId)) as AttemptRow[];
      return rows.map((row) => ({
        deliveryId: id,
        number: row.number,
        startedAt: row.started_at,
        durationMs: row.duration_ms,
        outcome: row.outcome,
        statusCode: row.status_code,
        responseSnippet: row.response_snippet,
        requestHeaders: JSON.parse(row.request_headers) as HttpHeader[],
      }));
    },
  };
}

// ── Claiming ────────────────────────────────────────────────────────────────────────────────────────

type LaneClaim = Parameters<Deliveries['claimLanes']>[0];

function claimUrl(db: Handle, ids: Ids, url: UrlRow, claim: LaneClaim, room: number): DueDelivery[] {
  const probing = url.probing === 1 || url.cooling_until !== null;
  if (url.cooling_until !== null) {
    db.prepare('update urls set cooling_until = null, probing = 1 where key = ?').run(url.key);
  }
  // A lease that has ended belongs to a dispatcher that is gone; what it sent may be sent again.
  db.prepare(
    'update lanes set token = null, lease_expires_at = null where url = ? and token is not null and lease_expires_at <= ?',
  ).run(url.key, claim.at);
  const { busy } = db
    .prepare('select count(*) as busy from lanes where url = ? and token is not null')
    .get(url.key) as { busy: number };
  const limit = Math.min(room, (probing ? 1 : claim.maxPerUrl) - busy);
  const due: DueDelivery[] = [];
  const order = probing ? 'value desc, due_at, key' : 'due_at, key';
  while (due.length < limit) {
    const lane = db
      .prepare(
        `select * from lanes where url = ? and due_at <= ? and token is null order by ${order} limit 1`,
      )
      .get(url.key, claim.at) as LaneSqlRow | undefined;
    if (!lane) break;
    const delivery = db.prepare('select * from deliveries where key = ?').get(lane.head) as DeliverySqlRow;
    if (claim.at >= delivery.since + scheduleOf(delivery.class).maxAgeMs) {
      end(db, lane, delivery, 'EXHAUSTED', claim.at);
      continue;
    }
    lease(db, lane, ids.bytes(12).toString('base64url'), claim.at + claim.leaseMs);
    due.push(describe(db, lane, delivery, loadEvent(db, delivery), claim.maxResultBytes));
  }
  refreshUrl(db, url.key);
  // Nothing more of this URL until one of its calls has ended: recordAttempt puts it back.
  if (busy + due.length >= (probing ? 1 : claim.maxPerUrl))
    db.prepare('update urls set due_at = null where key = ?').run(url.key);
  return due;
}

function lease(db: Handle, lane: LaneSqlRow, token: string, until: number): void {
  lane.token = token;
  db.prepare('update lanes set token = ?, lease_expires_at = ? where key = ?').run(token, until, lane.key);
}

function describe(
  db: Handle,
  lane: LaneSqlRow,
  delivery: DeliverySqlRow,
  event: LoggedEvent,
  maxResultBytes: number,
): DueDelivery {
  const target = db
    .prepare(
      'select t.*, ifnull(t.secret, a.webhook_secret) as secret, a.id as account_id from targets t join accounts a on a.key = t.account where t.key = ?',
    )
    .get(delivery.target) as TargetSqlRow & { secret: string; account_id: string };
  let results: DueDelivery['results'] = null;
  if (event.type === 'JOB_COMPLETED' && delivery.job !== null) {
    const found = resultItems(
      db,
      { key: delivery.job, status: 'COMPLETED' },
      0,
      Number.POSITIVE_INFINITY,
      maxResultBytes,
    );
    results = {
      items: found.whole ? found.items : null,
      bytes: found.whole ? found.bytes : resultBytes(db, delivery.job),
    };
  }
  return {
    deliveryId: delivery.id,
    token: lane.token!,
    accountId: target.account_id,
    webhookId: target.id,
    url: target.url,
    format: target.format,
    headers: JSON.parse(target.headers) as HttpHeader[],
    timeoutMs: target.timeout_ms,
    secret: target.secret,
    event,
    part: delivery.part,
    number: delivery.attempts + 1,
    results,
  };
}

/** Size of all results of a job, where they are too many to carry. */
function resultBytes(db: Handle, job: number): number {
  const { size } = db
    .prepare(
      `select ifnull(sum(length(r.value)), 0) as size from task_results r
       join job_nodes n on n.job = r.job and n.node = r.node where r.job = ? and n.in_results = 1`,
    )
    .get(job) as { size: number };
  return size;
}

function loadEvent(db: Handle, delivery: DeliverySqlRow): LoggedEvent {
  const row = db
    .prepare(
      `select ${EVENT_COLUMNS}, a.id as account_id from events e left join jobs j on j.key = e.job
       join accounts a on a.key = e.account where e.account = ? and e.position = ?`,
    )
    .get(delivery.account, delivery.position) as EventRow & { account_id: string };
  return eventOf(row.account_id, row);
}

// ── Recording ───────────────────────────────────────────────────────────────────────────────────────

function writeAttempt(db: Handle, delivery: DeliverySqlRow, record: AttemptRecord): void {
  db.prepare(
    `insert into attempts (delivery, number, started_at, duration_ms, outcome, status_code, response_snippet, request_headers)
     values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
  ).run(
    delivery.key,
    record.number,
    record.startedAt,
    record.durationMs,
    record.outcome,
    record.statusCode,
    record.responseSnippet,
    JSON.stringify(record.requestHeaders),
  );
  db.prepare(
    'update deliveries set attempts = ?, tries = tries + 1, body_bytes = ?, body_sha256 = ? where key = ?',
  ).run(record.number, record.bodyBytes, record.bodySha256, delivery.key);
  delivery.tries++;
  if (record.body === null) db.prepare('delete from delivery_bodies where delivery = ?').run(delivery.key);
  else {
    db.prepare(
      'insert into delivery_bodies (delivery, body) values (?, ?) on conflict (delivery) do update set body = excluded.body',
    ).run(delivery.key, record.body);
  }
}

function settle(
  db: Handle,
  lane: LaneSqlRow,
  delivery: DeliverySqlRow,
  outcome: AttemptOutcome,
  fraction: number,
  at: number,
): void {
  const delivered = outcome === 'DELIVERED';
  db.prepare(
    'update targets set consecutive_failures = case when ? then 0 else consecutive_failures + 1 end where key = ?',
  ).run(Number(delivered), delivery.target);
  if (outcome === 'TIMEOUT') coolDown(db, lane.url, at);
  else db.prepare('update urls set probing = 0 where key = ?').run(lane.url);

  const next = delivered ? null : nextTryAt(delivery.class, delivery.tries, delivery.since, at, fraction);
  if (delivered || next === null) {
    end(db, lane, delivery, delivered ? 'DELIVERED' : 'EXHAUSTED', at);
  } else if (outcome === 'GONE' && !disable(db, delivery.target)) {
    endJobUrl(db, lane, delivery, at);
  } else {
    retry(db, lane, delivery, next, at);
  }
  endWaiting(db, delivery.key, at);
}

/** 410 on a registered webhook disables it; false for any other target. */
function disable(db: Handle, target: number): boolean {
  const { changes } = db
    .prepare(
      "update targets set enabled = 0, status_reason = 'the receiver answered 410 Gone' where key = ? and source = 'REGISTERED'",
    )
    .run(target);
  if (changes === 0) return false;
  const urls = db.prepare('update lanes set due_at = null where target = ? returning url').all(target) as {
    url: number;
  }[];
  for (const { url } of urls) refreshUrl(db, url);
  return true;
}

/** 410 on a job's URL ends all that the job still had for it. */
function endJobUrl(db: Handle, lane: LaneSqlRow, delivery: DeliverySqlRow, at: number): void {
  end(db, lane, delivery, 'EXHAUSTED', at);
  const targets = db
    .prepare(
      'select b.key from targets a join targets b on b.job = a.job and b.url_key = a.url_key where a.key = ?',
    )
    .all(delivery.target) as { key: number }[];
  for (const { key } of targets) cancelTarget(db, key);
}

function end(
  db: Handle,
  lane: LaneSqlRow,
  delivery: DeliverySqlRow,
  status: 'DELIVERED' | 'EXHAUSTED',
  at: number,
): void {
  db.prepare('update deliveries set status = ?, lane = null, next_attempt_at = null where key = ?').run(
    status,
    delivery.key,
  );
  moveOn(db, lane, at);
}

function retry(db: Handle, lane: LaneSqlRow, delivery: DeliverySqlRow, next: number, at: number): void {
  db.prepare("update deliveries set status = 'RETRYING', next_attempt_at = ? where key = ?").run(
    next,
    delivery.key,
  );
  const { enabled } = db.prepare('select enabled from targets where key = ?').get(delivery.target) as {
    enabled: number;
  };
  // Newer progress that came while this was in flight takes its place now.
  const newer =
    delivery.class === 'PROGRESS' &&
    db
      .prepare(
        "select 1 from deliveries where lane = ? and key > ? and ((class = 'PROGRESS' and subject = ? and type = ?) or type in ('JOB_COMPLETED', 'JOB_FAILED', 'JOB_CANCELLED')) limit 1",
      )
      .get(lane.key, delivery.key, delivery.subject, delivery.type);
  if (newer) {
    db.prepare(
      "update deliveries set status = 'SUPERSEDED', lane = null, next_attempt_at = null where key = ?",
    ).run(delivery.key);
    moveOn(db, lane, at);
    return;
  }
  db.prepare(
    'update lanes set due_at = ?, held_since = ifnull(held_since, ?), token = null, lease_expires_at = null where key = ?',
  ).run(enabled ? next : null, at, lane.key);
  refreshUrl(db, lane.url);
  releaseHold(db, lane.key, at);
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

interface AttemptRow {
  number: number;
  started_at: number;
  duration_ms: number;
  outcome: AttemptOutcome;
  status_code: number | null;
  response_snippet: string | null;
  request_headers: string;
}

type ShownRow = DeliverySqlRow & {
  url: string;
  format: Delivery['format'];
  source: Delivery['source'];
  webhook: string | null;
  uuid: string | null;
  pipeline: string;
  body: string | null;
  shown: Delivery['status'];
  due: number | null;
};

// HELD and IN_FLIGHT are read off the lane, the URL and the webhook, so that no row has to change when they do.
const SHOWN = `case
    when d.lane is null then d.status
    when l.token is not null and l.head = d.key then 'IN_FLIGHT'
    when t.enabled = 0 or ifnull(u.cooling_until, 0) > @at then 'HELD'
    else d.status end`;

const FROM = `select d.*, t.url, t.format, t.source, case when t.deleted_at is null then t.id end as webhook, j.uuid, j.pipeline, b.body,
    case when l.head = d.key then max(l.due_at, ifnull(u.cooling_until, 0)) end as due, ${SHOWN} as shown
  from deliveries d join targets t on t.key = d.target left join lanes l on l.key = d.lane left join urls u on u.key = l.url
  left join jobs j on j.key = d.job left join delivery_bodies b on b.delivery = d.key`;

function deliveryOf(accountId: string, row: ShownRow, _at: number): Delivery {
  return {
    id: row.id,
    accountId,
    url: row.url,
    format: row.format,
    source: row.source,
    webhookId: row.webhook,
    eventPosition: row.position,
    part: row.part,
    jobId: row.uuid === null ? null : jobId(row.pipeline, row.uuid),
    status: row.shown,
    nextAttemptAt: row.shown === 'IN_FLIGHT' ? null : row.due,
    body: row.body,
    bodyBytes: row.body_bytes,
    bodySha256: row.body_sha256,
  };
}

function find(db: Handle, accountId: string, id: string, at: number): Delivery | null {
  const row = db
    .prepare(`${FROM} where d.id = @id and d.account = @account`)
    .get({ id, account: accountKey(db, accountId), at }) as ShownRow | undefined;
  return row ? deliveryOf(accountId, row, at) : null;
}

function deliveriesQuery(filter: DeliveryFilter, page: Page): string {
  const where = ['d.account = @account'];
  if (filter.statuses) where.push(`${SHOWN} in (select value from json_each(@statuses))`);
  if (filter.webhookId !== undefined) where.push('d.target = @target');
  if (filter.jobId !== undefined) where.push('d.job = @job');
  if (filter.eventTypes) where.push('d.type in (select value from json_each(@types))');
  if (page.after !== null) where.push('d.key > @after');
  if (page.before !== null) where.push('d.key < @before');
  return `${FROM} where ${where.join(' and ')} order by d.key ${page.inverted ? 'desc' : 'asc'} limit @limit`;
}

function deliveriesParameters(db: Handle, accountId: string, filter: DeliveryFilter, page: Page, at: number) {
  const account = accountKey(db, accountId) ?? 0;
  const keyIn = (table: string, column: string, id: string | null | undefined) =>
    id === null || id === undefined
      ? 0
      : ((
          db.prepare(`select key from ${table} where ${column} = ? and account = ?`).get(id, account) as
            | { key: number }
            | undefined
        )?.key ?? -1);
  return {
    account,
    at,
    statuses: JSON.stringify(filter.statuses ?? []),
    target: keyIn('targets', 'id', filter.webhookId),
    job: keyIn('jobs', 'uuid', filter.jobId === undefined ? null : (parseJobId(filter.jobId)?.uuid ?? '')),
    types: JSON.stringify(filter.eventTypes ?? []),
    after: keyIn('deliveries', 'id', page.after),
    before: keyIn('deliveries', 'id', page.before),
    limit: page.limit,
  };
}
