import { describe, expect, it } from 'vitest';
import type { Change, Spawned } from '../src/state.js';
import { ModelJob } from './support/model.js';

/** Node 0 is a batch, whose items node 1 takes one by one; node 2 takes those of node 1. */
const chain = (fan?: null) =>
  new ModelJob([
    { parents: [], batch: true, retryLimit: 1 },
    { parents: [0], batch: true, waits: [0], ...(fan === null && { fan }) },
    { parents: [1], batch: true, waits: [1] },
  ]);

const expand = (job: ModelJob, node: number, total: number): Change =>
  job.apply({ kind: 'expanded', node, at: 1, total, from: 0, items: Array(total).fill('[1]') });

const spawn = (job: ModelJob, more: Partial<Spawned>): Change =>
  job.apply({
    kind: 'spawned',
    node: 1,
    at: 2,
    from: job.nodes[1]!.expanded,
    fan: 1,
    scanned: 0,
    arrivals: [],
    rows: [],
    ...more,
  });

function succeed(job: ModelJob, node: number, item: number): Change {
  const task = job.tasks.get(`${node}.${item}`)!;
  task.token = `t${node}.${item}`;
  return job.apply({ kind: 'succeeded', ref: { node, item }, token: task.token, at: 3, result: '1' });
}

const statuses = (job: ModelJob) => job.nodes.map(({ status, total }) => [status, total]);

describe('a node that takes items one by one', () => {
  it('is active, with all its tasks counted, as soon as it is known how many items there are', () => {
    const job = chain();
    expect(statuses(job)).toEqual([
      ['ACTIVE', null],
      ['WAITING', null],
      ['WAITING', null],
    ]);
    const change = expand(job, 0, 3);
    expect(statuses(job)).toEqual([
      ['ACTIVE', 3],
      ['ACTIVE', 3],
      ['ACTIVE', 3],
    ]);
    expect(change.newTasks.map(({ node }) => node)).toEqual([0, 0, 0]);
    expect(change.job.progress.total).toBe(9);
  });

  it('counts its tasks once it is known how many there are for each item', () => {
    const job = chain(null);
    expand(job, 0, 3);
    expect(statuses(job).slice(1)).toEqual([
      ['ACTIVE', null],
      ['WAITING', null],
    ]);
    spawn(job, { fan: 4 });
    expect(statuses(job).slice(1)).toEqual([
      ['ACTIVE', 12],
      ['ACTIVE', 12],
    ]);
  });

  it('is skipped, and what waits for it, where there are no items, or no tasks for them', () => {
    const empty = chain();
    expand(empty, 0, 0);
    expect(statuses(empty)).toEqual(Array(3).fill(['SKIPPED', 0]));
    expect(empty.events.map(({ type }) => type)).toEqual([
      'JOB_PENDING',
      'TASK_SKIPPED',
      'TASK_SKIPPED',
      'TASK_SKIPPED',
      'JOB_ACTIVE',
      'JOB_COMPLETED',
    ]);
    const without = chain(null);
    expand(without, 0, 2);
    spawn(without, { fan: 0, scanned: 0 });
    expect(statuses(without).slice(1)).toEqual(Array(2).fill(['SKIPPED', 0]));
  });

  it('is told of each item that ends, until all its tasks are made', () => {
    const job = chain();
    expand(job, 0, 2);
    expect(succeed(job, 0, 2).arrivals).toEqual([{ node: 1, item: 2 }]);
    const made = spawn(job, { arrivals: [7], scanned: 1, rows: [{ item: 2, json: null }] });
    expect(made.lookedAt).toEqual([7]);
    expect(made.newTasks).toMatchObject([{ node: 1, item: 2, status: 'READY', itemJson: null }]);
    expect(succeed(job, 1, 2).arrivals).toEqual([{ node: 2, item: 2 }]);
    spawn(job, { scanned: 2, rows: [{ item: 1, json: null }] });
    // Somebody else has seen that it was there.
    expect(succeed(job, 0, 1).arrivals).toEqual([]);
  });

  it('takes no rows that were made of what it was before', () => {
    const job = chain();
    expand(job, 0, 2);
    succeed(job, 0, 1);
    const rows = [{ item: 1, json: null }];
    expect(spawn(job, { rows, arrivals: [1] }).accepted).toEqual([true]);
    const late = spawn(job, { rows, arrivals: [1, 2], from: 0 });
    expect([late.accepted, late.newTasks, late.lookedAt]).toEqual([[false], [], []]);
    expect(job.apply({ kind: 'expanded', node: 1, at: 3, total: 9, from: 1, items: [] }).accepted).toEqual([
      false,
    ]);
  });

  it('waits for all of a parent that it takes whole as well', () => {
    const job = new ModelJob([
      { parents: [], batch: true },
      { parents: [], batch: false },
      { parents: [0, 1], batch: true, waits: [0] },
    ]);
    expand(job, 0, 2);
    expect(job.nodes[2]!.status).toBe('WAITING');
    expect(succeed(job, 0, 1).arrivals).toEqual([]);
    succeed(job, 1, 0);
    expect(statuses(job)[2]).toEqual(['ACTIVE', 2]);
    expect(succeed(job, 0, 2).arrivals).toEqual([{ node: 2, item: 2 }]);
  });

  it('goes by the parent that has most items; a skipped one has none', () => {
    const job = new ModelJob([
      { parents: [], batch: true },
      { parents: [], batch: true },
      { parents: [0, 1], batch: true, waits: [0, 1] },
    ]);
    expand(job, 0, 0);
    expect(job.nodes[2]!.status).toBe('WAITING');
    expand(job, 1, 5);
    expect(statuses(job)[2]).toEqual(['ACTIVE', 5]);
  });
});
