import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { accountsOf } from '../../src/sqlite/accounts.js';
import { apiKeysOf } from '../../src/sqlite/api-keys.js';
import { type Handle, openDatabase } from '../../src/sqlite/database.js';
import { GroupCommit } from '../../src/sqlite/group-commit.js';
import { VirtualClock } from '../support/clock.js';
import { countedIds } from '../support/ids.js';

let folder: string;
let db: Handle;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-keys-'));
  db = openDatabase(folder, { migrate: true });
});
afterEach(async () => {
  db.close();
  await rm(folder, { recursive: true, force: true });
});

it.each([
  ['fails, as on a full disk', () => Promise.reject(new Error('database or disk is full'))],
  ['takes for ever', () => new Promise<never>(() => {})],
])('a key lets its holder in though the note of its use %s', async (_what, run) => {
  const ids = countedIds(new VirtualClock());
  const commits = new GroupCommit(db.raw);
  const account = await accountsOf(db, commits, ids).ensureAccount('default', 'whsec_x', 1);
  const limits = { requestsPerSecond: null, sockets: null };
  const key = { name: 'k', prefix: 'car_', hash: 'h', scopes: ['READ' as const], limits, expiresAt: null };
  const made = await apiKeysOf(db, commits, ids).createApiKey(account.id, { ...key, at: 1 });

  let writes = 0;
  const failing = {
    run() {
      writes++;
      return run();
    },
  } as unknown as GroupCommit;
  const keys = apiKeysOf(db, failing, ids);
  const answers = await Promise.all([keys.apiKeyByHash('h', 2), keys.apiKeyByHash('h', 2)]);
  expect(answers).toEqual([made, made]);
  // Requests of the same moment share one note.
  expect(writes).toBe(1);
});
