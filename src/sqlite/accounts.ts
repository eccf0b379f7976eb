import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Account } from '../account.js';
import type { Ids } from '../id.js';
import type { AccountPatch, Accounts } from '../store.js';
import { DEFAULT_TIMEOUT_MS, type WebhookFormat } from '../webhook.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { accounts, targets } from './tables.js';

export function accountKey(db: Handle, id: string): number | null {
  const row = db.prepare('select key from accounts where id = ?').get(id) as { key: number } | undefined;
  return row?.key ?? null;
}

export function accountsOf(db: Handle, commits: GroupCommit, ids: Ids): Accounts {
  // Every request asks this: built anew each time it would cost ten times what it does.
  const rowById = db.drizzle
    .select()
    .from(accounts)
    .where(eq(accounts.id, sql.placeholder('id')))
    .prepare();
  const byId = (id: string): Account | null => {
    const row = rowById.get({ id });
    return row ? accountOf(row) : null;
  };
  return {
    ensureAccount: (name, secret, at) =>
      commits.run(() => {
        const id = ids.random('acc');
        db.drizzle
          .insert(accounts)
          .values({ id, name, webhookSecret: secret, createdAt: at })
          .onConflictDoNothing()
          .run();
        return accountOf(db.drizzle.select().from(accounts).where(eq(accounts.name, name)).get()!);
      }),
    account: async (id) => byId(id),
    async accountByName(name) {
      const row = db.drizzle.select().from(accounts).where(eq(accounts.name, name)).get();
      return row ? accountOf(row) : null;
    },
    updateAccount: (id, patch, at) =>
      commits.run(() => {
        const columns = columnsOf(patch);
        if (Object.keys(columns).length > 0)
          db.drizzle.update(accounts).set(columns).where(eq(accounts.id, id)).run();
        replaceDefaultTarget(db, id, at);
        return byId(id);
      }),
    rotateAccountSecret: (id, secret) =>
      commits.run(() => {
        const { changes } = db.drizzle
          .update(accounts)
          .set({ webhookSecret: secret })
          .where(eq(accounts.id, id))
          .run();
        return changes > 0;
      }),
    async usage(id) {
      const { runningJobs, storedBytes } = accounts;
      const row = db.drizzle
        .select({ runningJobs, storedBytes })
        .from(accounts)
        .where(eq(accounts.id, id))
        .get();
      return row ?? { runningJobs: 0, storedBytes: 0 };
    },
  };
}

/** Only what is given: a key whose value is undefined is left alone by the builder. */
function columnsOf({ limits, ...patch }: AccountPatch): Partial<typeof accounts.$inferInsert> {
  if (!limits) return patch;
  const { requestsPerSecond, sockets, runningJobs, storedBytes } = limits;
  const columns = {
    maxRequestsPerSecond: requestsPerSecond,
    maxSockets: sockets,
    maxRunningJobs: runningJobs,
    maxStoredBytes: storedBytes,
  };
  const given = Object.entries(columns).filter(([, value]) => value !== undefined);
  return { ...patch, ...Object.fromEntries(given) };
}

/** What is on its way to the old default URL still goes there; only new events take the new one. */
function replaceDefaultTarget(db: Handle, id: string, at: number): void {
  const row = db.drizzle.select().from(accounts).where(eq(accounts.id, id)).get();
  if (!row) return;
  const current = and(
    eq(targets.account, row.key),
    eq(targets.source, 'ACCOUNT_DEFAULT'),
    isNull(targets.deletedAt),
  );
  const old = db.drizzle.select().from(targets).where(current).get();
  const { defaultWebhookUrl: url, defaultWebhookUrlKey: urlKey, defaultWebhookFormat: format } = row;
  if (old?.url === (url ?? undefined) && old?.format === (url === null ? undefined : format)) return;
  db.drizzle.update(targets).set({ deletedAt: at }).where(current).run();
  if (url === null || urlKey === null) return;
  const timeoutMs = DEFAULT_TIMEOUT_MS;
  db.drizzle
    .insert(targets)
    .values({ account: row.key, source: 'ACCOUNT_DEFAULT', url, urlKey, format, timeoutMs, createdAt: at })
    .run();
}

function accountOf(row: typeof accounts.$inferSelect): Account {
  return {
    id: row.id,
    name: row.name,
    defaultWebhookUrl: row.defaultWebhookUrl,
    defaultWebhookFormat: row.defaultWebhookFormat as WebhookFormat,
    limits: {
      requestsPerSecond: row.maxRequestsPerSecond,
      sockets: row.maxSockets,
      runningJobs: row.maxRunningJobs,
      storedBytes: row.maxStoredBytes,
    },
    createdAt: row.createdAt,
  };
}
