import { COOL_DOWN_MS, classOf, type DeliverySource, LANE_HOLD_MS, match, type Target } from '../delivery.js';
import { type EventType, isTerminal, type LoggedEvent, type Verbosity } from '../event.js';
import type { Ids } from '../id.js';
import type { JobTarget } from '../store.js';
import { DEFAULT_TIMEOUT_MS, type WebhookFormat } from '../webhook.js';
import type { Handle } from './database.js';
import type { JobSqlRow } from './jobs.js';

/** Lanes: who is owed what, in which order. Everything here runs inside somebody's transaction. */
export interface TargetSqlRow {
  key: number;
  id: string | null;
  account: number;
  source: DeliverySource;
  job: number | null;
  lane_of: number | null;
  url: string;
  url_key: string;
  format: WebhookFormat;
  verbosity: string;
  events: string;
  pipelines: string;
  description: string | null;
  headers: string;
  secret: string | null;
  timeout_ms: number;
  max_per_second: number | null;
  enabled: number;
  status_reason: string | null;
  consecutive_failures: number;
  paced_until: number | null;
  created_at: number;
  deleted_at: number | null;
}

export interface LaneSqlRow {
  key: number;
  target: number;
  job: number;
  solo: number;
  url: number;
  head: number;
  value: number;
  due_at: number | null;
  held_since: number | null;
  waits_for: number | null;
  token: string | null;
  lease_expires_at: number | null;
}

export interface DeliverySqlRow {
  key: number;
  id: string;
  account: number;
  target: number;
  job: number | null;
  position: number;
  type: EventType;
  part: 'EVENT' | 'RESULT';
  class: 'STATUS' | 'PROGRESS';
  subject: string;
  status: string;
  lane: number | null;
  attempts: number;
  tries: number;
  since: number;
  next_attempt_at: number | null;
  body_bytes: number | null;
  body_sha256: string | null;
}

export function insertJobTargets(
  db: Handle,
  account: number,
  job: number,
  targets: readonly JobTarget[],
  at: number,
): void {
  const lanes = new Map<string, number>();
  for (const target of targets) {
    const { key } = db
      .prepare(
        `insert into targets (account, source, job, lane_of, url, url_key, format, verbosity, timeout_ms, created_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning key`,
      )
      .get(
        account,
        target.source,
        job,
        lanes.get(target.urlKey) ?? null,
        target.url,
        target.urlKey,
        target.format,
        target.verbosity,
        DEFAULT_TIMEOUT_MS,
        at,
      ) as { key: number };
    if (!lanes.has(target.urlKey)) lanes.set(target.urlKey, key);
  }
}

/** Writes the deliveries that these events are owed. True if any lane became due. */
export function addDeliveries(
  db: Handle,
  ids: Ids,
  account: { key: number },
  job: JobSqlRow | null,
  events: readonly LoggedEvent[],
): boolean {
  const targets = targetsFor(db, account.key, job);
  if (targets.size === 0) return false;
  const rules = [...targets.values()].map(ruleOf);
  let due = false;
  for (const event of events) {
    if (event.facts.of === 'webhook') continue;
    let progressDelivery: DeliverySqlRow | null = null;
    for (const { target, part } of match(rules, event.type, job?.pipeline ?? null)) {
      const row = targets.get(target.key)!;
      const delivery = insertDelivery(db, ids, row, job, event, part);
      // HKube owes the last progress before the result; where they go to two URLs the second waits for the first.
      const waitsFor = part === 'RESULT' && row.source === 'JOB_RESULT' ? progressDelivery : null;
      enqueue(db, row, delivery, job, event.occurredAt, waitsFor);
      if (part === 'EVENT' && row.source === 'JOB_PROGRESS') progressDelivery = delivery;
      due = true;
    }
  }
  return due;
}

/** The job's own targets first (see match), then the registered ones; the default URL where the job names none. */
function targetsFor(db: Handle, account: number, job: JobSqlRow | null): Map<number, TargetSqlRow> {
  const rows = [
    ...(job !== null && job.targets > 0
      ? db.prepare('select * from targets where job = ? order by key').all(job.key)
      : db
          .prepare(
            "select * from targets where account = ? and source = 'ACCOUNT_DEFAULT' and deleted_at is null",
          )
          .all(account)),
    ...db
      .prepare(
        "select * from targets where account = ? and source = 'REGISTERED' and deleted_at is null order by enabled desc, key",
      )
      .all(account),
  ] as TargetSqlRow[];
  return new Map(rows.map((row) => [row.key, row]));
}

function ruleOf(row: TargetSqlRow): Target {
  return {
    key: row.key,
    source: row.source,
    url: row.url,
    urlKey: row.url_key,
    format: row.format,
    events: JSON.parse(row.events) as EventType[],
    pipelines: JSON.parse(row.pipelines) as string[],
    verbosity: row.verbosity as Verbosity,
  };
}

export function insertDelivery(
  db: Handle,
  ids: Ids,
  target: TargetSqlRow,
  job: JobSqlRow | null,
  event: LoggedEvent,
  part: 'EVENT' | 'RESULT',
): DeliverySqlRow {
  const subject = event.facts.of === 'task' ? `${event.facts.node}.${event.facts.item}` : '';
  return db
    .prepare(
      `insert into deliveries (id, account, target, job, position, type, part, class, subject, status, since, next_attempt_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'PENDING', ?, ?) returning *`,
    )
    .get(
      ids.random('dlv'),
      target.account,
      target.key,
      job?.key ?? null,
      event.position,
      event.type,
      part,
      classOf(event.type),
      subject,
      event.occurredAt,
      event.occurredAt,
    ) as DeliverySqlRow;
}

/** Puts a delivery at the end of its lane, making the lane if there is none. */
function enqueue(
  db: Handle,
  target: TargetSqlRow,
  delivery: DeliverySqlRow,
  job: JobSqlRow | null,
  at: number,
  waitsFor: DeliverySqlRow | null,
): void {
  const place = target.lane_of ?? target.key;
  const lane = db
    .prepare('select * from lanes where target = ? and job = ? and solo = 0')
    .get(place, job?.key ?? 0) as LaneSqlRow | undefined;
  if (!lane) {
    const made = insertLane(db, target, delivery, {
      target: place,
      job: job?.key ?? 0,
      solo: 0,
      dueAt: target.enabled ? Math.max(at, paceOf(target, delivery)) : null,
    });
    if (waitsFor && waitsFor.target !== place) waitForFirstAttempt(db, made, waitsFor, at);
    refreshUrl(db, made.url);
    return;
  }
  db.prepare('update deliveries set lane = ? where key = ?').run(lane.key, delivery.key);
  supersede(db, lane, delivery);
  if (delivery.class === 'STATUS') endPace(db, lane.key, at);
  releaseHold(db, lane.key, at);
}

/** Progress that waits for its pace alone goes out now: a change of state has come behind it, and waits for nobody's pace. */
function endPace(db: Handle, laneKey: number, at: number): void {
  const lane = db
    .prepare(
      `update lanes set due_at = @at where key = @laneKey and token is null and value = 0 and due_at > @at
       and due_at = (select t.paced_until from targets t join deliveries d on d.target = t.key where d.key = lanes.head)
       returning url`,
    )
    .get({ laneKey, at }) as { url: number } | undefined;
  if (lane) refreshUrl(db, lane.url);
}

export function insertLane(
  db: Handle,
  target: TargetSqlRow,
  head: DeliverySqlRow,
  place: { target: number; job: number; solo: number; dueAt: number | null },
): LaneSqlRow {
  const url = urlKeyOf(db, target.account, target.url_key);
  const lane = db
    .prepare(
      'insert into lanes (target, job, solo, url, head, value, due_at) values (?, ?, ?, ?, ?, ?, ?) returning *',
    )
    .get(place.target, place.job, place.solo, url, head.key, worthOf(head), place.dueAt) as LaneSqlRow;
  db.prepare('update deliveries set lane = ? where key = ?').run(lane.key, head.key);
  return lane;
}

/** At most as long as a failing head may hold a lane: a guard against waiting for what never comes. */
function waitForFirstAttempt(db: Handle, lane: LaneSqlRow, first: DeliverySqlRow, at: number): void {
  const cooling = db
    .prepare(
      'select 1 from urls u join lanes l on l.url = u.key where l.key = (select lane from deliveries where key = ?) and u.cooling_until > ?',
    )
    .get(first.key, at);
  if (cooling || lane.due_at === null) return;
  db.prepare('update lanes set waits_for = ?, due_at = ? where key = ?').run(
    first.key,
    at + LANE_HOLD_MS,
    lane.key,
  );
}

/** The first attempt of a delivery has ended: whoever waited for it may go. */
export function endWaiting(db: Handle, delivery: number, at: number): void {
  const lanes = db
    .prepare('update lanes set due_at = ?, waits_for = null where waits_for = ? returning url')
    .all(at, delivery) as { url: number }[];
  for (const lane of lanes) refreshUrl(db, lane.url);
}

/** Newer progress takes the place of older, and the job's end that of all; status changes are never superseded. */
function supersede(db: Handle, lane: LaneSqlRow, newer: DeliverySqlRow): void {
  const ends = isTerminal(newer.type);
  if (newer.class !== 'PROGRESS' && !ends) return;
  const inFlight = lane.token === null ? 0 : lane.head;
  const gone = db
    .prepare(
      `update deliveries set status = 'SUPERSEDED', lane = null, next_attempt_at = null
       where lane = @lane and class = 'PROGRESS' and key < @newer and key <> @inFlight ${ends ? '' : 'and subject = @subject and type = @type'}
       returning key, target`,
    )
    .all({
      lane: lane.key,
      newer: newer.key,
      inFlight,
      ...(ends ? {} : { subject: newer.subject, type: newer.type }),
    }) as { key: number; target: number }[];
  const head = gone.find(({ key }) => key === lane.head);
  if (!head) return;
  const target = db.prepare('select paced_until from targets where key = ?').get(head.target) as TargetSqlRow;
  // What comes after it waits as long as it would have: it may stand behind a failing status change. A pace holds nobody else.
  const paced = lane.due_at === target.paced_until;
  moveOn(db, lane, paced ? newer.since : Math.max(newer.since, lane.due_at ?? 0));
}

/** Progress that goes to a job's own URL keeps HKube's pace: when it may be sent. */
function paceOf(
  target: Pick<TargetSqlRow, 'source' | 'paced_until'>,
  delivery: Pick<DeliverySqlRow, 'class'>,
): number {
  return target.source === 'JOB_PROGRESS' && delivery.class === 'PROGRESS' ? (target.paced_until ?? 0) : 0;
}

/** Of the head: what a probe after a cool-down should carry first. */
function worthOf(delivery: Pick<DeliverySqlRow, 'type' | 'class'>): number {
  if (isTerminal(delivery.type)) return 2;
  return delivery.class === 'STATUS' ? 1 : 0;
}

/** The head is done with: the next delivery leads the lane from `dueAt` on, or the lane is gone. */
export function moveOn(db: Handle, lane: LaneSqlRow, dueAt: number): void {
  const next = db.prepare('select * from deliveries where lane = ? order by key limit 1').get(lane.key) as
    | DeliverySqlRow
    | undefined;
  if (!next) {
    db.prepare('delete from lanes where key = ?').run(lane.key);
  } else {
    const target = db
      .prepare('select enabled, source, paced_until from targets where key = ?')
      .get(next.target) as TargetSqlRow;
    const due = Math.max(dueAt, next.next_attempt_at ?? 0, paceOf(target, next));
    db.prepare(
      `update lanes set head = ?, value = ?, due_at = ?, held_since = null, waits_for = null, token = null, lease_expires_at = null where key = ?`,
    ).run(next.key, worthOf(next), target.enabled ? due : null, lane.key);
  }
  refreshUrl(db, lane.url);
}

/**
 * A head that would hold others for longer than LANE_HOLD_MS gets a lane of its own to retry in; the others go on
 * when that time is over. Nothing happens while nobody waits behind it.
 */
export function releaseHold(db: Handle, laneKey: number, at: number): void {
  const lane = db.prepare('select * from lanes where key = ?').get(laneKey) as LaneSqlRow | undefined;
  if (lane?.solo !== 0 || lane.held_since === null || lane.token !== null || lane.due_at === null) return;
  const until = lane.held_since + LANE_HOLD_MS;
  if (lane.due_at <= until) return;
  const behind = db
    .prepare('select 1 from deliveries where lane = ? and key > ? limit 1')
    .get(lane.key, lane.head);
  if (!behind) return;
  const head = db.prepare('select * from deliveries where key = ?').get(lane.head) as DeliverySqlRow;
  const target = db.prepare('select * from targets where key = ?').get(head.target) as TargetSqlRow;
  insertLane(db, target, head, { target: lane.target, job: lane.job, solo: head.key, dueAt: lane.due_at });
  moveOn(db, lane, Math.max(until, at));
}

/** The row of a URL, made if there is none. */
export function urlKeyOf(db: Handle, account: number, urlKey: string): number {
  const { key } = db
    .prepare(
      'insert into urls (account, url_key) values (?, ?) on conflict (account, url_key) do update set url_key = url_key returning key',
    )
    .get(account, urlKey) as { key: number };
  return key;
}

/**
 * Sets when a URL next has something to do: a lane falls due, or the lease of one ends whose holder was lost. A hint
 * that may be early, never late.
 */
export function refreshUrl(db: Handle, url: number): void {
  db.prepare(
    `update urls set due_at = max(ifnull(cooling_until, 0), (select min(due) from (
       select min(due_at) as due from lanes where url = @url and due_at is not null and token is null
       union all select min(lease_expires_at) from lanes where url = @url and token is not null)))
     where key = @url`,
  ).run({ url });
}

/** As many calls as may be are under way: nothing more until one of them ends, or its lease does. */
export function pauseUrl(db: Handle, url: number): void {
  db.prepare(
    'update urls set due_at = (select min(lease_expires_at) from lanes where url = @url and token is not null) where key = @url',
  ).run({ url });
}

/** A timeout: no call to this URL, whoever's lane it is, until the cool-down is over. */
export function coolDown(db: Handle, url: number, at: number): void {
  db.prepare('update urls set cooling_until = ?, probing = 0 where key = ?').run(at + COOL_DOWN_MS, url);
  // Who waits for a delivery to that URL would wait as long as it does: that is not what they wait for.
  const freed = db
    .prepare(
      'update lanes set due_at = ?, waits_for = null where waits_for in (select head from lanes where url = ?) returning url',
    )
    .all(at, url) as { url: number }[];
  for (const lane of freed) refreshUrl(db, lane.url);
  refreshUrl(db, url);
}

/** Everything a target still had to deliver is cancelled. The record of it stays. */
export function cancelTarget(db: Handle, target: number): void {
  const open = 'from deliveries indexed by deliveries_open where target = ? and lane is not null';
  const lanes = db
    .prepare(`select * from lanes where key in (select lane ${open})`)
    .all(target) as LaneSqlRow[];
  db.prepare(
    `update deliveries indexed by deliveries_open set status = 'CANCELLED', lane = null, next_attempt_at = null
     where target = ? and lane is not null`,
  ).run(target);
  const keys = JSON.stringify(lanes.map(({ key }) => key));
  db.prepare(
    `delete from lanes where key in (select value from json_each(?))
     and not exists (select 1 from deliveries d where d.lane = lanes.key)`,
  ).run(keys);
  // What is left is a lane that a job's other target shares.
  const shared = db
    .prepare('select * from lanes where key in (select value from json_each(?))')
    .all(keys) as LaneSqlRow[];
  for (const lane of shared) moveOn(db, lane, lane.due_at ?? 0);
  for (const url of new Set(lanes.map((lane) => lane.url))) refreshUrl(db, url);
}
