import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { type BatchOpener, openHere } from '../../src/batch.js';
import { createEngine } from '../../src/engine/create-engine.js';
import type { Engine } from '../../src/engine/engine.js';
import { createExpander } from '../../src/engine/expander.js';
import type { Parts } from '../../src/engine/parts.js';
import { ProblemError } from '../../src/errors.js';
import { isEnded, parseJobId } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import type { Loop } from '../../src/loop.js';
import { memoryBus } from '../../src/memory/bus.js';
import { resolveInput } from '../../src/reference.js';
import type { RerunFrom } from '../../src/rerun.js';
import { ALL, Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

const RUNS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 120 : 12;

/** What the input of a node is made of: a way to refer to an earlier node, or something else. */
type Part = { parent: number; sign: '@' | '#@' | '*@' } | string | number;

const parts = fc.oneof(
  { weight: 9, arbitrary: fc.record({ parent: fc.nat(20), sign: fc.constantFrom('@', '#@', '*@', '*@') }) },
  { weight: 2, arbitrary: fc.constantFrom('#[1...3]', '#[a,b]', '#@flowInput.list', '#@flowInput.none') },
  { weight: 1, arbitrary: fc.nat(5) },
);
const graphs = fc
  .array(fc.record({ parts: fc.array(parts, { minLength: 1, maxLength: 2 }), cartesian: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((nodes) =>
    nodes.map(({ parts, cartesian }, index) => ({
      nodeName: `n${index}`,
      algorithmName: index % 2 ? 'two' : 'one',
      input: parts.flatMap((part: Part) => {
        if (typeof part !== 'object') return [part];
        return index === 0 ? ['#[1...4]'] : [`${part.sign}n${part.parent % index}`];
      }),
      batchOperation: cartesian ? 'cartesian' : 'indexed',
      retry: { policy: 'Never' },
    })),
  );

/** What an algorithm makes of its input: a list of one or two, or nothing that can be a batch. */
function algorithm(nodeName: string, input: unknown): unknown {
  const [a = 0, b = 0] = digest(nodeName + JSON.stringify(input));
  return a % 5 ? Array.from({ length: b % 9 ? 1 + (b % 2) : 0 }, (_, index) => index * a) : { a };
}

/** Gives items one by one: a job can be ended between any two. */
const shortly: BatchOpener = async (inputs) => {
  const batch = await openHere(inputs);
  return 'items' in batch
    ? { ...batch, items: (from, count) => batch.items(from, Math.min(count, 1)) }
    : batch;
};

const digest = (text: string) => createHash('sha256').update(text).digest();

interface Way {
  /** Whether a task fails, by "<node>.<item>". */
  fails(task: string): boolean;
  /** The job is cancelled once so many tasks have ended. */
  cancelAfter?: number;
}
const healthy: Way = { fails: () => false };

describe('a job that is run again', () => {
  let f: Fixture;
  let engine: Engine;
  let expander: Loop;
  beforeEach(async () => {
    f = await Fixture.open();
    start();
  });
  afterEach(async () => {
    await expander.stop();
    await f.close();
  });

  function start(): void {
    const { store, clock, ids } = f;
    const log = { debug() {}, info() {}, warn() {}, error: (facts: object) => expect(facts).toBeNull() };
    const bus = memoryBus((error) => expect(error).toBeNull());
    const made = fake<Parts>('parts', {
      store,
      bus,
      clock,
      ids,
      log,
      limits: NO_LIMITS,
      algorithms: new Map(['one', 'two'].map((name) => [name, name])),
      formats: new Set(),
      openBatch: shortly,
    });
    engine = createEngine(made);
    expander = createExpander(made);
    bus.listen('expansion', () => expander.wake());
    expander.start();
  }

  /** Runs the tasks of whatever there is until the job has ended; answers which have run. */
  async function run(id: string, { fails, cancelAfter = Number.POSITIVE_INFINITY }: Way): Promise<string[]> {
    const ran: string[] = [];
    for (let turns = 0; turns < 5_000; turns++) {
      if (ran.length >= cancelAfter) await f.settleJob(id, { kind: 'cancel', at: f.at(), reason: 'enough' });
      if (isEnded((await f.store.job(f.account, id))!.status)) return ran.sort();
      if (turns % 100 === 99) await passOver(id);
      expander.wake();
      // One at a time, so that every state is seen in which a job may be cancelled.
      for (const task of await f.claim(1, ['one', 'two'])) {
        const input = resolveInput(task.source);
        const name = `${task.nodeName}.${task.batchIndex ?? 0}`;
        ran.push(name);
        const message = 'bad';
        if (fails(name))
          await f.settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message, crash: false });
        else await f.succeed(task, algorithm(task.nodeName, input));
      }
    }
    throw new Error(`the job does not go on: ${JSON.stringify(await f.store.nodeRows(f.account, id))}`);
  }

  /** Products of products come to tens of thousands of tasks: such a graph is no case. */
  async function passOver(id: string): Promise<void> {
    const rows = (await f.store.nodeRows(f.account, id)) ?? [];
    if (rows.reduce((sum, { total }) => sum + (total ?? 0), 0) <= 1_000) return;
    await f.settleJob(id, { kind: 'cancel', at: f.at(), reason: 'too large' });
    fc.pre(false);
  }

  const results = async (id: string) => f.store.results(f.account, id, 0, 10_000, 1e9);
  const tasks = async (id: string) => f.store.tasks(f.account, id, {}, ALL);
  const nameOf = ({ nodeName, item }: { nodeName: string; item: number }) => `${nodeName}.${item}`;
  const rerun = async (jobId: string, from: RerunFrom) =>
    (await engine.rerunJob(f.account, { jobId, from, idempotencyKey: null, received: null })).id;
  const refused = async (jobId: string, from: RerunFrom) => {
    const error = await rerun(jobId, from).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    return (error as ProblemError).message;
  };
  const pipeline = (nodes: object[], batchTolerance = 80) => ({
    name: 'p',
    flowInput: { list: [5, 6], none: [] },
    options: { batchTolerance },
    nodes,
  });

  /** Tasks of a job that would give the same again: they and all that they depend on have succeeded. */
  async function kept(id: string): Promise<string[]> {
    const nodes = new Map((await f.store.nodes(f.account, id)).map((node) => [node.name, node]));
    const clean = (name: string): boolean => {
      const { status, progress, dependsOn } = nodes.get(name)!;
      return ['SUCCEEDED', 'SKIPPED'].includes(status) && progress.failed === 0 && dependsOn.every(clean);
    };
    const stay = (await tasks(id)).filter(
      ({ status, nodeName }) => status === 'SUCCEEDED' && nodes.get(nodeName)!.dependsOn.every(clean),
    );
    return stay.map(nameOf);
  }

  it('from FAILED gives what a run without failures gives, and runs nothing of what it keeps', async () => {
    await fc.assert(
      fc.asyncProperty(
        graphs,
        fc.integer({ min: 20, max: 100 }),
        fc.nat(),
        fc.constantFrom(0, 5, 15),
        fc.option(fc.nat(30), { nil: 1_000 }),
        fc.option(fc.nat(5), { nil: 1_000 }),
        async (nodes, tolerance, seed, failing, cancelAfter, cancelAgain) => {
          const fails = (task: string) => digest(task + seed)[0]! % 100 < failing;
          const fresh = await f.submit(pipeline(nodes, tolerance));
          await run(fresh, healthy);
          let id = await f.submit(pipeline(nodes, tolerance));
          await run(id, { fails, cancelAfter });
          // Twice: what was kept once, and what was only half of it copied, is kept or run again.
          for (const way of [{ ...healthy, cancelAfter: cancelAgain }, healthy]) {
            const stays = await kept(id);
            const all = (await f.store.nodes(f.account, id)).every(
              ({ status, progress }) => ['SUCCEEDED', 'SKIPPED'].includes(status) && progress.failed === 0,
            );
            if (all) {
              expect(await refused(id, { kind: 'FAILED' })).toContain('nothing that failed');
              break;
            }
            id = await rerun(id, { kind: 'FAILED' });
            const ran = await run(id, way);
            expect(ran.filter((name) => stays.includes(name))).toEqual([]);
            if ((await f.store.job(f.account, id))!.status === 'CANCELLED') continue;
            expect([...ran, ...stays].sort()).toEqual((await tasks(id)).map(nameOf).sort());
          }
          expect(await results(id)).toEqual(await results(fresh));
          expect((await tasks(id)).map(nameOf)).toEqual((await tasks(fresh)).map(nameOf));
          const [job, like] = await Promise.all([id, fresh].map((one) => f.store.job(f.account, one)));
          expect(job!.status).toBe('COMPLETED');
          expect({ ...job!.progress, states: [] }).toEqual({ ...like!.progress, states: [] });
        },
      ),
      { numRuns: RUNS },
    );
    expect(f.miscounted()).toEqual([]);
  }, 600_000);

  it('from a node runs it and its successors alone, and gives the same results of them', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, fc.nat(5), async (nodes, pick) => {
        const nodeName = `n${pick % nodes.length}`;
        const first = await f.submit(pipeline(nodes));
        await run(first, healthy);
        const shown = await f.store.nodes(f.account, first);
        const runs = new Set([nodeName]);
        for (const { name, dependsOn } of shown) if (dependsOn.some((one) => runs.has(one))) runs.add(name);
        const waiting = (await f.store.nodeRows(f.account, first)).find(
          (node) => runs.has(node.name) && node.waits.some((parent) => !runs.has(shown[parent]!.name)),
        );
        if (waiting) {
          const why = `relation waitAny for node ${waiting.name} is not allowed`;
          expect(await refused(first, { kind: 'NODE', nodeName })).toBe(why);
          return;
        }
        const id = await rerun(first, { kind: 'NODE', nodeName });
        const all = (await tasks(first)).filter((task) => runs.has(task.nodeName)).map(nameOf);
        expect(await run(id, healthy)).toEqual(all.sort());
        expect(await results(id)).toEqual((await results(first)).filter((one) => runs.has(one.nodeName)));
        const parents = shown.flatMap(({ name, dependsOn }) => (runs.has(name) ? [name, ...dependsOn] : []));
        expect((await f.store.nodes(f.account, id)).map(({ name }) => name)).toEqual(
          nodes.map((node) => node.nodeName).filter((name) => parents.includes(name)),
        );
      }),
      { numRuns: RUNS },
    );
    expect(f.miscounted()).toEqual([]);
  }, 600_000);

  it('goes on after a node that it keeps as skipped, for whose items another one waits', async () => {
    const id = await f.submit(
      pipeline(
        [
          { nodeName: 'n0', algorithmName: 'one', input: ['#[1,2]'] },
          { nodeName: 'n1', algorithmName: 'two', input: ['#@flowInput.none'] },
          { nodeName: 'n2', algorithmName: 'one', input: ['*@n1', '*@n0'], retry: { policy: 'Never' } },
        ],
        10,
      ),
    );
    await run(id, { fails: (task) => task === 'n2.1' });
    const again = await rerun(id, { kind: 'FAILED' });
    expect(await run(again, healthy)).toEqual(expect.arrayContaining(['n2.1']));
    expect((await f.store.job(f.account, again))!.status).toBe('COMPLETED');
  });

  it('ends by nothing that was on its way while it was paused before its start', async () => {
    await expander.stop();
    const id = await f.submit(
      pipeline([
        { nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] },
        { nodeName: 'b', algorithmName: 'two', input: ['*@a', '#@flowInput.none'] },
      ]),
    );
    const at = f.at();
    await f.settleJob(id, { kind: 'expanded', node: 0, at, total: 2, from: 0, items: ['[1]', '[2]'] });
    for (const task of await f.claim(2)) await f.succeed(task);
    await f.settleJob(id, { kind: 'cancel', at, reason: 'enough' });
    const again = await rerun(id, { kind: 'FAILED' });
    const status = async () => (await f.store.job(f.account, again))!.status;
    await f.store.keep(parseJobId(again)!.uuid, 0, at, advance);
    expect(await f.store.nextExpansion(null)).toMatchObject({ node: 1, waits: true });
    await engine.pauseJob(f.account, again);
    // What the expander had read by then: there are no tasks for any item.
    const late = { from: 0, fan: 0, scanned: 2, arrivals: [], rows: [] };
    const settled = await f.settleJob(again, { kind: 'spawned', node: 1, at, ...late });
    expect([settled.accepted, await status()]).toEqual([[false], 'PAUSED']);
    await engine.resumeJob(f.account, again);
    expander.start();
    await expect.poll(status).toBe('COMPLETED');
  });
});
