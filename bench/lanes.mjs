// One job, many deliveries waiting in its lane: what claiming the next one costs must not depend on how many there are.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { advance } from '../dist/src/advance.js';
import { systemClock } from '../dist/src/clock.js';
import { parseDescriptor } from '../dist/src/descriptor.js';
import { newJob } from '../dist/src/engine/new-job.js';
import { eventTypes } from '../dist/src/event.js';
import { graphOf } from '../dist/src/graph.js';
import { systemIds } from '../dist/src/id.js';
import { RAW } from '../dist/src/job.js';
import { NO_LIMITS } from '../dist/src/limits.js';
import { openSqliteStore } from '../dist/src/sqlite/store.js';
import { parseLeaseToken } from '../dist/src/task.js';

const ROUNDS = 200;

/** Milliseconds for one claim and one record with `waiting` deliveries in the lane. */
export async function claimCost(waiting) {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-lanes-'));
  const ids = systemIds(systemClock);
  const store = openSqliteStore({ folder, clock: systemClock, ids, own: true });
  const account = await store.ensureAccount('default', 'whsec_x', Date.now());
  const url = 'http://receiver.example/';
  await store.registerWebhook({
    accountId: account.id,
    url,
    urlKey: url,
    description: null,
    events: [...eventTypes],
    pipelines: [],
    format: 'STANDARD',
    headers: [],
    secret: 'whsec_x',
    timeoutMs: 5_000,
    maxPerSecond: null,
    enabled: true,
    at: Date.now(),
  });
  const { descriptor } = parseDescriptor({
    name: 'p',
    nodes: [{ nodeName: 'n', algorithmName: 'noop', input: ['#[1]'] }],
  });
  const uuid = ids.uuid();
  await store.submit({
    accountId: account.id,
    job: newJob(uuid, descriptor, graphOf(descriptor).graph, RAW, Date.now()),
    targets: [],
    idempotency: null,
    limits: NO_LIMITS,
    at: Date.now(),
  });
  const total = Math.ceil((waiting + ROUNDS) / 2);
  for (let from = 0; from < total; from += 1_000) {
    const items = Array.from({ length: Math.min(1_000, total - from) }, () => '[1]');
    await store.settle(
      { jobUuid: uuid, outcomes: [{ kind: 'expanded', node: 0, at: Date.now(), total, from, items }] },
      advance,
    );
  }
  for (let left = total; left > 0; ) {
    const tasks = await store.claim({
      queues: ['noop'],
      max: Math.min(500, left),
      worker: 'w',
      leaseMs: 60_000,
      at: Date.now(),
    });
    const outcomes = tasks.map(({ token }) => ({
      kind: 'succeeded',
      ref: parseLeaseToken(token),
      token,
      at: Date.now(),
      result: 'null',
    }));
    await store.settle({ jobUuid: uuid, outcomes }, advance);
    left -= tasks.length;
  }
  const started = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    const [due] = await store.claimLanes({
      max: 1,
      maxPerUrl: 8,
      maxResultBytes: 1_000_000,
      leaseMs: 60_000,
      at: Date.now(),
    });
    const record = {
      deliveryId: due.deliveryId,
      token: due.token,
      number: 1,
      startedAt: 0,
      durationMs: 1,
      outcome: 'DELIVERED',
      statusCode: 200,
      responseSnippet: null,
      requestHeaders: [],
      body: '{}',
      bodyBytes: 2,
      bodySha256: 'x',
    };
    await store.recordAttempt(record, 0.5, Date.now());
  }
  const ms = (performance.now() - started) / ROUNDS;
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  return ms;
}
