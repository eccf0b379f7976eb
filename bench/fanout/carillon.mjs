// Carillon as users run it. The tasks are held by this file in place of a worker: progress comes through the same
// door as from the pool's threads, with the rules, the event, its commit and the bus.
import { systemClock } from '../../dist/src/clock.js';
import { parseDescriptor } from '../../dist/src/descriptor.js';
import { createLeases } from '../../dist/src/engine/leases.js';
import { newJob } from '../../dist/src/engine/new-job.js';
import { graphOf } from '../../dist/src/graph.js';
import { systemIds } from '../../dist/src/id.js';
import { RAW } from '../../dist/src/job.js';
import { NO_LIMITS } from '../../dist/src/limits.js';
import { parseLeaseToken } from '../../dist/src/task.js';
import { quiet, withServer } from '../server.mjs';
import { underMeasurement } from './child.mjs';

const QUEUE = 'held-by-the-bench';
const HOUR = 3_600_000;
const ids = systemIds(systemClock);

let finish;
const finished = new Promise((resolve) => {
  finish = resolve;
});
const closed = withServer({ CARILLON_SHUTDOWN_MS: '1000', CARILLON_ACCOUNT_SOCKETS: '0' }, async (app) => {
  await serve(app, Number(process.argv[2]));
  await finished;
});
await closed;

async function serve({ url, store, bus, defaultAccountId }, count) {
  const leases = createLeases(
    { store, bus, clock: systemClock, log: quiet },
    { queues: [QUEUE], worker: 'bench', leaseMs: HOUR },
  );
  const settle = async (tasks, facts) => {
    const { accepted } = await leases.settle(
      tasks.map((task) => outcome(task, { ...facts, at: Date.now() })),
    );
    if (!accepted.every(Boolean)) throw new Error('an outcome was not taken');
  };
  const tasks = [];
  while (tasks.length < count) tasks.push(...(await heldTask(store, leases, defaultAccountId)));
  await settle(tasks, { kind: 'started' });
  let step = 0;
  underMeasurement({
    url: `${url}/graphql`,
    jobs: tasks.map(({ jobId }) => jobId),
    publish() {
      step++;
      return settle(tasks, { kind: 'progress', percent: step % 100, message: `step ${step} is done` });
    },
    close() {
      finish();
      return closed;
    },
  });
}

/** A job of one task that is ours: made and claimed in one commit, or the pool would fail it for want of an algorithm. */
async function heldTask(store, leases, accountId) {
  const at = Date.now();
  const { descriptor } = parseDescriptor({
    name: 'fanout',
    nodes: [{ nodeName: 'n', algorithmName: QUEUE }],
  });
  const job = newJob(ids.uuid(), descriptor, graphOf(descriptor).graph, RAW, at);
  const [, held] = await Promise.all([
    store.submit({ accountId, job, targets: [], idempotency: null, limits: NO_LIMITS, at }),
    leases.acquire(1),
  ]);
  return held;
}

function outcome({ token }, facts) {
  const ref = parseLeaseToken(token);
  return { jobUuid: ref.jobUuid, outcome: { ...facts, ref, token } };
}
