import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EventFacts, isTerminal } from '../src/event.js';
import type { Outcome } from '../src/state.js';
import { ModelJob, type NodeShape } from './support/model.js';

const graphs = fc
  .array(
    fc.record({
      parents: fc.array(fc.nat(20), { maxLength: 3 }),
      batch: fc.boolean(),
      retryLimit: fc.integer({ min: 1, max: 3 }),
    }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((nodes): NodeShape[] =>
    nodes.map((node, index) => ({
      ...node,
      parents: index === 0 ? [] : [...new Set(node.parents.map((parent) => parent % index))],
    })),
  );

/** What chance does to a job, one number after the other: claims, starts, ends, crashes, expansions. */
const moves = fc.array(fc.record({ act: fc.nat(9), pick: fc.nat(50) }), { minLength: 0, maxLength: 300 });

function play(job: ModelJob, { act, pick }: { act: number; pick: number }, at: number): void {
  const leased = job.leased;
  const task = leased[pick % Math.max(leased.length, 1)];
  const node = job.expanding[pick % Math.max(job.expanding.length, 1)];
  if (act === 0 || (!task && !node)) {
    job.claim(pick);
  } else if ((act <= 2 || !task) && node) {
    const total = node.total ?? pick % 5;
    const count = Math.min(1 + (pick % 2), total - node.expanded);
    job.apply({
      kind: 'expanded',
      node: node.index,
      at,
      total,
      from: node.expanded,
      items: Array(Math.max(count, 0)).fill('[1]'),
    });
  } else if (task) {
    const ref = { node: task.node, item: task.item };
    const token = task.token!;
    const outcomes: Outcome[] = [
      { kind: 'started', ref, token, at },
      { kind: 'succeeded', ref, token, at, result: '1' },
      { kind: 'succeeded', ref, token, at, result: '2' },
      { kind: 'failed', ref, token, at, code: 'ALGORITHM_ERROR', message: 'no', crash: false },
      { kind: 'expired', ref, token, at },
      { kind: 'released', ref, token, at },
      { kind: 'progress', ref, token, at, percent: 50, message: null },
    ];
    job.apply(outcomes[(act + pick) % outcomes.length]!);
  }
}

/** Lets everything that can go on succeed. */
function finish(job: ModelJob): number {
  let steps = 0;
  while (!job.ended && steps++ < 2_000) {
    const node = job.expanding[0];
    if (node) {
      const total = node.total ?? 2;
      job.apply({
        kind: 'expanded',
        node: node.index,
        at: 9,
        total,
        from: node.expanded,
        items: Array(total - node.expanded).fill('[1]'),
      });
      continue;
    }
    const task = job.leased[0] ?? job.claim(0);
    if (!task) break;
    job.apply({ kind: 'succeeded', ref: task, token: task.token!, at: 9, result: '"end"' });
  }
  return steps;
}

describe('advance', () => {
  it('ends every graph, whatever order things happen in', () => {
    fc.assert(
      fc.property(graphs, fc.integer({ min: 0, max: 100 }), moves, (shapes, tolerance, script) => {
        const job = new ModelJob(shapes, tolerance);
        script.forEach((move, at) => {
          play(job, move, at);
        });
        finish(job);
        expect(['COMPLETED', 'FAILED']).toContain(job.job.status);
        expect(isTerminal(job.events.at(-1)!.type)).toBe(true);
        expect(job.events.filter((event) => isTerminal(event.type))).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  it('makes each task once, and only after its parents are finished', () => {
    fc.assert(
      fc.property(graphs, moves, (shapes, script) => {
        const job = new ModelJob(shapes, 100);
        script.forEach((move, at) => {
          const before = new Set(job.made.keys());
          play(job, move, at);
          for (const key of job.made.keys()) {
            if (before.has(key)) continue;
            const node = job.nodes[Number(key.split('.')[0])]!;
            for (const parent of node.parents)
              expect(['SUCCEEDED', 'SKIPPED']).toContain(job.nodes[parent]!.status);
          }
        });
        finish(job);
        expect([...job.made.values()].every((count) => count === 1)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('never shows a percent lower than before, and counts that add up', () => {
    fc.assert(
      fc.property(graphs, moves, (shapes, script) => {
        const job = new ModelJob(shapes, 100);
        script.forEach((move, at) => {
          play(job, move, at);
        });
        finish(job);
        let highest = 0;
        for (const { facts } of job.events) {
          if (facts.of !== 'job') continue;
          expect(facts.progress.percent).toBeGreaterThanOrEqual(highest);
          highest = facts.progress.percent;
          const counted = facts.progress.states.reduce((sum, [, count]) => sum + count, 0);
          expect(counted).toBe(facts.progress.total);
        }
        for (const node of job.nodes) expect(node.active).toBe(0);
        if (job.job.status === 'COMPLETED') expect(highest).toBe(100);
      }),
      { numRuns: 300 },
    );
  });

  it('tells of progress at most once a whole percent', () => {
    const job = new ModelJob([{ parents: [], batch: true }]);
    job.apply({ kind: 'expanded', node: 0, at: 1, total: 1_000, from: 0, items: Array(1_000).fill('[1]') });
    finish(job);
    const told = job.events.filter((event) => event.type === 'JOB_PROGRESS');
    expect(told.length).toBe(99);
    expect(job.job.status).toBe('COMPLETED');
  });

  it('refuses a token that is not the one the task is leased under', () => {
    const job = new ModelJob([{ parents: [], batch: false }]);
    const task = job.claim(0)!;
    const stale = {
      kind: 'succeeded',
      ref: { node: 0, item: 0 },
      token: 'other',
      at: 1,
      result: '1',
    } as const;
    expect(job.apply(stale).accepted).toEqual([false]);
    expect(job.apply({ ...stale, token: task.token! }).accepted).toEqual([true]);
    expect(job.apply({ ...stale, token: task.token! }).accepted).toEqual([false]);
    expect(job.results).toEqual(new Map([['0.0', '1']]));
  });

  it('cancels what is under lease, tells its holder to stop, and lets the rest never start', () => {
    const job = new ModelJob([
      { parents: [], batch: true },
      { parents: [0], batch: false },
    ]);
    job.apply({ kind: 'expanded', node: 0, at: 1, total: 3, from: 0, items: ['[1]', '[2]', '[3]'] });
    const task = job.claim(0)!;
    const token = task.token!;
    job.apply({ kind: 'started', ref: task, token, at: 2 });
    const change = job.apply({ kind: 'cancel', at: 3, reason: 'enough' });
    expect(change.revoked).toEqual([token]);
    expect(change.events.map((event) => event.type)).toEqual(['TASK_CANCELLED', 'JOB_CANCELLED']);
    expect(job.job).toMatchObject({ status: 'CANCELLED', reason: 'enough', finishedAt: 3 });
    expect(factsOf(change.events.at(-1)!.facts).progress.states).toEqual([['stopped', 4]]);
    expect(job.apply({ kind: 'cancel', at: 4, reason: 'again' }).accepted).toEqual([false]);
  });

  it.each([
    { tolerance: 20, failed: 1, status: 'FAILED' },
    { tolerance: 60, failed: 1, status: 'COMPLETED' },
    { tolerance: 60, failed: 3, status: 'FAILED' },
    { tolerance: 100, failed: 1, status: 'COMPLETED' },
    { tolerance: 0, failed: 1, status: 'FAILED' },
    { tolerance: 100, failed: 5, status: 'FAILED' },
  ])(
    'ends a batch of 5 with $failed failed items as $status at tolerance $tolerance',
    ({ tolerance, failed, status }) => {
      const job = new ModelJob([{ parents: [], batch: true, retryLimit: 1 }], tolerance);
      job.apply({ kind: 'expanded', node: 0, at: 1, total: 5, from: 0, items: Array(5).fill('[1]') });
      for (let item = 0; item < 5 && !job.ended; item++) {
        const task = job.claim(0)!;
        const end = { ref: task, token: task.token!, at: 2 };
        job.apply(
          item < failed
            ? { ...end, kind: 'failed', code: 'ALGORITHM_ERROR', message: 'boom', crash: false }
            : { ...end, kind: 'succeeded', result: '1' },
        );
      }
      expect(job.job.status).toBe(status);
    },
  );

  it('says how many failed, how many that is, and what the last one said', () => {
    const job = new ModelJob([{ parents: [], batch: true, retryLimit: 1 }], 30);
    job.apply({ kind: 'expanded', node: 0, at: 1, total: 4, from: 0, items: Array(4).fill('[1]') });
    for (let item = 0; item < 2 && !job.ended; item++) {
      const task = job.claim(0)!;
      job.apply({
        kind: 'failed',
        ref: task,
        token: task.token!,
        at: 2,
        code: 'ALGORITHM_ERROR',
        message: 'boom',
        crash: false,
      });
    }
    expect(job.job.error?.message).toBe('2/4 (50%) failed tasks, batch tolerance is 30%, error: boom');
    expect(job.job.error).toMatchObject({ code: 'BATCH_TOLERANCE', nodeName: 'n0' });
  });

  it('counts an attempt from the start, and a lease lost before it as lost, twenty times at most', () => {
    const job = new ModelJob([{ parents: [], batch: false, retryLimit: 1 }]);
    for (let lost = 0; lost < 19; lost++) {
      const task = job.claim(0)!;
      job.apply({ kind: 'expired', ref: task, token: task.token!, at: 1 });
      expect(job.tasks.get('0.0')).toMatchObject({ status: 'READY', attempt: 0, lost: lost + 1 });
    }
    const task = job.claim(0)!;
    job.apply({ kind: 'expired', ref: task, token: task.token!, at: 1 });
    expect(job.job).toMatchObject({ status: 'FAILED', error: { code: 'LEASE_LOST' } });
  });

  it('retries later and later, and tells when', () => {
    const job = new ModelJob([{ parents: [], batch: false, retryLimit: 3 }]);
    const waits: (number | null)[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const task = job.claim(0)!;
      const change = job.apply({
        kind: 'failed',
        ref: task,
        token: task.token!,
        at: 1_000,
        code: 'EXITED',
        message: 'exit',
        crash: true,
      });
      for (const { type, facts } of change.events)
        if (type === 'TASK_RETRIED' && facts.of === 'task') waits.push(facts.retryAt);
    }
    expect(waits).toEqual([2_000, 3_000]);
    expect(job.job).toMatchObject({ status: 'FAILED', error: { message: 'exit', code: 'EXITED' } });
  });

  it('skips a batch over nothing, and hands its children an empty list by running them', () => {
    const job = new ModelJob([
      { parents: [], batch: true },
      { parents: [0], batch: false },
    ]);
    job.apply({ kind: 'expanded', node: 0, at: 1, total: 0, from: 0, items: [] });
    expect(job.nodes[0]!.status).toBe('SKIPPED');
    expect(job.nodes[1]!.status).toBe('ACTIVE');
    finish(job);
    expect(job.job.status).toBe('COMPLETED');
    expect(factsOf(job.events.at(-1)!.facts).progress.states).toEqual([
      ['skipped', 1],
      ['succeed', 1],
    ]);
  });

  it('counts what is kept without a word, runs what did not succeed, and starts what waits once all is copied', () => {
    const job = new ModelJob([
      { parents: [], batch: true },
      { parents: [0], batch: false },
    ]);
    Object.assign(job.nodes[0]!, { total: 4, keeping: { whole: false, next: 0 } });
    const kept = { kind: 'kept', node: 0, at: 1, failed: 0, gone: false } as const;
    const early: Outcome = { kind: 'expanded', node: 0, at: 1, total: 4, from: 0, items: ['[1]'] };
    expect(job.apply(early).accepted).toEqual([false]);
    const again = [{ item: 2, itemJson: '[2]' }];
    const first = job.apply({ ...kept, from: 0, next: 3, succeeded: 1, again });
    expect(first).toMatchObject({ accepted: [true], newTasks: [{ node: 0, item: 2, itemJson: '[2]' }] });
    expect(first.events.map((event) => event.type)).toEqual(['JOB_PROGRESS']);
    expect(job.apply({ ...kept, from: 0, next: 3, succeeded: 1, again }).accepted).toEqual([false]);
    expect(job.apply({ ...kept, from: 3, next: null, succeeded: 1, again: [] }).accepted).toEqual([true]);
    expect(job.nodes[0]).toMatchObject({ expanded: 3, succeeded: 2, keeping: null, status: 'ACTIVE' });
    expect(job.apply({ ...kept, from: 4, next: null, succeeded: 1, again: [] }).accepted).toEqual([false]);
    finish(job);
    expect(job.nodes.map(({ succeeded }) => succeeded)).toEqual([4, 1]);
    expect(job.made.get('0.2')).toBe(1);
    expect(job.job.status).toBe('COMPLETED');
  });

  it('is active before it is completed, even if nothing ever ran', () => {
    const job = new ModelJob([{ parents: [], batch: true }]);
    job.apply({ kind: 'expanded', node: 0, at: 1, total: 0, from: 0, items: [] });
    expect(job.events.map((event) => event.type)).toEqual([
      'JOB_PENDING',
      'TASK_SKIPPED',
      'JOB_ACTIVE',
      'JOB_COMPLETED',
    ]);
  });
});

function factsOf(facts: EventFacts) {
  if (facts.of !== 'job') throw new Error('not about a job');
  return facts;
}
