import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expand, openExpansion } from '../../src/engine/expander.js';
import type { Parts } from '../../src/engine/parts.js';
import { isEnded } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import { resolveInput } from '../../src/reference.js';
import {
  interpret,
  type PlainItem,
  type PlainNode,
  type PlainPipeline,
  TooLarge,
} from '../support/interpreter.js';
import { Fixture } from './fixture.js';

const RUNS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 2_000 : 60;

/** What the tasks of a node give. */
type Gives = { kind: 'input' } | { kind: 'list'; length: number } | { kind: 'object' };

interface Shape {
  pipeline: PlainPipeline;
  algorithms: Map<string, Gives>;
}

const rawList = fc.oneof(
  fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }).map((list) => `#[${list.join(',')}]`),
  fc
    .tuple(fc.integer({ min: -2, max: 2 }), fc.integer({ min: 0, max: 4 }))
    .map(([from, size]) => `#[${from}...${from + size - 1}]`),
);
const path = fc.constantFrom('', '', '', '.0', '.v', '.l', '.l.1');

/** A value of an input, where the nodes before it may be referred to. */
function value(before: number): fc.Arbitrary<unknown> {
  const leaf = fc.constantFrom<unknown>(1, null, 'text', '#no', {}, [], '@flowInput.o', '@flowInput.l.0');
  const batch = fc.oneof(rawList, fc.constantFrom('#@flowInput.l', '#@flowInput.none', '#@flowInput.o'));
  const node = fc.tuple(
    fc.constantFrom('@', '@', '#@', '*@', '*@', '*@'),
    fc.nat(Math.max(before - 1, 0)),
    path,
  );
  const refers = node.map(([sign, index, tail]) => `${sign}n${index}${tail}`);
  const plain = before === 0 ? fc.oneof(leaf, batch, batch) : fc.oneof(leaf, batch, refers, refers, refers);
  return fc.oneof(
    plain,
    plain,
    plain.map((one) => ({ k: one })),
    fc.tuple(plain, plain).map(([one, two]) => [one, { b: two }]),
  );
}

const shapes: fc.Arbitrary<Shape> = fc.integer({ min: 1, max: 7 }).chain((count) =>
  fc
    .record({
      nodes: fc.tuple(
        ...Array.from({ length: count }, (_, index) =>
          fc.record({
            input: fc.array(value(index), { minLength: 1, maxLength: 3 }),
            batchOperation: fc.constantFrom<'indexed' | 'cartesian'>('indexed', 'cartesian'),
            gives: fc.oneof<fc.Arbitrary<Gives>[]>(
              fc.constant({ kind: 'input' }),
              fc.record({ kind: fc.constant('list'), length: fc.nat(4) }),
              fc.constant({ kind: 'object' }),
            ),
          }),
        ),
      ),
      order: fc.shuffledSubarray(
        Array.from({ length: count }, (_, index) => index),
        { minLength: count },
      ),
      failing: fc.array(fc.tuple(fc.nat(count - 1), fc.integer({ min: 1, max: 6 })), { maxLength: 4 }),
      tolerance: fc.constantFrom(0, 30, 60, 100),
    })
    .map(({ nodes, order, failing, tolerance }): Shape => {
      const algorithms = new Map(nodes.map(({ gives }, index) => [`n${index}`, gives]));
      const fails = new Set(failing.map(([node, item]) => `n${node}#${item}`));
      const all = nodes.map(
        ({ input, batchOperation }, index): PlainNode => ({ nodeName: `n${index}`, input, batchOperation }),
      );
      const run = (nodeName: string, index: number, input: unknown[]): unknown => {
        const gives = algorithms.get(nodeName)!;
        if (fails.has(`${nodeName}#${index}`)) throw new Error(`no ${nodeName}#${index}`);
        if (gives.kind === 'input') return input;
        if (gives.kind === 'list')
          return Array.from({ length: gives.length }, (_, n) => `${nodeName}.${index}.${n}`);
        return { v: index, l: [nodeName, [index]], i: input };
      };
      const flowInput = { l: [1, null, { x: 'y' }], none: [], o: { l: ['deep'] } };
      return {
        pipeline: { nodes: order.map((index) => all[index]!), flowInput, tolerance, run },
        algorithms,
      };
    }),
);

/** Numbers by which everything that may come in any order is decided. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('a graph of any shape', () => {
  let f: Fixture;
  let parts: Parts;
  beforeAll(async () => {
    f = await Fixture.open();
    parts = f.parts();
  });
  afterAll(() => f.close());

  async function play({ pipeline }: Shape, seed: number): Promise<PlainItem[] | null> {
    const below = chance(seed);
    const jobId = await f.submit({
      name: 'p',
      flowInput: pipeline.flowInput,
      options: { batchTolerance: pipeline.tolerance },
      nodes: pipeline.nodes.map((node) => ({ ...node, algorithmName: 'one', retry: { policy: 'Never' } })),
    });
    let leased: LeasedTask[] = [];
    let place: string | null = null;

    const grow = async (): Promise<boolean> => {
      const next = await f.store.nextExpansion(place);
      if (!next) return false;
      place = next.place;
      const batch = await openExpansion(parts, next);
      if (batch) await expand(parts, next, batch, 1 + below(4), 1 + below(2));
      return true;
    };
    const claim = async (): Promise<boolean> => {
      const tasks = await f.claim(1 + below(4), ['one']);
      leased.push(...tasks);
      return tasks.length > 0;
    };
    const end = async (): Promise<boolean> => {
      const [task] = leased.splice(below(leased.length), 1);
      if (!task) return false;
      const input = resolveInput(task.source);
      try {
        await f.succeed(task, pipeline.run(task.nodeName, task.batchIndex ?? 0, input) ?? null);
      } catch (error) {
        const { message } = error as Error;
        await f.settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message, crash: false });
      }
      return true;
    };
    const actions = [grow, claim, end, end];
    for (let idle = 0, step = 0; ; step++) {
      const job = (await f.store.job(f.account, jobId))!;
      if (isEnded(job.status)) break;
      if (idle > 20 || step > 5_000) {
        const nodes = f.rows('select * from job_nodes where job = (select max(key) from jobs)');
        throw new Error(`stands still: ${JSON.stringify(nodes)}`);
      }
      const some = Array.from({ length: 1 + below(3) }, () => actions[below(actions.length)]!);
      // At once: what one of them reads, another may be about to change.
      const did = await Promise.all(some.map((action) => action()));
      idle = did.includes(true) || leased.length > 0 ? 0 : idle + 1;
    }
    leased = [];
    const left = f.rows(
      `select 1 from arrivals union all select 1 from job_nodes where expanding = 1 union all select 1 from ready_jobs`,
    );
    expect(left).toEqual([]);
    const { events } = (await f.store.jobEvents(f.account, jobId, null, 0, 10_000))!;
    const told = events.flatMap(({ facts }) => (facts.of === 'job' ? [facts.progress] : []));
    const percents = told.map(({ percent }) => percent);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    for (const { states, total } of told)
      expect(states.reduce((sum, [, count]) => sum + count, 0)).toBe(total);
    const job = (await f.store.job(f.account, jobId))!;
    if (job.status === 'FAILED') return null;
    expect(job.progress.percent).toBe(100);
    const items = await f.store.results(f.account, jobId, 0, 10_000, 100_000_000);
    return items.map(({ nodeName, batchIndex, resultJson, error }) => ({
      nodeName,
      batchIndex,
      ...(resultJson !== null && { result: JSON.parse(resultJson) }),
      ...(error !== null && { error }),
    }));
  }

  it('gives what it gives node by node, whatever the order in which tasks end and rows are made', async () => {
    let waited = 0;
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(), async (shape, seed) => {
        let expected: PlainItem[] | null;
        try {
          expected = interpret(shape.pipeline);
        } catch (error) {
          fc.pre(!(error instanceof TooLarge));
          throw error;
        }
        expect(await play(shape, seed)).toEqual(expected);
        waited += f.rows(
          `select 1 from job_nodes where waits <> '[]' and total > 1 and job = (select max(key) from jobs)`,
        ).length;
      }),
      { numRuns: RUNS },
    );
    expect(f.miscounted()).toEqual([]);
    // Or the graphs would say nothing about what is taken one by one.
    expect(waited).toBeGreaterThan(RUNS / 10);
  });
});
