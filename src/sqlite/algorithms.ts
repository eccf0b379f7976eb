import { MAX_ALGORITHMS, type StoredAlgorithm } from '../algorithm.js';
import type { AlgorithmSave, AlgorithmSaved, Algorithms } from '../store.js';
import { accountKey } from './accounts.js';
import type { Handle } from './database.js';
import type { GroupCommit } from './group-commit.js';
import { addUse, bytesOf, noRoom } from './usage.js';

const COLUMNS = 'name, document, modified_at as modifiedAt';

export function algorithmsOf(db: Handle, commits: GroupCommit): Algorithms {
  const find = (accountId: string, name: string) =>
    db
      .prepare(`select ${COLUMNS} from algorithms where account = ? and name = ?`)
      .get(accountKey(db, accountId), name) as StoredAlgorithm | undefined;
  return {
    saveAlgorithm: (save) => commits.run(() => saveAlgorithm(db, find(save.accountId, save.name), save)),

    storedAlgorithm: async (accountId, name) => find(accountId, name) ?? null,

    storedAlgorithmNames: async (accountId) =>
      db
        .prepare('select name from algorithms where account = ? order by name')
        .pluck()
        .all(accountKey(db, accountId)) as string[],

    deleteAlgorithm: (accountId, name) =>
      commits.run(() => {
        const row = find(accountId, name);
        if (!row) return false;
        const account = accountKey(db, accountId)!;
        db.prepare('delete from algorithms where account = ? and name = ?').run(account, name);
        addUse(db, account, -bytesOf([row.document]));
        return true;
      }),
  };
}

function saveAlgorithm(
  db: Handle,
  row: StoredAlgorithm | undefined,
  { accountId, name, document, mode, limits, at }: AlgorithmSave,
): AlgorithmSaved {
  if (row && mode === 'create') return { exists: true };
  if (!row && mode === 'update') return { missing: true };
  const account = { key: accountKey(db, accountId)!, id: accountId };
  if (!row) {
    const { count } = db
      .prepare('select count(*) as count from algorithms where account = ?')
      .get(account.key) as { count: number };
    if (count >= MAX_ALGORITHMS) return { full: count };
  }
  const bytes = bytesOf([document]) - (row ? bytesOf([row.document]) : 0);
  const full = noRoom(db, account, limits, bytes, 0);
  if (full) return { noRoom: full };
  db.prepare(
    `insert into algorithms (account, name, document, modified_at) values (?, ?, ?, ?)
     on conflict (account, name) do update set document = excluded.document, modified_at = excluded.modified_at`,
  ).run(account.key, name, document, at);
  addUse(db, account.key, bytes);
  return { algorithm: { name, document, modifiedAt: at } };
}
