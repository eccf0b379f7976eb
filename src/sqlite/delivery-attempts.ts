import { type AttemptOutcome, nextTryAt, PROGRESS_PACE_MS } from '../delivery.js';
import type { AttemptRecord } from '../store.js';
import type { Handle } from './database.js';
import { calledUrl } from './delivery-claims.js';
import {
  cancelTarget,
  coolDown,
  type DeliverySqlRow,
  endWaiting,
  type LaneSqlRow,
  moveOn,
  refreshUrl,
  releaseHold,
} from './lanes.js';
import { addUse, bytesOf } from './usage.js';

/** The record of one call. */
export function writeAttempt(db: Handle, delivery: DeliverySqlRow, record: AttemptRecord): void {
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
  if (delivery.class === 'PROGRESS') {
    db.prepare("update targets set paced_until = ? where key = ? and source = 'JOB_PROGRESS'").run(
      record.startedAt + PROGRESS_PACE_MS,
      delivery.target,
    );
  }
  keepBody(db, delivery, record.body);
}

/** Keeps the bytes last sent in place of those before; null: they are too many to keep. */
function keepBody(db: Handle, delivery: DeliverySqlRow, body: string | null): void {
  const before = db
    .prepare('select octet_length(body) as bytes from delivery_bodies where delivery = ?')
    .get(delivery.key) as { bytes: number } | undefined;
  if (body !== null) {
    db.prepare(
      'insert into delivery_bodies (delivery, body) values (?, ?) on conflict (delivery) do update set body = excluded.body',
    ).run(delivery.key, body);
  } else if (before) db.prepare('delete from delivery_bodies where delivery = ?').run(delivery.key);
  addUse(db, delivery.account, bytesOf([body]) - (before?.bytes ?? 0));
}

/** What an attempt makes of its delivery, its lane, its URL and its webhook. */
export function settle(
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
  const called = calledUrl(lane.token!);
  if (outcome === 'TIMEOUT') coolDown(db, called, at);
  else db.prepare('update urls set probing = 0 where key = ?').run(called);
  if (called !== lane.url) refreshUrl(db, called);

  const next = delivered ? null : nextTryAt(delivery.class, delivery.tries, delivery.since, at, fraction);
  if (outcome === 'GONE' && !disable(db, delivery.target)) endJobUrl(db, lane, delivery, at);
  else if (next === null) end(db, lane, delivery, delivered ? 'DELIVERED' : 'EXHAUSTED', at);
  else retry(db, lane, delivery, next, at);
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
  const lanes = db.prepare('update lanes set due_at = null where target = ? returning url').all(target) as {
    url: number;
  }[];
  for (const url of new Set(lanes.map((lane) => lane.url))) refreshUrl(db, url);
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

export function end(
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
