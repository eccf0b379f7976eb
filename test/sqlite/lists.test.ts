import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../../src/sqlite/database.js';
import type { TaskFilter } from '../../src/store.js';
import { ALL, Fixture } from './fixture.js';

const ROWS = 12_000;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.open();
});
afterEach(() => fixture.close());

/** One job of one task, and copies of the row of a table, in which these columns differ. */
async function fill(table: 'jobs' | 'tasks', differing: Record<string, string>): Promise<string> {
  const id = await fixture.submit({
    name: 'p',
    nodes: [{ nodeName: 'a', algorithmName: 'echo', input: [] }],
  });
  const db = openDatabase(dirname(fixture.raw.name), { migrate: false });
  const columns = (db.raw.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
  const values = columns.map((name) => differing[name] ?? name);
  db.raw.exec(
    `with recursive n(value) as (select 2 union all select value + 1 from n where value < ${ROWS})
     insert into ${table} (${columns.join(', ')}) select ${values.join(', ')} from n, (select * from ${table} limit 1)`,
  );
  db.close();
  return id;
}

/** Every 4,000th is of another pipeline. */
const fillJobs = () =>
  fill('jobs', {
    key: 'null',
    uuid: "substr(uuid, 1, 24) || printf('%012d', value)",
    number: 'value',
    pipeline: "iif(value % 4000 = 0, 'rare', 'p')",
  });

const numbers = async (filter: object, page: object) =>
  (await fixture.store.jobs(fixture.account, filter, { ...ALL, ...page })).map(({ number }) => number);

test('a list of jobs finds what is rare however far apart, from both ends, page by page', async () => {
  await fillJobs();
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
  expect(await numbers({}, {})).toHaveLength(ROWS);
});

test('a list that matches nothing lets others have their turn', async () => {
  await fillJobs();
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

test('a list of tasks finds what is rare however far apart, from both ends, page by page', async () => {
  const id = await fill('tasks', { item: 'value', status: "iif(value % 4000 = 0, 'FAILED', status)" });
  const { store, account } = fixture;
  const items = async (filter: TaskFilter, page: object) =>
    (await store.tasks(account, id, filter, { ...ALL, ...page })).map((task) => task.item);
  const rare = { statuses: ['FAILED' as const] };
  const found = await store.tasks(account, id, rare, ALL);
  const [first, second, last] = found.map((task) => task.item);
  expect(found).toHaveLength(3);
  expect(await items(rare, { inverted: true })).toEqual([last, second, first]);
  expect(await items(rare, { limit: 2 })).toEqual([first, second]);
  expect(await items(rare, { after: found[0]!.id })).toEqual([second, last]);
  expect(await items(rare, { before: found[2]!.id, inverted: true })).toEqual([second, first]);
  expect(await items({ ...rare, node: 0 }, {})).toEqual([first, second, last]);
  expect(await items({ ...rare, node: 1 }, {})).toEqual([]);
  expect(await items({ statuses: ['SUCCEEDED'] }, {})).toEqual([]);
  expect(await items({}, {})).toHaveLength(ROWS);
  expect(new Set(await items({}, {})).size).toBe(ROWS);
});
