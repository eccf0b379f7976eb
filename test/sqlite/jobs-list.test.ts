import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../../src/sqlite/database.js';
import { ALL, Fixture } from './fixture.js';

const JOBS = 12_000;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.open();
});
afterEach(() => fixture.close());

/** One job that was submitted, and copies of its row; every 4,000th is of another pipeline. */
async function fill(): Promise<void> {
  await fixture.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo', input: [] }] });
  const db = openDatabase(dirname(fixture.raw.name), { migrate: false });
  const columns = (db.raw.pragma('table_info(jobs)') as { name: string }[]).map(({ name }) => name);
  const values = columns.map((name) => {
    if (name === 'key') return 'null';
    if (name === 'uuid') return "substr(uuid, 1, 24) || printf('%012d', value)";
    if (name === 'number') return 'value';
    if (name === 'pipeline') return "iif(value % 4000 = 0, 'rare', 'p')";
    return name;
  });
  db.raw.exec(
    `with recursive n(value) as (select 2 union all select value + 1 from n where value < ${JOBS})
     insert into jobs (${columns.join(', ')}) select ${values.join(', ')} from n, (select * from jobs where number = 1)`,
  );
  db.close();
}

const numbers = async (filter: object, page: object) =>
  (await fixture.store.jobs(fixture.account, filter, { ...ALL, ...page })).map(({ number }) => number);

test('a list of jobs finds what is rare however far apart, from both ends, page by page', async () => {
  await fill();
  const rare = { pipelines: ['rare'] };
  expect(await numbers(rare, {})).toEqual([12_000, 8_000, 4_000]);
  expect(await numbers(rare, { inverted: true })).toEqual([4_000, 8_000, 12_000]);
  expect(await numbers(rare, { limit: 2 })).toEqual([12_000, 8_000]);
  const [, second, last] = await fixture.store.jobs(fixture.account, rare, ALL);
  expect(await numbers(rare, { after: second!.id })).toEqual([4_000]);
  expect(await numbers(rare, { before: last!.id, inverted: true })).toEqual([8_000, 12_000]);
  expect(await numbers(rare, { after: 'rare:none' })).toEqual([]);
  expect(await numbers({ tags: ['none'] }, {})).toEqual([]);
  expect(await numbers({}, { limit: 3 })).toEqual([12_000, 11_999, 11_998]);
  expect(await numbers({}, {})).toHaveLength(JOBS);
});

test('a list that matches nothing lets others have their turn', async () => {
  await fill();
  let turns = 0;
  const tick = () => {
    turns++;
    again = setImmediate(tick);
  };
  let again = setImmediate(tick);
  await numbers({ tags: ['none'] }, {});
  clearImmediate(again);
  expect(turns).toBeGreaterThanOrEqual(2);
});
