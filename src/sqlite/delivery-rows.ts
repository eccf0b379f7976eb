import type { AttemptOutcome, Delivery } from '../delivery.js';
import { jobId, parseJobId } from '../job.js';
import type { DeliveryFilter, Page } from '../store.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import type { DeliverySqlRow } from './lanes.js';

export interface AttemptRow {
  number: number;
  started_at: number;
  duration_ms: number;
  outcome: AttemptOutcome;
  status_code: number | null;
  response_snippet: string | null;
  request_headers: string;
}

export type ShownRow = DeliverySqlRow & {
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

export function deliveryOf(accountId: string, row: ShownRow): Delivery {
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

export function findDelivery(db: Handle, accountId: string, id: string, at: number): Delivery | null {
  const row = db
    .prepare(`${FROM} where d.id = @id and d.account = @account`)
    .get({ id, account: accountKey(db, accountId), at }) as ShownRow | undefined;
  return row ? deliveryOf(accountId, row) : null;
}

export function deliveriesQuery(filter: DeliveryFilter, page: Page): string {
  const where = ['d.account = @account'];
  if (filter.statuses) where.push(`${SHOWN} in (select value from json_each(@statuses))`);
  if (filter.webhookId !== undefined) where.push('d.target = @target');
  if (filter.jobId !== undefined) where.push('d.job = @job');
  if (filter.eventTypes) where.push('d.type in (select value from json_each(@types))');
  if (filter.sources) where.push('t.source in (select value from json_each(@sources))');
  if (filter.attempted) where.push('d.attempts > 0');
  if (page.after !== null) where.push('d.key > @after');
  if (page.before !== null) where.push('d.key < @before');
  return `${FROM} where ${where.join(' and ')} order by d.key ${page.inverted ? 'desc' : 'asc'} limit @limit`;
}

export function deliveriesParameters(
  db: Handle,
  accountId: string,
  filter: DeliveryFilter,
  page: Page,
  at: number,
) {
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
    sources: JSON.stringify(filter.sources ?? []),
    after: keyIn('deliveries', 'id', page.after),
    before: keyIn('deliveries', 'id', page.before),
    limit: page.limit,
  };
}
