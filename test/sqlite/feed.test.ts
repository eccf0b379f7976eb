import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Handle, openDatabase } from '../../src/sqlite/database.js';
import { feedOf } from '../../src/sqlite/feed.js';
import { Fixture } from './fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.open();
});
afterEach(() => fixture.close());

/** The same database, with something that another process does before the nth statement of a read. */
function interrupted(db: Handle, nth: number, meanwhile: () => void): Handle {
  let count = 0;
  const before = <T>(run: () => T): T => {
    if (++count === nth) meanwhile();
    return run();
  };
  return {
    ...db,
    prepare(text) {
      const statement = db.prepare(text);
      return {
        get: (...values: unknown[]) => before(() => statement.get(...values)),
        all: (...values: unknown[]) => before(() => statement.all(...values)),
      } as Database.Statement;
    },
  };
}

test('a page of a job misses nothing that another process writes while it is read', async () => {
  for (let nth = 1; nth <= 6; nth++) {
    const id = await fixture.submit({
      name: 'p',
      nodes: [{ nodeName: 'a', algorithmName: 'echo', input: [] }],
    });
    const db = openDatabase(dirname(fixture.raw.name), { migrate: false });
    const writer = new Database(fixture.raw.name);
    const complete = writer.transaction(() => {
      const { key } = writer.prepare('select key from jobs order by key desc').get() as { key: number };
      const { head } = writer.prepare('update accounts set head = head + 1 returning head').get() as {
        head: number;
      };
      writer
        .prepare("update jobs set status = 'COMPLETED', sequence = sequence + 1, position = ? where key = ?")
        .run(head, key);
      writer
        .prepare(
          `insert into events (account, position, job, sequence, type, occurred_at, facts)
           select account, ?, job, sequence + 1, 'JOB_COMPLETED', occurred_at, facts
           from events where job = ? order by position desc limit 1`,
        )
        .run(head, key);
    });
    const feed = feedOf(interrupted(db, nth, complete));
    const seen: string[] = [];
    let [after, ended] = [0, false];
    for (let pages = 0; pages < 4 && !ended; pages++) {
      const page = (await feed.jobEvents(fixture.account, id, null, after, 100))!;
      seen.push(...page.events.map(({ type }) => type));
      after = page.through;
      ended = page.ended;
    }
    expect([nth, ended, seen]).toEqual([nth, true, ['JOB_PENDING', 'JOB_COMPLETED']]);
    writer.close();
    db.close();
  }
});
