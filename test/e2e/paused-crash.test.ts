import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { judge } from '../support/history.js';
import { KilledServer } from '../support/killed.js';

interface Event {
  type: string;
  sequence: number;
}
interface Shown {
  status: string;
  results: { nodes: { result: unknown }[] };
  tasks: { nodes: { nodeName: string; status: string; attempt: number }[] };
  events: { nodes: Event[] };
}

let server: KilledServer;
const ask = <T>(query: string, variables: object = {}) => server.ask<T>(query, variables);

beforeEach(async () => {
  server = await KilledServer.open();
});
afterEach(() => server.close());

const submit = async (descriptor: object) => {
  const query =
    'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }';
  const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(query, {
    d: descriptor,
  });
  return submitDescriptor.job.id;
};
const show = async (id: string) =>
  (
    await ask<{ job: Shown }>(
      `query ($id: ID!) { job(id: $id) { status results { nodes { result } }
        tasks(first: 100) { nodes { nodeName status attempt } } events(first: 100) { nodes { type sequence } } } }`,
      { id },
    )
  ).job;
const until = async (id: string, holds: (job: Shown) => boolean) => {
  for (;;) {
    const job = await show(id);
    if (holds(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const change = (field: 'pauseJob' | 'resumeJob', id: string) =>
  ask<Record<string, { job: { status: string } }>>(
    `mutation ($id: ID!) { ${field}(input: { id: $id }) { job { status } userErrors { message } } }`,
    { id },
  );
const count = (job: Shown, type: string) => job.events.nodes.filter((event) => event.type === type).length;

it('a server that is killed while a job is paused leaves it paused, and resuming completes it with nothing doubled or lost', async () => {
  const gate = join(server.folder, 'gate');
  const retry = { policy: 'OnCrash', limit: 5 };
  const id = await submit({
    name: 'held',
    nodes: [
      { nodeName: 'before', algorithmName: 'list', input: [5] },
      { nodeName: 'batch', algorithmName: 'echo', input: ['#@before', '@running'] },
      { nodeName: 'running', algorithmName: 'until', input: [gate], retry },
      { nodeName: 'after', algorithmName: 'echo', input: ['@batch'] },
    ],
  });
  await until(id, (job) => count(job, 'TASK_ACQUIRED') === 2 && count(job, 'TASK_COMPLETED') === 1);
  expect((await change('pauseJob', id))['pauseJob']!.job.status).toBe('PAUSED');
  const paused = await show(id);
  await server.kill();
  // What ran when the server was killed could go on now, if anything of this job could.
  await writeFile(gate, '');
  await server.start();
  // Its lease is given back at the start, and the retry falls due while others run.
  const other = await submit({
    name: 'other',
    nodes: [{ nodeName: 'a', algorithmName: 'nap', input: [1_500] }],
  });
  await until(other, (job) => job.status === 'COMPLETED');
  const still = await show(id);
  expect(still.status).toBe('PAUSED');
  expect(still.tasks.nodes.map(({ status }) => status)).not.toContain('ACTIVE');
  expect(count(still, 'TASK_ACQUIRED')).toBe(count(paused, 'TASK_ACQUIRED'));

  await change('resumeJob', id);
  const done = await until(id, (job) => job.status === 'COMPLETED');
  expect(judge(done.events.nodes)).toEqual({ wrong: [], state: 'COMPLETED' });
  expect(done.results.nodes).toEqual([{ result: [[1, 2, 3, 4, 5].map((item) => [item, 'seen'])] }]);
  expect(done.tasks.nodes.map(({ nodeName, attempt }) => [nodeName, attempt])).toEqual([
    ['before', 1],
    ...Array(5).fill(['batch', 1]),
    ['running', 2],
    ['after', 1],
  ]);
  expect(count(done, 'TASK_COMPLETED')).toBe(8);
}, 120_000);

it('a server that is killed while jobs are held forgets none of them, and lets in one at a time', async () => {
  const gate = join(server.folder, 'gate');
  const limited = (externalId: string, algorithmName: string, input: unknown[]) => ({
    name: 'one-by-one',
    externalId,
    options: { concurrentPipelines: { amount: 1, rejectOnFailure: false } },
    nodes: [{ nodeName: 'a', algorithmName, input, retry: { policy: 'OnCrash', limit: 5 } }],
  });
  const first = await submit(limited('first', 'until', [gate]));
  const others = [];
  for (const name of ['a', 'b', 'c']) others.push(await submit(limited(name, 'echo', [name])));
  await until(first, (job) => job.status === 'ACTIVE');
  await server.kill();
  await server.start();
  for (const id of others) expect((await show(id)).status).toBe('PENDING');
  await writeFile(gate, '');
  for (const id of [first, ...others]) await until(id, (job) => job.status === 'COMPLETED');
  const { events } = await ask<{ events: { nodes: { type: string; job: { id: string } }[] } }>(
    '{ events(first: 100) { nodes { type job { id } } } }',
  );
  const order = events.nodes
    .filter(({ type }) => type === 'JOB_ACTIVE' || type === 'JOB_COMPLETED')
    .map(({ type, job }) => [type, job.id]);
  expect(order).toEqual(
    [first, ...others].flatMap((id) => [
      ['JOB_ACTIVE', id],
      ['JOB_COMPLETED', id],
    ]),
  );
}, 120_000);
