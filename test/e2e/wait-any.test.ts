import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

/** Tasks of the algorithm "gate" go through here: each says that it has come and waits to be let go. */
class Gates {
  readonly come = new Map<string, ServerResponse>();
  private waiting: (() => void)[] = [];
  url = '';

  static async open(world: World): Promise<Gates> {
    const gates = new Gates();
    const receiver = await world.receiver();
    gates.url = receiver.url;
    receiver.answer(({ json }, response) => {
      gates.come.set(`${json['nodeName']}#${json['batchIndex']}`, response);
      for (const check of gates.waiting.splice(0)) check();
    });
    return gates;
  }

  /** Resolves once these tasks run. */
  async running(...names: string[]): Promise<void> {
    while (!names.every((name) => this.come.has(name)))
      await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Lets a task end. */
  async pass(name: string): Promise<void> {
    await this.running(name);
    this.come.get(name)!.writeHead(204).end();
  }
}

describe('items that are taken one by one', () => {
  let world: World;
  let gates: Gates;
  beforeAll(async () => {
    world = await World.open({ CARILLON_WORKER_THREADS: '6' });
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    gates = await Gates.open(world);
  });

  const gate = (nodeName: string, ...input: unknown[]) => ({
    nodeName,
    algorithmName: 'gate',
    input: [gates.url, ...input],
  });
  const submit = (...nodes: object[]) => world.submit({ name: 'p', nodes });
  const results = async (id: string) => {
    await world.ended(id);
    const { job } = await world.ask<{ job: { results: { nodes: { result: unknown }[] } } }>(
      'query ($id: ID!) { job(id: $id) { results { nodes { result } } } }',
      { id },
    );
    return job.results.nodes.map(({ result }) => result);
  };

  it('case 31: each child starts when its own item has ended, while the others still run', async () => {
    const id = await submit(gate('parent', '#[1,2,3,4]'), gate('child', '*@parent', 3));
    await gates.running('parent#1', 'parent#2', 'parent#3', 'parent#4');
    const ended: number[] = [];
    for (const item of [2, 4, 1, 3]) {
      await gates.pass(`parent#${item}`);
      ended.push(item);
      await gates.running(`child#${item}`);
      expect([...gates.come.keys()].filter((name) => name.startsWith('child'))).toEqual(
        ended.map((one) => `child#${one}`),
      );
      await gates.pass(`child#${item}`);
    }
    expect(await results(id)).toEqual(['1', '2', '3', '4'].map((item) => [[item], 3]));
  });

  it('go through a chain of nodes, one ahead of the other', async () => {
    const id = await submit(gate('c', '*@b'), gate('b', '*@a'), gate('a', '#[1,2]'));
    for (const node of ['a', 'b', 'c']) await gates.pass(`${node}#2`);
    await gates.running('a#1');
    expect([...gates.come.keys()].sort()).toEqual(['a#1', 'a#2', 'b#2', 'c#2']);
    for (const node of ['a', 'b', 'c']) await gates.pass(`${node}#1`);
    expect(await results(id)).toEqual([[[['1']]], [[['2']]]]);
  });

  it('of two parents make a task once both of the same index have ended', async () => {
    const id = await submit(gate('a', '#[1,2]'), gate('b', '#[x,y]'), gate('c', '*@a', '*@b'));
    await gates.pass('a#1');
    await gates.pass('b#2');
    await gates.pass('a#2');
    await gates.running('c#2');
    expect(gates.come.has('c#1')).toBe(false);
    await gates.pass('b#1');
    await gates.pass('c#1');
    await gates.pass('c#2');
    expect(await results(id)).toEqual([
      [['1'], ['x']],
      [['2'], ['y']],
    ]);
  });

  it('with a batch besides make all tasks of an index when its item has ended', async () => {
    const id = await submit(gate('a', '#[1,2]'), gate('c', '*@a', '#[x,y]'));
    await gates.pass('a#2');
    await gates.running('c#3', 'c#4', 'a#1');
    expect(gates.come.has('c#1')).toBe(false);
    await gates.pass('a#1');
    for (const item of [1, 2, 3, 4]) await gates.pass(`c#${item}`);
    expect(await results(id)).toEqual(['1', '2'].flatMap((a) => ['x', 'y'].map((b) => [[a], b])));
  });

  it('have tasks that can be asked for before they are made', async () => {
    const id = await submit(gate('a', '#[1,2]'), gate('b', '*@a'));
    await gates.pass('a#2');
    await gates.running('b#2');
    interface Asked {
      job: {
        progress: { total: number };
        nodes: { progress: { total: number; active: number } }[];
        tasks: { nodes: { id: string; batchIndex: number; status: string; input: unknown }[] };
      };
    }
    const ask = () =>
      world.ask<Asked>(
        `query ($id: ID!) { job(id: $id) { progress { total } nodes { progress { total active } }
          tasks(filter: { nodeNames: ["b"] }) { nodes { id batchIndex status input } } } }`,
        { id },
      );
    // The code runs a moment before it is written down that it does.
    await expect.poll(async () => (await ask()).job.nodes[1]!.progress.active).toBe(1);
    const asked = await ask();
    expect(asked.job.progress.total).toBe(4);
    expect(asked.job.nodes[1]!.progress.total).toBe(2);
    expect(asked.job.tasks.nodes).toMatchObject([
      { batchIndex: 2, status: 'ACTIVE', input: [gates.url, ['2']] },
    ]);
    const first = asked.job.tasks.nodes[0]!.id.replace(/_2$/, '_1');
    const task = await world.app.store.task(world.app.defaultAccountId, first);
    expect(task).toMatchObject({ status: 'WAITING', item: 1 });
    for (const name of ['b#2', 'a#1', 'b#1']) await gates.pass(name);
    expect(await results(id)).toHaveLength(2);
  });

  it('that still run when the job is cancelled leave nothing behind', async () => {
    const id = await submit(gate('a', '#[1,2,3]'), gate('b', '*@a'));
    await gates.pass('a#2');
    await gates.running('b#2');
    await world.ask('mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { message } } }', {
      id,
    });
    await gates.pass('a#1');
    await gates.pass('a#3');
    await world.ended(id);
    expect(await world.app.store.nextExpansion(null)).toBeNull();
    // The threads are free again.
    const next = await world.submit({
      name: 'q',
      nodes: [{ nodeName: 'x', algorithmName: 'echo', input: [1] }],
    });
    expect(await results(next)).toEqual([[1]]);
  });
});
