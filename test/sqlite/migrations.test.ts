import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseJobId } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import { openSqliteStore } from '../../src/sqlite/store.js';
import { ALL, Fixture } from './fixture.js';

const MIGRATIONS = new URL('../../src/sqlite/migrations/', import.meta.url);
interface Entry {
  tag: string;
  when: number;
}
const { entries } = JSON.parse(readFileSync(new URL('meta/_journal.json', MIGRATIONS), 'utf8')) as {
  entries: Entry[];
};

let f: Fixture;
let folder: string;
beforeEach(async () => {
  f = await Fixture.open();
  folder = await mkdtemp(join(tmpdir(), 'carillon-migrations-'));
});
afterEach(async () => {
  await f.close();
  await rm(folder, { recursive: true, force: true });
});

/** A database as the first `count` migrations left it, with every row of the fixture that fits into its tables. */
function older(count: number): string {
  const data = join(folder, String(count));
  const raw = new Database(join(data, 'carillon.db'));
  raw.exec(
    'create table __drizzle_migrations (id integer primary key, hash text not null, created_at numeric)',
  );
  for (const { tag, when } of entries.slice(0, count)) {
    raw.exec(readFileSync(new URL(`${tag}.sql`, MIGRATIONS), 'utf8'));
    raw.prepare("insert into __drizzle_migrations (hash, created_at) values ('', ?)").run(when);
  }
  raw.prepare('attach ? as now').run(f.raw.name);
  const tables = raw
    .prepare(
      "select name from main.sqlite_master where type = 'table' and name not like '\\_\\_%' escape '\\'",
    )
    .pluck()
    .all() as string[];
  for (const table of tables) {
    const columns = raw.prepare('select name from pragma_table_info(?)').pluck().all(table).join(', ');
    raw.exec(`insert into main.${table} (${columns}) select ${columns} from now.${table}`);
  }
  raw.close();
  return data;
}

it('a database of the first version is brought up to date, and its counters are those of what it holds', async () => {
  const other = (await f.store.ensureAccount('other', 'whsec_b3RoZXI=', f.at())).id;
  await f.store.ensureAccount('idle', 'whsec_aWRsZQ==', f.at());
  const { id } = await f.store.createApiKey(f.account, {
    name: 'k',
    prefix: 'car_',
    hash: 'h',
    scopes: ['READ'],
    limits: { requestsPerSecond: null, sockets: null },
    expiresAt: null,
    at: f.at(),
  });
  await f.webhook('http://hook.example/');
  const batch = { name: 'b', nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] }] };
  const jobs = [
    await f.submit(batch),
    await f.submit(f.single({ flowInput: { text: 'grüße' } })),
    await f.submit(f.single()),
  ];
  await f.submit(f.single(), [], other);
  const items = ['["ä"]', '[2]'];
  await f.settleJob(jobs[0]!, { kind: 'expanded', node: 0, at: f.at(), total: 2, from: 0, items });
  const tasks = (await f.claim(10)).filter((task) => jobs[0] === task.jobId || jobs[1] === task.jobId);
  for (const task of tasks.slice(1)) await f.succeed(task, 'ö'.repeat(100));
  await f.settleJob(jobs[2]!, { kind: 'cancel', at: f.at(), reason: '' });
  for (const due of await f.lanes()) await f.record(due);
  const usage = [await f.store.usage(f.account), await f.store.usage(other)];
  expect(usage).toMatchObject([{ runningJobs: 1 }, { runningJobs: 1 }]);
  expect(usage[0]!.storedBytes).toBeGreaterThan(usage[1]!.storedBytes + 200);

  await mkdir(join(folder, '1'));
  const data = older(1);
  const store = openSqliteStore({ folder: data, clock: f.clock, ids: f.ids, own: true });
  try {
    expect([await store.usage(f.account), await store.usage(other)]).toEqual(usage);
    expect(await store.accountByName('idle')).toMatchObject({ limits: NO_LIMITS });
    expect(await store.apiKeys(f.account, ALL)).toEqual([await f.store.apiKey(f.account, id)]);
    expect(await store.apiKeyByHash('h', f.at())).toMatchObject({ id, revokedAt: null });
    expect(await store.job(f.account, jobs[0]!)).toEqual(await f.store.job(f.account, jobs[0]!));
  } finally {
    await store.close();
  }
});

it('jobs that run in a database of the first version go on, can be paused, and count where others are held', async () => {
  const nodes = [
    { nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] },
    { nodeName: 'b', algorithmName: 'two', input: ['#@a'], retry: { policy: 'Never' } },
  ];
  const [open, paused, fresh] = [
    await f.submit({ name: 'b', nodes }),
    await f.submit(f.single()),
    await f.submit({ name: 'b', nodes }),
  ];
  await f.settleJob(open, {
    kind: 'expanded',
    node: 0,
    at: f.at(),
    total: 2,
    from: 0,
    items: ['[1]', '[2]'],
  });
  const [first] = await f.claim(1);
  await f.succeed(first!, 1);
  await mkdir(join(folder, '1'));
  const store = openSqliteStore({ folder: older(1), clock: f.clock, ids: f.ids, own: true });
  const { store: before } = f;
  f.store = store;
  try {
    const at = f.at();
    const status = async (id: string) => (await store.job(f.account, id))!.status;
    await f.settleJob(paused, { kind: 'pause', at });
    const limited = {
      name: 'b',
      nodes,
      options: { concurrentPipelines: { amount: 2, rejectOnFailure: false } },
    };
    const held = await f.submit(limited);
    expect(await store.nextExpansion(null)).toMatchObject({ node: 0, waits: false, keeping: false });
    expect(await store.overdueJobs(at + 1e12, 10)).toMatchObject({ jobUuids: [parseJobId(held)!.uuid] });
    expect((await f.claim(10)).map(({ jobId }) => jobId)).toEqual([open]);
    await f.settleJob(fresh, { kind: 'cancel', at, reason: 'r' });
    await f.settleJob(held, { kind: 'expanded', node: 0, at, total: 1, from: 0, items: ['[1]'] });
    await f.settleJob(paused, { kind: 'resume', at });
    expect((await f.claim(10)).map(({ jobId }) => jobId).sort()).toEqual([held, paused].sort());
    expect([await status(open), await status(paused)]).toEqual(['ACTIVE', 'PENDING']);
  } finally {
    f.store = before;
    await store.close();
  }
});
