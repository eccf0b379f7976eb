import { scheduleOf } from '../delivery.js';
import type { LoggedEvent } from '../event.js';
import type { Ids } from '../id.js';
import type { Deliveries, DueDelivery } from '../store.js';
import type { HttpHeader } from '../webhook.js';
import type { Handle } from './database.js';
import { end } from './delivery-attempts.js';
import { EVENT_COLUMNS, type EventRow, eventOf } from './feed.js';
import { resultItems } from './jobs.js';
import { type DeliverySqlRow, type LaneSqlRow, refreshUrl, type TargetSqlRow } from './lanes.js';

export interface UrlRow {
  key: number;
  account: number;
  cooling_until: number | null;
  probing: number;
}

type LaneClaim = Parameters<Deliveries['claimLanes']>[0];

/** Leases what is due of one URL: one lane at a time while it is probed after a cool-down. */
export function claimUrl(db: Handle, ids: Ids, url: UrlRow, claim: LaneClaim, room: number): DueDelivery[] {
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

export function lease(db: Handle, lane: LaneSqlRow, token: string, until: number): void {
  lane.token = token;
  db.prepare('update lanes set token = ?, lease_expires_at = ? where key = ?').run(token, until, lane.key);
}

/** All that the body and the call of a delivery are made of. */
export function describe(
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
