import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LeasedTask } from '../../src/lease.js';
import { Fixture } from './fixture.js';

describe('the states in the progress of a job', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  const submit = async (batchTolerance: number) => {
    const id = await f.submit({
      name: 'p',
      options: { batchTolerance },
      nodes: [
        { nodeName: 'before', algorithmName: 'two', input: [1] },
        { nodeName: 'a', algorithmName: 'one', input: ['#[1...4]'], retry: { policy: 'Never' } },
      ],
    });
    await f.settleJob(id, {
      ...{ kind: 'expanded', node: 1, at: f.at(), total: 4, from: 0 },
      items: Array(4).fill('[1]'),
    });
    const ofOne = await f.claim(4, ['one']);
    const [before] = await f.claim(1, ['two']);
    return { id, before: before!, items: ofOne };
  };
  const states = async (id: string) => {
    const { progress } = (await f.store.job(f.account, id))!;
    const of = (await f.store.nodes(f.account, id))[1]!.progress.states;
    return { job: words(progress.states), node: words(of) };
  };
  const words = (counts: [word: string, count: number][]) =>
    counts.map(([word, count]) => `${count} ${word}`).join(', ');
  const fail = (task: LeasedTask) =>
    f.settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'boom', crash: false });

  it('come node by node, and within a batch that of its first item comes first', async () => {
    const { id, before, items } = await submit(80);
    await f.settle(items[0]!, { kind: 'started' });
    await f.succeed(items[1]!);
    const alone = '1 active, 1 succeed, 2 creating';
    expect(await states(id)).toEqual({ job: '3 creating, 1 active, 1 succeed', node: alone });
    await fail(items[0]!);
    await f.succeed(before);
    expect(await states(id)).toEqual({
      job: '2 succeed, 1 failed, 2 creating',
      node: '1 failed, 1 succeed, 2 creating',
    });
    await f.succeed(items[3]!);
    await fail(items[2]!);
    expect(await states(id)).toEqual({ job: '3 succeed, 2 failed', node: '2 failed, 2 succeed' });
  });

  it('are those of what has ended and of what was stopped, where a job fails', async () => {
    const { id, items } = await submit(50);
    await fail(items[0]!);
    await f.succeed(items[1]!);
    await f.settle(items[3]!, { kind: 'started' });
    await fail(items[2]!);
    expect(await states(id)).toEqual({
      job: '2 stopped, 2 failed, 1 succeed',
      node: '2 failed, 1 succeed, 1 stopped',
    });
  });
});
