import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KilledServer } from '../support/killed.js';

const KILLS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 20 : 2;
const ITEMS = 160;
/** Eight results a chunk: copying them all takes 20 commits. */
const TEXT = 'ü'.repeat(30_000);

let server: KilledServer;
const ask = <T>(query: string, variables: object = {}) => server.ask<T>(query, variables);

beforeEach(async () => {
  server = await KilledServer.open();
});
afterEach(() => server.close());

interface Job {
  status: string;
  nodes: { progress: { succeeded: number } }[];
}
const jobOf = async (id: string) =>
  (
    await ask<{ job: Job }>('query ($id: ID!) { job(id: $id) { status nodes { progress { succeeded } } } }', {
      id,
    })
  ).job;
const ended = async (id: string) => {
  for (;;) {
    const { status } = await jobOf(id);
    if (!['PENDING', 'ACTIVE'].includes(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
/** Resolves in the middle of the copying, or false where it was over before anybody saw it. */
async function halfCopied(id: string): Promise<boolean> {
  for (;;) {
    const { succeeded } = (await jobOf(id)).nodes[0]!.progress;
    if (succeeded >= ITEMS) return false;
    if (succeeded > 0) return true;
  }
}

const SUBMIT =
  'mutation ($d: JSON!) { made: submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }';
const RERUN =
  'mutation ($id: ID!) { made: rerunJob(input: { id: $id, from: FAILED }) { job { id } userErrors { message } } }';
const make = async (query: string, variables: object) =>
  (await ask<{ made: { job: { id: string } } }>(query, variables)).made.job.id;

/** Tasks of the batch of a job and its results, as they lie in the database. */
function rowsOf(id: string): unknown {
  const db = new Database(join(server.folder, 'carillon.db'), { readonly: true });
  const rows = db
    .prepare(
      `select count(*) as tasks, count(distinct t.item) as items, count(r.value) as results, sum(octet_length(r.value)) as bytes,
         sum(i.value = '[' || t.item || ']') as inputs, min(t.status) as low, max(t.status) as high
       from jobs j join tasks t on t.job = j.key and t.node = 0
       left join task_results r on r.job = t.job and r.node = t.node and r.item = t.item
       left join task_items i on i.job = t.job and i.node = t.node and i.item = t.item where j.uuid = ?`,
    )
    .get(id.split(':')[1]);
  db.close();
  return rows;
}

it('a server that is killed while it copies what a rerun keeps goes on where it was, and neither loses nor doubles any', async () => {
  const retry = { policy: 'Never' };
  const tally = (nodeName: string, ...input: unknown[]) => ({
    nodeName,
    algorithmName: 'tally',
    input: ['@flowInput.folder', ...input],
    retry,
  });
  await writeFile(join(server.folder, 'bad end'), '');
  const first = await make(SUBMIT, {
    d: {
      name: 'large',
      flowInput: { folder: server.folder, text: TEXT },
      nodes: [
        tally('items', `#[1...${ITEMS}]`, '@flowInput.text'),
        { ...tally('end', 'end', 'done'), input: ['@flowInput.folder', 'end', 'done', '@items'] },
      ],
    },
  });
  expect(await ended(first)).toBe('FAILED');
  await rm(join(server.folder, 'bad end'));
  await rm(join(server.folder, 'runs'));
  let kills = 0;
  for (let reruns = 1; kills === 0; reruns++) {
    const id = await make(RERUN, { id: first });
    while (kills < KILLS && (await halfCopied(id))) {
      await server.kill();
      kills++;
      await server.start();
    }
    expect(await ended(id)).toBe('COMPLETED');
    expect(rowsOf(id)).toEqual(rowsOf(first));
    expect(rowsOf(id)).toMatchObject({ tasks: ITEMS, items: ITEMS, results: ITEMS, inputs: ITEMS });
    expect((await readFile(join(server.folder, 'runs'), 'utf8')).split('\n')).toEqual([
      ...Array(reruns).fill('end'),
      '',
    ]);
  }
}, 120_000);
