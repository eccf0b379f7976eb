import type { DeliveryAttempt } from '../delivery.js';
import type { Ids } from '../id.js';
import type { Deliveries } from '../store.js';
import type { HttpHeader } from '../webhook.js';
import { accountKey } from './accounts.js';
import type { Committer } from './committer.js';
import type { Handle } from './database.js';
import { settle, writeAttempt } from './delivery-attempts.js';
import { claimUrl, describe, lease, Taken, type UrlRow } from './delivery-claims.js';
import {
  type AttemptRow,
  deliveriesParameters,
  deliveriesQuery,
  deliveryOf,
  findDelivery,
  type ShownRow,
} from './delivery-rows.js';
import type { GroupCommit } from './group-commit.js';
import {
  type DeliverySqlRow,
  insertDelivery,
  insertLane,
  type LaneSqlRow,
  moveOn,
  refreshUrl,
  type TargetSqlRow,
} from './lanes.js';

/** More than any schedule has: what stands there is not tried again. */
const LAST_TRY = 1_000;

export function deliveriesOf(db: Handle, commits: GroupCommit, committer: Committer, ids: Ids): Deliveries {
  let { turn } = db.prepare('select ifnull(max(turn), 0) as turn from urls').get() as { turn: number };
  return {
    claimLanes: (claim) =>
      commits.run(() => {
        const taken = new Taken(claim.max);
        // Who was served longest ago comes first, or those with a backlog would keep every place.
        const urls = db
          .prepare(
            'select key, account, cooling_until, probing from urls where due_at <= ? order by turn, due_at limit 200',
          )
          .all(claim.at) as UrlRow[];
        for (const url of urls) {
          if (taken.room === 0) break;
          db.prepare('update urls set turn = ? where key = ?').run(++turn, url.key);
          if (url.cooling_until !== null && url.cooling_until > claim.at) refreshUrl(db, url.key);
          else claimUrl(db, ids, url, claim, taken);
        }
        return taken.due;
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
        // An old default URL still belongs to the account; a deleted webhook has no secret any more.
        if (target.source === 'REGISTERED' && target.deleted_at !== null) return 'WEBHOOK_DELETED' as const;
        db.prepare(
          "update deliveries set status = 'PENDING', lane = null, tries = 0, since = ?, next_attempt_at = ? where key = ?",
        ).run(at, at, delivery.key);
        if (lane?.head === delivery.key) moveOn(db, lane, at);
        const made = insertLane(db, target, delivery, {
          target: target.key,
          job: delivery.job ?? 0,
          solo: delivery.key,
          dueAt: target.enabled ? at : null,
        });
        refreshUrl(db, made.url);
        return findDelivery(db, accountId, id, at);
      }),

    delivery: async (accountId, id, at) => findDelivery(db, accountId, id, at),

    async deliveries(accountId, filter, page, at) {
      const rows = db
        .prepare(deliveriesQuery(filter, page))
        .all(deliveriesParameters(db, accountId, filter, page, at)) as ShownRow[];
      return rows.map((row) => deliveryOf(accountId, row));
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
