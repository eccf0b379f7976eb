import { and, asc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import type { Account, ApiKey, Scope } from '../account.js';
import type { Ids } from '../id.js';
import type { Accounts, NewApiKey, Page } from '../store.js';
import { DEFAULT_TIMEOUT_MS, type WebhookFormat } from '../webhook.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { accounts, apiKeys, targets } from './tables.js';

// A use is noted at most this often: a busy key must not write on every request.
const USE_NOTED_EVERY_MS = 60_000;

export function accountKey(db: Handle, id: string): number | null {
  const row = db.prepare('select key from accounts where id = ?').get(id) as { key: number } | undefined;
  return row?.key ?? null;
}

export function accountsOf(db: Handle, commits: GroupCommit, ids: Ids): Accounts {
  const byId = (id: string): Account | null => {
    const row = db.drizzle.select().from(accounts).where(eq(accounts.id, id)).get();
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
    updateAccount: (id, patch, at) =>
      commits.run(() => {
        if (Object.keys(patch).length > 0)
          db.drizzle.update(accounts).set(patch).where(eq(accounts.id, id)).run();
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
    createApiKey: (accountId, key: NewApiKey) =>
      commits.run(() => {
        const { at, scopes, ...rest } = key;
        const values = { ...rest, id: ids.random('key'), scopes: JSON.stringify(scopes), createdAt: at };
        db.drizzle
          .insert(apiKeys)
          .values({ ...values, account: accountKey(db, accountId)! })
          .run();
        return { ...rest, id: values.id, accountId, scopes, lastUsedAt: null, createdAt: at };
      }),
    async apiKeyByHash(hash, at) {
      const row = db.drizzle
        .select({ key: apiKeys, accountId: accounts.id })
        .from(apiKeys)
        .innerJoin(accounts, eq(accounts.key, apiKeys.account))
        .where(and(eq(apiKeys.hash, hash), or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, at))))
        .get();
      if (!row) return null;
      const { lastUsedAt } = row.key;
      if (lastUsedAt === null || lastUsedAt < at - USE_NOTED_EVERY_MS) {
        await commits.run(() =>
          db.drizzle.update(apiKeys).set({ lastUsedAt: at }).where(eq(apiKeys.hash, hash)).run(),
        );
      }
      return apiKeyOf(row.key, row.accountId);
    },
    hasApiKeys: async () => db.prepare('select 1 from api_keys limit 1').get() !== undefined,
    async apiKeys(accountId, page: Page) {
      const account = accountKey(db, accountId) ?? 0;
      // Another account's key is as good as none: its place would tell when it was made.
      const keyOf = (id: string | null) => {
        if (id === null) return null;
        const own = and(eq(apiKeys.id, id), eq(apiKeys.account, account));
        return db.drizzle.select({ key: apiKeys.key }).from(apiKeys).where(own).get()?.key ?? 0;
      };
      const [after, before] = [keyOf(page.after), keyOf(page.before)];
      const rows = db.drizzle
        .select()
        .from(apiKeys)
        .where(
          and(
            eq(apiKeys.account, account),
            after === null ? undefined : gt(apiKeys.key, after),
            before === null ? undefined : lt(apiKeys.key, before),
          ),
        )
        .orderBy(page.inverted ? sql`${apiKeys.key} desc` : asc(apiKeys.key))
        .limit(page.limit)
        .all();
      return rows.map((row) => apiKeyOf(row, accountId));
    },
  };
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
    createdAt: row.createdAt,
  };
}

function apiKeyOf(row: typeof apiKeys.$inferSelect, accountId: string): ApiKey {
  const { id, name, prefix, expiresAt, lastUsedAt, createdAt } = row;
  return {
    id,
    accountId,
    name,
    prefix,
    scopes: JSON.parse(row.scopes) as Scope[],
    expiresAt,
    lastUsedAt,
    createdAt,
  };
}
