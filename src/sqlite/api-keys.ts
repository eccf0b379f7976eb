import { and, asc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import type { ApiKey, Scope } from '../account.js';
import type { Ids } from '../id.js';
import type { ApiKeys } from '../store.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { accounts, apiKeys } from './tables.js';

// A use is noted at most this often: a busy key must not write on every request.
const USE_NOTED_EVERY_MS = 60_000;

export function apiKeysOf(db: Handle, commits: GroupCommit, ids: Ids): ApiKeys {
  const ofAccount = (accountId: string, id: string) =>
    and(eq(apiKeys.id, id), eq(apiKeys.account, accountKey(db, accountId) ?? 0));
  const rowOf = (accountId: string, id: string) =>
    db.drizzle.select().from(apiKeys).where(ofAccount(accountId, id)).get();
  const find = (accountId: string, id: string): ApiKey | null => {
    const row = rowOf(accountId, id);
    return row ? apiKeyOf(row, accountId) : null;
  };

  // Every request asks this: built anew each time it would cost ten times what it does.
  const validByHash = db.drizzle
    .select({ key: apiKeys, accountId: accounts.id })
    .from(apiKeys)
    .innerJoin(accounts, eq(accounts.key, apiKeys.account))
    .where(
      and(
        eq(apiKeys.hash, sql.placeholder('hash')),
        isNull(apiKeys.revokedAt),
        or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, sql.placeholder('at'))),
      ),
    )
    .prepare();

  /** Keys whose use is being written: the requests of the same moment need not write it again. */
  const noting = new Set<number>();
  // Nobody waits for this write, and nobody is told where it fails: a full disk must not turn readers away.
  const noteUse = (key: number, at: number) => {
    if (noting.has(key)) return;
    noting.add(key);
    commits
      .run(() => db.prepare('update api_keys set last_used_at = ? where key = ?').run(at, key))
      .catch(() => {})
      .finally(() => noting.delete(key));
  };

  return {
    createApiKey: (accountId, { at, scopes, limits, ...rest }) =>
      commits.run(() => {
        const id = ids.random('key');
        db.drizzle
          .insert(apiKeys)
          .values({
            ...rest,
            id,
            account: accountKey(db, accountId)!,
            scopes: JSON.stringify(scopes),
            maxRequestsPerSecond: limits.requestsPerSecond,
            maxSockets: limits.sockets,
            createdAt: at,
          })
          .run();
        return find(accountId, id)!;
      }),

    revokeApiKey: (accountId, id, at) =>
      commits.run(() => {
        db.drizzle
          .update(apiKeys)
          .set({ revokedAt: at })
          .where(and(ofAccount(accountId, id), isNull(apiKeys.revokedAt)))
          .run();
        return find(accountId, id);
      }),

    async apiKeyByHash(hash, at) {
      const row = validByHash.get({ hash, at });
      if (!row) return null;
      const { key, lastUsedAt } = row.key;
      if (lastUsedAt === null || lastUsedAt < at - USE_NOTED_EVERY_MS) noteUse(key, at);
      return apiKeyOf(row.key, row.accountId);
    },

    hasApiKeys: async () => db.prepare('select 1 from api_keys limit 1').get() !== undefined,

    apiKey: async (accountId, id) => find(accountId, id),

    async apiKeyOwner(id) {
      const row = db
        .prepare('select a.id from api_keys k join accounts a on a.key = k.account where k.id = ?')
        .get(id) as { id: string } | undefined;
      return row?.id ?? null;
    },

    async apiKeys(accountId, page) {
      // A cursor of another account's key is no place in this list: it would tell how many keys came between.
      const keyOf = (id: string | null) => (id === null ? null : (rowOf(accountId, id)?.key ?? 0));
      const [after, before] = [keyOf(page.after), keyOf(page.before)];
      const rows = db.drizzle
        .select()
        .from(apiKeys)
        .where(
          and(
            eq(apiKeys.account, accountKey(db, accountId) ?? 0),
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

function apiKeyOf(row: typeof apiKeys.$inferSelect, accountId: string): ApiKey {
  const { id, name, prefix, expiresAt, revokedAt, lastUsedAt, createdAt } = row;
  return {
    id,
    accountId,
    name,
    prefix,
    scopes: JSON.parse(row.scopes) as Scope[],
    limits: { requestsPerSecond: row.maxRequestsPerSecond, sockets: row.maxSockets },
    expiresAt,
    revokedAt,
    lastUsedAt,
    createdAt,
  };
}
