import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deletePipeline, savePipeline } from '../../src/engine/pipelines.js';
import { createTriggers, MAX_PARENT_BYTES } from '../../src/engine/triggers.js';
import { UnavailableError } from '../../src/errors.js';
import { MAX_TRIGGER_DEPTH } from '../../src/triggers.js';
import { ALL, Fixture } from '../sqlite/fixture.js';
import { partsOf, step } from './loops.js';

const node = { nodeName: 'a', algorithmName: 'one', input: ['@flowInput'] };

describe('triggers', () => {
  let f: Fixture;
  let parts: ReturnType<typeof partsOf>;
  beforeEach(async () => {
    f = await Fixture.open();
    parts = partsOf(f);
  });
  afterEach(() => f.close());

  const save = (name: string, sources: string[], more: object = {}) =>
    savePipeline(parts, f.account, {
      descriptor: { name, nodes: [node], triggers: { pipelines: sources }, ...more },
      ...{ mode: 'either', ifVersion: null },
    });
  const raw = (name: string, more: object = {}) => f.submit({ name, nodes: [node], flowInput: {}, ...more });
  const jobs = () => f.store.jobs(f.account, {}, ALL);
  const owed = async () => (await f.store.dueTriggers(100, 1e9)).length;
  const error = async (name: string) => (await f.store.pipeline(f.account, name))?.triggerError;
  /** What the newest job was given. */
  async function given(): Promise<unknown> {
    const [newest] = await jobs();
    const { flowInput } = JSON.parse((await f.store.descriptor(f.account, newest!.id))!) as {
      flowInput: unknown;
    };
    return flowInput;
  }
  /** Ends the one job that is ready, then submits what that triggers. */
  async function succeed(result: unknown = 1): Promise<void> {
    const [task] = await f.claim(1);
    await f.succeed(task!, result);
    while ((await owed()) > 0) await step(createTriggers(parts));
  }

  it('run a pipeline after each completed run of one that it names, with its results as flowInput.parent', async () => {
    await save('b', ['a'], { flowInput: { kept: true, parent: ['a', 'sample'] }, tags: ['t'] });
    const parentId = await raw('a');
    await succeed({ sum: 6 });
    const [child, parent] = await jobs();
    expect(parent!.id).toBe(parentId);
    expect(child).toMatchObject({
      pipelineName: 'b',
      types: ['stored', 'trigger'],
      parentId,
      depth: 1,
      tags: ['t'],
    });
    expect(await given()).toEqual({
      kept: true,
      parent: [{ nodeName: 'a', algorithmName: 'one', result: { sum: 6 } }],
    });
    expect((await f.store.children(f.account, parentId, ALL)).map(({ id }) => id)).toEqual([child!.id]);
    await succeed();
    await raw('a');
    await succeed();
    expect((await jobs()).map(({ pipelineName }) => pipelineName)).toEqual(['b', 'a', 'b', 'a']);
  });

  it('run nothing after a run that failed or was cancelled', async () => {
    await save('b', ['a']);
    await raw('a');
    const [task] = await f.claim(1);
    await f.settle(task!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'no', crash: false });
    await f.settleJob(await raw('a'), { kind: 'cancel', at: f.at(), reason: '' });
    expect(await owed()).toBe(0);
  });

  it('hand on the items of a batch, those that failed and nodes that were skipped, in order', async () => {
    await save('b', ['a']);
    const batch = { ...node, nodeName: 'batch', input: ['#[x,y,z]'] };
    const skipped = { ...node, nodeName: 'skipped', input: ['#@flowInput.none'] };
    const jobId = await raw('a', {
      nodes: [skipped, batch],
      flowInput: { none: [] },
      options: { batchTolerance: 100 },
    });
    for (const [index, total] of [0, 3].entries())
      await f.settleJob(jobId, {
        ...{ kind: 'expanded', node: index, at: f.at(), total, from: 0 },
        items: Array(total).fill('["x"]'),
      });
    const tasks = await f.claim(3);
    await f.succeed(tasks[0]!, 'first');
    await f.settle(tasks[1]!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'boom', crash: false });
    await f.succeed(tasks[2]!, null);
    await step(createTriggers(parts));
    expect(await given()).toEqual({
      parent: [
        { nodeName: 'skipped', batchIndex: -1, algorithmName: 'one' },
        { nodeName: 'batch', batchIndex: 1, algorithmName: 'one', result: 'first' },
        { nodeName: 'batch', batchIndex: 2, algorithmName: 'one', error: 'boom' },
        { nodeName: 'batch', batchIndex: 3, algorithmName: 'one', result: null },
      ],
    });
  });

  it('hand on results of 4 MiB, and refuse more with a sentence that is remembered until the next run', async () => {
    await save('b', ['a']);
    // With the frame of the one item and the quotes.
    const frame = JSON.stringify({ nodeName: 'a', algorithmName: 'one', result: '' }).length + 1;
    const jobId = await raw('a');
    await succeed('x'.repeat(MAX_PARENT_BYTES - frame + 1));
    expect(await jobs()).toHaveLength(1);
    const sentence = `the results of job ${jobId} are longer than 4194304 characters of JSON, which is as much as can be handed on as flowInput.parent`;
    expect(await error('b')).toBe(sentence);
    expect(parts.log.lines).toEqual([`a triggered run was refused: ${sentence}`]);
    await raw('a');
    await succeed('x'.repeat(MAX_PARENT_BYTES - frame));
    expect(await jobs()).toHaveLength(3);
    expect(await error('b')).toBeNull();
  });

  it('read no results that are too long anyway, nor too many at once', async () => {
    for (const name of ['b', 'c', 'd']) await save(name, ['a']);
    await raw('a');
    const [task] = await f.claim(1);
    await f.succeed(task!, 'x'.repeat(MAX_PARENT_BYTES / 2));
    await step(createTriggers(parts));
    expect(await owed()).toBe(2);
    await step(createTriggers(parts));
    await step(createTriggers(parts));
    expect(await owed()).toBe(0);
    expect(await jobs()).toHaveLength(4);
  });

  it('that are refused by the hundred do not fill the log: of an account some are told in a minute', async () => {
    for (let count = 0; count < 30; count++) await save(`b${count}`, ['a']);
    await raw('a');
    const algorithms = parts.algorithms;
    parts.algorithms = new Map();
    const [task] = await f.claim(1);
    await f.succeed(task!, 1);
    const loop = createTriggers(parts);
    while ((await owed()) > 0) await step(loop);
    parts.algorithms = algorithms;
    const refused = 'a triggered run was refused: algorithm one Not Found; known are: none';
    const silent = 'what else becomes of its pipelines is not told for a minute';
    expect(parts.log.lines).toEqual([...Array(10).fill(refused), silent]);
    expect(await error('b29')).toBe('algorithm one Not Found; known are: none');
    await f.clock.advance(60_000);
    parts.algorithms = new Map();
    await raw('a');
    const [again] = await f.claim(1);
    await f.succeed(again!, 1);
    await step(loop);
    expect(parts.log.lines).toHaveLength(19);
  });

  it('that name each other in a circle run until a chain of runs is as long as it may be', async () => {
    await save('a', ['c']);
    await save('b', ['a']);
    await save('c', ['b']);
    await raw('a');
    for (let depth = 0; depth <= MAX_TRIGGER_DEPTH; depth++) await succeed(depth);
    const all = (await jobs()).reverse();
    expect(all.map(({ depth }) => depth)).toEqual(
      Array.from({ length: MAX_TRIGGER_DEPTH + 1 }, (_, depth) => depth),
    );
    expect(all.slice(0, 4).map(({ pipelineName }) => pipelineName)).toEqual(['a', 'b', 'c', 'a']);
    expect(await f.claim(1)).toEqual([]);
    const last = all.at(-1)!;
    expect(await error(['a', 'b', 'c'][(MAX_TRIGGER_DEPTH + 1) % 3]!)).toBe(
      `job ${last.id} is run 32 of a chain of runs that started each other, and a chain ends there: see that no pipeline triggers itself, by whatever way`,
    );
  });

  it('that are refused for any reason are owed no more, and others are paid', async () => {
    await save('b', ['a'], { nodes: [{ ...node, algorithmName: 'gone' }] });
    await save('c', ['a'], { nodes: [{ ...node, input: ['@flowInput.missing'] }] });
    await save('d', ['a']);
    await raw('a');
    await succeed();
    expect((await jobs()).map(({ pipelineName }) => pipelineName)).toEqual(['d', 'a']);
    expect(await error('b')).toBe('algorithm gone Not Found; known are: one');
    expect(await error('c')).toMatch(/unable to find flowInput\.missing/);
    expect(await error('d')).toBeNull();
  });

  it('wait for a disk that takes nothing, and give up on what fails for another reason', async () => {
    await save('b', ['a']);
    await raw('a');
    const [task] = await f.claim(1);
    await f.succeed(task!);
    const { submit } = f.store;
    f.store.submit = () => Promise.reject(new UnavailableError('the disk is full'));
    await step(createTriggers(parts));
    expect(await owed()).toBe(1);
    expect(parts.log.lines).toEqual([]);
    f.store.submit = () => Promise.reject(new TypeError('x is not a function'));
    await step(createTriggers(parts));
    expect(await owed()).toBe(0);
    f.store.submit = submit;
    expect(await error('b')).toBe('Carillon could not submit this run; its log says why');
    expect(parts.log.errors).toMatchObject([{ err: new TypeError('x is not a function') }]);
  });

  it('are gone with the pipeline that they would run', async () => {
    await save('b', ['a']);
    await raw('a');
    const [task] = await f.claim(1);
    await f.succeed(task!);
    await deletePipeline(parts, f.account, 'b');
    expect(await owed()).toBe(0);
    await save('b', []);
    await raw('a');
    await succeed();
    expect(await owed()).toBe(0);
    expect(await jobs()).toHaveLength(2);
  });
});
