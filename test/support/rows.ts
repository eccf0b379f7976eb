import { join } from 'node:path';
import Database from 'better-sqlite3';

/** What moves by itself: a key is used, a lease is extended. */
const MOVING = ['last_used_at', 'lease_expires_at'];
/** Tables that belong to nobody. */
const SHARED = /^(sqlite_|__drizzle)/;

/** How the rows of one account are found, by the first of these columns that a table has. */
const OWNED: Record<string, string> = {
  account: 'account = @key',
  target: 'target in (select key from targets where account = @key)',
  job: 'job in (select key from jobs where account = @key)',
  pipeline: 'pipeline in (select key from pipelines where account = @key)',
  delivery: 'delivery in (select key from deliveries where account = @key)',
};

/** Every row of an account as it lies in the database, by table: what no answer may hold, and no other account change. */
export function rowsOf(folder: string, accountId: string): Record<string, Record<string, unknown>[]> {
  const db = new Database(join(folder, 'carillon.db'), { readonly: true });
  try {
    const { key } = db.prepare('select key from accounts where id = ?').get(accountId) as { key: number };
    const tables = db.prepare("select name from sqlite_master where type = 'table' order by name").all() as {
      name: string;
    }[];
    const owned = tables.filter(({ name }) => !SHARED.test(name));
    return Object.fromEntries(
      owned.map(({ name }) => {
        const columns = (db.pragma(`table_info(${name})`) as { name: string }[]).map((one) => one.name);
        const by = Object.keys(OWNED).find((column) => columns.includes(column));
        const where = name === 'accounts' ? 'key = @key' : OWNED[by ?? ''];
        if (!where) throw new Error(`say in rows.ts whose the rows of the table ${name} are`);
        const rows = db.prepare(`select * from ${name} where ${where}`).all({ key }) as Record<
          string,
          unknown
        >[];
        for (const row of rows) for (const column of MOVING) delete row[column];
        return [name, rows];
      }),
    );
  } finally {
    db.close();
  }
}

/** Words of eight letters and more in the rows of one account that are in no row of another. */
export function ownWords(own: ReturnType<typeof rowsOf>, others: ReturnType<typeof rowsOf>): string[] {
  const words = (rows: ReturnType<typeof rowsOf>) =>
    Object.values(rows)
      .flat()
      .flatMap((row) => Object.values(row))
      .filter((value): value is string => typeof value === 'string' && value.length >= 8);
  const known = new Set(words(others));
  return [...new Set(words(own))].filter((word) => !known.has(word));
}
