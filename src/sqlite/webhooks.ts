import type { EventType } from '../event.js';
import type { Ids } from '../id.js';
import type { Page, WebhookPatch, Webhooks } from '../store.js';
import type { HttpHeader, Webhook } from '../webhook.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { cancelTarget, refreshUrl, type TargetSqlRow, urlKeyOf } from './lanes.js';

type WebhookRow = TargetSqlRow & { cooling_until: number | null };

const SELECT = `select t.*, u.cooling_until from targets t
  left join urls u on u.account = t.account and u.url_key = t.url_key
  where t.source = 'REGISTERED' and t.deleted_at is null and t.account = (select key from accounts where id = ?)`;

/** Cooling is told by the caller's clock when it is read: no timer has to end it. */
function webhookOf(accountId: string, row: WebhookRow, at: number): Webhook {
  const cooling = row.cooling_until !== null && row.cooling_until > at;
  return {
    id: row.id!,
    accountId,
    url: row.url,
    description: row.description,
    events: JSON.parse(row.events) as EventType[],
    pipelines: JSON.parse(row.pipelines) as string[],
    format: row.format,
    status: row.enabled === 0 ? 'DISABLED' : cooling ? 'COOLING' : 'ENABLED',
    statusReason: row.enabled === 0 ? row.status_reason : cooling ? 'the URL did not answer in time' : null,
    coolingUntil: cooling ? row.cooling_until : null,
    headers: JSON.parse(row.headers) as HttpHeader[],
    timeoutMs: row.timeout_ms,
    maxPerSecond: row.max_per_second,
    consecutiveFailures: row.consecutive_failures,
    createdAt: row.created_at,
  };
}

export function webhooksOf(db: Handle, commits: GroupCommit, ids: Ids, now: () => number): Webhooks {
  const find = (accountId: string, id: string) =>
    db.prepare(`${SELECT} and t.id = ?`).get(accountId, id) as WebhookRow | undefined;
  const one = (accountId: string, id: string): Webhook | null => {
    const row = find(accountId, id);
    return row ? webhookOf(accountId, row, now()) : null;
  };
  return {
    registerWebhook: (webhook) =>
      commits.run(() => {
        const id = ids.random('wh');
        db.prepare(
          `insert into targets (id, account, source, url, url_key, format, events, pipelines, description, headers, secret, timeout_ms,
             max_per_second, enabled, status_reason, created_at) values (?, ?, 'REGISTERED', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ).run(
          id,
          accountKey(db, webhook.accountId),
          webhook.url,
          webhook.urlKey,
          webhook.format,
          JSON.stringify(webhook.events),
          JSON.stringify(webhook.pipelines),
          webhook.description,
          JSON.stringify(webhook.headers),
          webhook.secret,
          webhook.timeoutMs,
          webhook.maxPerSecond,
          Number(webhook.enabled),
          webhook.enabled ? null : 'disabled by its owner',
          webhook.at,
        );
        return one(webhook.accountId, id)!;
      }),

    updateWebhook: (accountId, id, patch, at) =>
      commits.run(() => {
        const row = find(accountId, id);
        if (!row) return null;
        update(db, row, patch, at);
        return one(accountId, id);
      }),

    deleteWebhook: (accountId, id, at) =>
      commits.run(() => {
        const row = find(accountId, id);
        if (!row) return false;
        // The secret goes at once; the row stays for the record of its deliveries.
        db.prepare("update targets set deleted_at = ?, secret = null, headers = '[]' where key = ?").run(
          at,
          row.key,
        );
        cancelTarget(db, row.key);
        return true;
      }),

    rotateWebhookSecret: (accountId, id, secret) =>
      commits.run(() => {
        const row = find(accountId, id);
        if (!row) return null;
        db.prepare('update targets set secret = ? where key = ?').run(secret, row.key);
        return one(accountId, id);
      }),

    webhook: async (accountId, id) => one(accountId, id),

    async webhooks(accountId, page: Page) {
      const keyOf = (id: string | null) => (id === null ? null : (find(accountId, id)?.key ?? 0));
      const rows = db
        .prepare(
          `${SELECT} and (? is null or t.key > ?) and (? is null or t.key < ?)
           order by t.key ${page.inverted ? 'desc' : 'asc'} limit ?`,
        )
        .all(
          accountId,
          keyOf(page.after),
          keyOf(page.after),
          keyOf(page.before),
          keyOf(page.before),
          page.limit,
        ) as WebhookRow[];
      return rows.map((row) => webhookOf(accountId, row, now()));
    },
  };
}

function update(db: Handle, row: WebhookRow, patch: WebhookPatch, at: number): void {
  const enabled = patch.enabled ?? row.enabled === 1;
  db.prepare(
    `update targets set url = ?, url_key = ?, format = ?, events = ?, pipelines = ?, description = ?, headers = ?, timeout_ms = ?,
       max_per_second = ?, enabled = ?, status_reason = ? where key = ?`,
  ).run(
    patch.url ?? row.url,
    patch.urlKey ?? row.url_key,
    patch.format ?? row.format,
    patch.events ? JSON.stringify(patch.events) : row.events,
    patch.pipelines ? JSON.stringify(patch.pipelines) : row.pipelines,
    patch.description === undefined ? row.description : patch.description,
    patch.headers ? JSON.stringify(patch.headers) : row.headers,
    patch.timeoutMs ?? row.timeout_ms,
    patch.maxPerSecond === undefined ? row.max_per_second : patch.maxPerSecond,
    Number(enabled),
    enabled ? null : (row.status_reason ?? 'disabled by its owner'),
    row.key,
  );
  moveLanes(db, row, patch, enabled, at);
}

/** What waits goes where the webhook now points; it is held while disabled and goes out in order afterwards. */
function moveLanes(db: Handle, row: WebhookRow, patch: WebhookPatch, enabled: boolean, at: number): void {
  const urls = new Set(
    (db.prepare('select distinct url from lanes where target = ?').all(row.key) as { url: number }[]).map(
      ({ url }) => url,
    ),
  );
  if (patch.urlKey !== undefined && patch.urlKey !== row.url_key) {
    const key = urlKeyOf(db, row.account, patch.urlKey);
    db.prepare('update lanes set url = ? where target = ?').run(key, row.key);
    urls.add(key);
  }
  if (enabled && row.enabled === 0) {
    db.prepare(
      `update lanes set held_since = null, due_at = max(?, ifnull((select next_attempt_at from deliveries d where d.key = lanes.head), 0)) where target = ?`,
    ).run(at, row.key);
  } else if (!enabled) {
    db.prepare('update lanes set due_at = null where target = ?').run(row.key);
  }
  for (const url of urls) refreshUrl(db, url);
}
