import { scheduleOf } from '../delivery.js';
import type { LoggedEvent } from '../event.js';
import type { Ids } from '../id.js';
import type { Deliveries, DueDelivery } from '../store.js';
import type { HttpHeader } from '../webhook.js';
import type { Handle } from './database.js';
import { end } from './delivery-attempts.js';
import { EVENT_COLUMNS, type EventRow, eventOf } from './feed.js';
import { resultItems } from './jobs.js';
import { type DeliverySqlRow, type LaneSqlRow, pauseUrl, refreshUrl, type TargetSqlRow } from './lanes.js';

export interface UrlRow {
  key: number;
  account: number;
  cooling_until: number | null;
  probing: number;
}

type LaneClaim = Parameters<Deliveries['claimLanes']>[0];

/** Deliveries past their age that one claim ends: the rest is ended by the next. */
const ENDED_AT_ONCE = 50;
/** Result texts that one claim reads for the bodies it is about to make; a single one may exceed it. */
const CLAIM_BYTES = 4 * 1024 * 1024;

/** What one claim has taken so far, over all its URLs. */
export class Taken {
  readonly due: DueDelivery[] = [];
  bytes = 0;
  ended = 0;
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  get room(): number {
    return this.bytes < CLAIM_BYTES && this.ended < ENDED_AT_ONCE ? this.max - this.due.length : 0;
  }
}

/** Leases what is due of one URL: one lane at a time while it is probed after a cool-down. */
export function claimUrl(db: Handle, ids: Ids, url: UrlRow, claim: LaneClaim, taken: Taken): void {
  const probing = url.probing === 1 || url.cooling_until !== null;
  if (url.cooling_until !== null) {
    db.prepare('update urls set cooling_until = null, probing = 1 where key = ?').run(url.key);
  }
  // A lease that has ended belongs to a dispatcher that is gone; what it sent may be sent again.
  db.prepare(
    'update lanes set token = null, lease_expires_at = null where url = ? and token is not null and lease_expires_at <= ?',
  ).run(url.key, claim.at);
  let { busy } = db
    .prepare('select count(*) as busy from lanes where url = ? and token is not null')
    .get(url.key) as { busy: number };
  const cap = probing ? 1 : claim.maxPerUrl;
  const order = probing ? 'value desc, due_at, key' : 'due_at, key';
  const next = db.prepare(
    `select * from lanes where url = ? and due_at <= ? and token is null order by ${order} limit 1`,
  );
  while (busy < cap && taken.room > 0) {
    const lane = next.get(url.key, claim.at) as LaneSqlRow | undefined;
    if (!lane) break;
    const delivery = db.prepare('select * from deliveries where key = ?').get(lane.head) as DeliverySqlRow;
    if (claim.at >= delivery.since + scheduleOf(delivery.class).maxAgeMs) {
      end(db, lane, delivery, 'EXHAUSTED', claim.at);
      taken.ended++;
      continue;
    }
    lease(db, lane, ids.bytes(12).toString('base64url'), claim.at + claim.leaseMs);
    const due = describe(db, lane, delivery, loadEvent(db, delivery), claim.maxResultBytes);
    taken.due.push(due);
    taken.bytes += due.results?.items ? due.results.bytes : 0;
    busy++;
  }
  if (busy >= cap) pauseUrl(db, url.key);
  else refreshUrl(db, url.key);
}

/** The token begins with the URL that is called: a webhook may move to another one in between. */
export function lease(db: Handle, lane: LaneSqlRow, secret: string, until: number): void {
  lane.token = `${lane.url}.${secret}`;
  db.prepare('update lanes set token = ?, lease_expires_at = ?, waits_for = null where key = ?').run(
    lane.token,
    until,
    lane.key,
  );
}

/** The URL that was called under a token. */
export function calledUrl(token: string): number {
  return Number(token.slice(0, token.indexOf('.')));
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
  // HKube's last progress says nothing of results; every other body of a completion does.
  const wanted = delivery.part === 'RESULT' || !target.format.startsWith('HKUBE');
  const results =
    event.type === 'JOB_COMPLETED' && delivery.job !== null && wanted
      ? load(db, delivery.job, maxResultBytes)
      : null;
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

/** The results of a completed job, where they are few enough to carry; their size in any case. */
function load(db: Handle, job: number, maxBytes: number): NonNullable<DueDelivery['results']> {
  const { bytes } = db
    .prepare('select ifnull(sum(result_bytes), 0) as bytes from job_nodes where job = ? and in_results = 1')
    .get(job) as { bytes: number };
  if (bytes > maxBytes) return { items: null, bytes };
  const found = resultItems(db, { key: job, status: 'COMPLETED' }, 0, Number.POSITIVE_INFINITY, maxBytes);
  return found.whole ? { items: found.items, bytes: found.bytes } : { items: null, bytes };
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
