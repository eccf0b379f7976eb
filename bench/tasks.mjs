// No-op tasks: what a batch of them takes from submission to the end, against a loop that does no more than it must.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openDatabase } from '../dist/src/sqlite/database.js';
import { ended, submit, withServer } from './server.mjs';
import { watch } from './stall.mjs';

export async function carillonTasks(count) {
  return withServer({}, async (app) => {
    await ended(app, await submit(app, noops('warm-up', 500)));
    const stop = watch();
    const started = performance.now();
    await ended(app, await submit(app, noops('bench', count)));
    const seconds = (performance.now() - started) / 1_000;
    return { perSecond: count / seconds, ...stop() };
  });
}

function noops(name, count) {
  return { name, nodes: [{ nodeName: 'n', algorithmName: 'noop', input: [`#[1...${count}]`] }] };
}

const BATCH = 250;

/** The same rows in the same tables: claim a batch, run an async no-op on each in a thread, settle with two events each. */
export async function bareTasks(count) {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bare-'));
  const db = openDatabase(folder, { migrate: true }).raw;
  const thread = new Worker(
    `import { parentPort } from 'node:worker_threads';
     const noop = async () => null;
     parentPort.on('message', async (items) => {
       const results = [];
       for (const item of items) results.push(JSON.stringify(await noop(JSON.parse(item))));
       parentPort.postMessage(results);
     });`,
    { eval: true, type: 'module' },
  );
  const answer = () => new Promise((resolve) => thread.once('message', resolve));
  const sql = {
    task: db.prepare(
      "insert into tasks (job, node, item, queue, status, queued_at) values (1, 0, ?, 'noop', 'READY', 0)",
    ),
    item: db.prepare('insert into task_items (job, node, item, value) values (1, 0, ?, ?)'),
    ready: db.prepare(
      "select t.item, i.value from tasks t join task_items i using (job, node, item) where t.job = 1 and t.queue = 'noop' and t.status = 'READY' and t.token is null order by t.node, t.item limit ?",
    ),
    lease: db.prepare(
      'update tasks set token = ?, worker = ?, lease_expires_at = ? where job = 1 and node = 0 and item = ?',
    ),
    done: db.prepare(
      "update tasks set status = 'SUCCEEDED', attempt = 1, token = null, started_at = ?, finished_at = ? where job = 1 and node = 0 and item = ?",
    ),
    result: db.prepare('insert into task_results (job, node, item, value) values (1, 0, ?, ?)'),
    event: db.prepare(
      'insert into events (account, position, job, sequence, type, occurred_at, facts) values (1, ?, 1, ?, ?, ?, ?)',
    ),
    node: db.prepare('update job_nodes set succeeded = succeeded + ? where job = 1 and node = 0'),
  };
  const started = performance.now();
  for (let from = 1; from <= count; from += 1_000) {
    db.transaction(() => {
      for (let item = from; item < from + 1_000 && item <= count; item++) {
        sql.task.run(item);
        sql.item.run(item, `[${item}]`);
      }
    }).immediate();
  }
  let position = 0;
  for (let left = count; left > 0; ) {
    const batch = db
      .transaction(() => {
        const rows = sql.ready.all(BATCH);
        for (const row of rows) sql.lease.run(`token-${row.item}`, 'bare', Date.now() + 30_000, row.item);
        return rows;
      })
      .immediate();
    const reply = answer();
    thread.postMessage(batch.map((row) => row.value));
    const results = await reply;
    db.transaction(() => {
      const now = Date.now();
      batch.forEach(({ item }, index) => {
        sql.done.run(now, now, item);
        sql.result.run(item, results[index]);
        for (const type of ['TASK_ACQUIRED', 'TASK_COMPLETED']) {
          position++;
          const facts = {
            of: 'task',
            node: 0,
            item,
            nodeName: 'n',
            algorithmName: 'noop',
            queue: 'noop',
            status: 'ACTIVE',
            attempt: 1,
            worker: 'bare',
            acquiredAt: now,
            leaseExpiresAt: now,
            error: null,
            retryAt: null,
            percent: null,
            message: null,
          };
          sql.event.run(position, position, type, now, JSON.stringify(facts));
        }
      });
      sql.node.run(batch.length);
    }).immediate();
    left -= batch.length;
  }
  const seconds = (performance.now() - started) / 1_000;
  await thread.terminate();
  db.close();
  rmSync(folder, { recursive: true, force: true });
  return { perSecond: count / seconds };
}
