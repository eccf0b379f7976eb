import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

interface Submitted {
  submitDescriptor: {
    job: { id: string; status: string } | null;
    userErrors: { code: string; message: string; path: string[] }[];
  };
}

describe('concurrentPipelines', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const submit = async (gate: string, options: object, idempotencyKey: string | null = null) => {
    const nodes = [{ nodeName: 'a', algorithmName: 'until', input: [join(world.folder, gate)] }];
    const { submitDescriptor } = await world.ask<Submitted>(
      `mutation ($d: JSON!, $k: String) { submitDescriptor(input: { descriptor: $d, idempotencyKey: $k }) {
        job { id status } userErrors { code message path } } }`,
      { d: { name: 'few', nodes, options }, k: idempotencyKey },
    );
    return submitDescriptor;
  };
  const status = async (id: string) =>
    (await world.ask<{ job: { status: string } }>('query ($id: ID!) { job(id: $id) { status } }', { id })).job
      .status;

  it("refuses one too many in HKube's words, and takes it again once one has ended", async () => {
    const options = { concurrentPipelines: { amount: 2 } };
    const [first] = [await submit('gate', options, 'first'), await submit('gate', options)];
    expect(await submit('gate', options)).toEqual({
      job: null,
      userErrors: [
        {
          code: 'LIMIT_REACHED',
          message: 'maximum number [2] of concurrent pipelines has been reached',
          path: ['input', 'descriptor', 'options', 'concurrentPipelines'],
        },
      ],
    });
    // What was accepted before is answered before it is counted.
    expect((await submit('gate', options, 'first')).job!.id).toBe(first!.job!.id);
    await writeFile(join(world.folder, 'gate'), '');
    await world.ended(first!.job!.id);
    expect((await submit('gate', options)).userErrors).toEqual([]);
  });

  it('is no limit where it names no amount', async () => {
    const options = { concurrentPipelines: { rejectOnFailure: true } };
    for (const { job } of [await submit('gate', options), await submit('gate', options)])
      await expect.poll(() => status(job!.id)).toBe('ACTIVE');
    await writeFile(join(world.folder, 'gate'), '');
  });

  it('holds one too many as PENDING where it is not to be refused, and starts it when another ends', async () => {
    const options = { concurrentPipelines: { amount: 1, rejectOnFailure: false } };
    const first = (await submit('gate', options)).job!;
    const second = (await submit('gate', options)).job!;
    expect(second.status).toBe('PENDING');
    // Two threads are there, and this one would have its turn after the second.
    await world.ended(await world.submit({ name: 'x', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] }));
    expect(await status(second.id)).toBe('PENDING');
    await writeFile(join(world.folder, 'gate'), '');
    await world.ended(first.id);
    const types = (await world.ended(second.id)).map(({ type }) => type);
    expect(types.filter((type) => type.startsWith('JOB_'))).toEqual([
      'JOB_PENDING',
      'JOB_ACTIVE',
      'JOB_COMPLETED',
    ]);
  });
});

describe('a time limit', () => {
  it('cancels the job, stops what runs of it, and says which it was', async () => {
    const world = await World.open();
    try {
      const hang = (name: string, options: object) =>
        world.submit({ name, options, nodes: [{ nodeName: 'a', algorithmName: 'hang' }] });
      const jobs = [await hang('all', { ttl: 1 }), await hang('active', { activeTtl: 1 })];
      for (const id of jobs)
        expect((await world.ended(id)).map(({ type }) => type).slice(-2)).toEqual([
          'TASK_CANCELLED',
          'JOB_CANCELLED',
        ]);
      const { jobs: shown } = await world.ask<{ jobs: { nodes: { status: string; reason: string }[] } }>(
        '{ jobs { nodes { status reason } } }',
      );
      expect(shown.nodes).toEqual([
        { status: 'CANCELLED', reason: 'pipeline active TTL expired' },
        { status: 'CANCELLED', reason: 'pipeline expired' },
      ]);
    } finally {
      await world.close();
    }
  });
});
