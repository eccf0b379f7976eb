import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BatchOpener, type OpenBatch, openHere } from '../../src/batch.js';
import { createExpander } from '../../src/engine/expander.js';
import type { Parts } from '../../src/engine/parts.js';
import type { Loop } from '../../src/loop.js';
import { memoryBus } from '../../src/memory/bus.js';
import { Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

describe('the expander', () => {
  let f: Fixture;
  let expander: Loop;
  let errors: object[];
  beforeEach(async () => {
    f = await Fixture.open();
    errors = [];
  });
  afterEach(async () => {
    await expander.stop();
    await f.close();
  });

  const start = (openBatch: BatchOpener) => {
    const { store, clock, ids } = f;
    const log = { debug() {}, info() {}, warn() {}, error: (facts: object) => void errors.push(facts) };
    expander = createExpander(
      fake<Parts>('parts', { store, bus: memoryBus(() => {}), clock, ids, log, openBatch }),
    );
    expander.start();
  };
  const submit = (nodeName: string, count: number) =>
    f.submit({ name: 'p', nodes: [{ nodeName, algorithmName: 'one', input: [`#[1...${count}]`] }] });
  const tasks = async (jobId: string) => {
    const page = { limit: 1_000, after: null, before: null, inverted: false };
    return (await f.store.tasks(f.account, jobId, { statuses: ['READY'] }, page)).length;
  };
  const fails = async (jobId: string) => {
    await expect.poll(async () => (await f.store.job(f.account, jobId))!.status).toBe('FAILED');
    return (await f.store.job(f.account, jobId))!.error;
  };

  /** Every node called "bad" has a batch whose items are asked for in vain. */
  const withBad = (items: OpenBatch['items'], closed = () => {}): BatchOpener => {
    return async (inputs) =>
      inputs.nodeName === 'bad' ? { total: 3, items, close: closed } : openHere(inputs);
  };

  it('ends the job whose batch breaks while it is read, and goes on with the others', async () => {
    const broken = new Error('the thread has ended');
    let closed = 0;
    const [bad, good] = [await submit('bad', 3), await submit('good', 3)];
    start(
      withBad(
        () => Promise.reject(broken),
        () => {
          closed++;
        },
      ),
    );
    expect(await fails(bad)).toMatchObject({
      code: 'INTERNAL',
      message: 'Carillon could not make the tasks of this batch; its log says why',
      nodeName: 'bad',
    });
    await expect.poll(() => tasks(good)).toBe(3);
    const later = await submit('good', 4);
    expander.wake();
    await expect.poll(() => tasks(later)).toBe(4);
    expect(errors).toMatchObject([{ err: broken }]);
    expect(closed).toBe(1);
  });

  it('ends the job whose batch breaks while it is opened', async () => {
    const bad = await submit('bad', 3);
    start(() => Promise.reject(new Error('the thread has ended')));
    expect((await fails(bad))!.code).toBe('INTERNAL');
    expect(errors).toHaveLength(1);
  });

  it('ends the job of which one item is too large, with the reason', async () => {
    const bad = await submit('bad', 3);
    start(withBad(async () => ({ code: 'INPUT_TOO_LARGE', message: 'hand over less' })));
    expect(await fails(bad)).toMatchObject({ code: 'INPUT_TOO_LARGE', message: 'hand over less' });
    expect(errors).toEqual([]);
  });

  it('ends the job whose batch is read otherwise than when its first rows were made', async () => {
    const job = await submit('good', 3);
    await f.settleJob(job, { kind: 'expanded', node: 0, at: f.at(), total: 4, from: 0, items: ['[1]'] });
    start(openHere);
    expect(await fails(job)).toMatchObject({
      code: 'INPUT_INVALID',
      message:
        'the batch of node "good" was begun with 4 items and has 3 now; run the pipeline from the start',
    });
    expect(errors).toEqual([]);
  });

  it('makes all tasks of a batch whose chunks are shorter than what it asks for', async () => {
    const job = await submit('short', 40);
    start(async (inputs) => {
      const batch = (await openHere(inputs)) as OpenBatch;
      return { ...batch, items: (from, count) => batch.items(from, Math.min(count, 1)) };
    });
    await expect.poll(() => tasks(job)).toBe(40);
  });

  it('tries again where the store fails, and ends nothing for it', async () => {
    const job = await submit('good', 3);
    const { settle } = f.store;
    let failures = 1;
    f.store.settle = async (...parameters) => {
      if (failures-- > 0) throw new Error('disk full');
      return settle(...parameters);
    };
    start(openHere);
    await expect.poll(() => errors.length).toBe(1);
    await f.clock.advance(1_000);
    await expect.poll(() => tasks(job)).toBe(3);
  });

  it('lets an item that has ended wait for no more than one turn of a huge batch', async () => {
    const job = await f.submit({
      name: 'p',
      nodes: [
        { nodeName: 'a', algorithmName: 'one', input: ['#[1,2]'] },
        { nodeName: 'b', algorithmName: 'two', input: ['*@a', '#[x,y]'] },
      ],
    });
    let chunks = 0;
    let chunksBefore = 0;
    let waited: number | null = null;
    const { settle } = f.store;
    f.store.settle = async (group, decide) => {
      if (group.outcomes.some((one) => one.kind === 'spawned' && one.rows.length > 0))
        waited ??= chunks - chunksBefore;
      return settle(group, decide);
    };
    start(async (inputs) => {
      const batch = (await openHere(inputs)) as OpenBatch;
      if (inputs.nodeName !== 'huge') return batch;
      const items: OpenBatch['items'] = (from, count) => {
        chunks++;
        return batch.items(from, count);
      };
      return { ...batch, items };
    });
    await expect.poll(() => tasks(job)).toBe(2);
    await submit('huge', 1_000_000);
    expander.wake();
    await expect.poll(() => chunks).toBeGreaterThan(0);
    const [task] = (await f.claim(1)).filter(({ nodeName }) => nodeName === 'a');
    await f.succeed(task!, 1);
    chunksBefore = chunks;
    expander.wake();
    await expect.poll(() => waited).toBeLessThanOrEqual(32);
    const page = { limit: 10, after: null, before: null, inverted: false };
    const made = async () => {
      const rows = await f.store.tasks(f.account, job, { nodeNames: ['b'] }, page);
      return rows.map(({ item }) => item);
    };
    await expect.poll(made).toEqual([1, 2]);
  });

  it('refuses items of a batch that make too many tasks with a batch each', async () => {
    const job = await f.submit({
      name: 'p',
      nodes: [
        { nodeName: 'a', algorithmName: 'one', input: ['#[1...1001]'] },
        { nodeName: 'b', algorithmName: 'two', input: ['*@a', '#[1...1000]'] },
      ],
    });
    start(openHere);
    expect(await fails(job)).toMatchObject({
      code: 'INPUT_TOO_LARGE',
      message: 'node "b" must have at most 1000000 tasks, got 1001000; split the batch',
      nodeName: 'b',
    });
  });

  it('makes the rows of many items, with a batch each, in chunks', async () => {
    const job = await f.submit({
      name: 'p',
      nodes: [
        { nodeName: 'a', algorithmName: 'one', input: ['#[1...4]'] },
        { nodeName: 'b', algorithmName: 'two', input: ['*@a', '#[1...700]'] },
      ],
    });
    const sizes: number[] = [];
    const { settle } = f.store;
    f.store.settle = async (group, decide) => {
      for (const one of group.outcomes) if (one.kind === 'spawned') sizes.push(one.rows.length);
      return settle(group, decide);
    };
    start(openHere);
    await expect.poll(() => tasks(job)).toBe(4);
    for (const task of (await f.claim(4)).reverse()) await f.succeed(task, task.batchIndex);
    expander.wake();
    await expect.poll(() => f.rows('select 1 from tasks').length, { timeout: 20_000 }).toBe(2_804);
    expect(Math.max(...sizes)).toBe(250);
    expect(await f.store.nextExpansion(null)).toBeNull();
    expect(f.rows('select node, item, value from task_items where node = 1 and item = 701')).toEqual([
      { node: 1, item: 701, value: '[1]' },
    ]);
  });
});
