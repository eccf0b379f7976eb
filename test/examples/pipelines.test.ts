import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';
import { ALGORITHMS, ROOT } from './program.js';

const FOLDER = `${ROOT}examples/pipelines`;

interface Pipeline {
  webhooks?: object;
}

function pipeline(name: string): Pipeline {
  return JSON.parse(readFileSync(`${FOLDER}/${name}.json`, 'utf8')) as Pipeline;
}

interface Ended {
  status: string;
  results: { nodes: { nodeName: string; batchId: string | null; result: unknown }[] };
}

const expected: Record<string, unknown[]> = {
  batch: [10, 20, 30],
  diamond: [165],
  retry: [{ input: ['hello'], attempt: 2 }],
  words: [11],
};

describe('the example pipelines', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open({ CARILLON_ALGORITHMS_DIR: ALGORITHMS });
  });
  afterAll(() => world.close());

  const resultsOf = async (descriptor: object): Promise<Ended> => {
    const id = await world.submit(descriptor);
    await world.ended(id);
    const { job } = await world.ask<{ job: Ended }>(
      'query ($id: ID!) { job(id: $id) { status results { nodes { nodeName batchId result } } } }',
      { id },
    );
    return job;
  };

  it('are all tested here', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(
      Object.keys(expected)
        .map((name) => `${name}.json`)
        .sort(),
    );
  });

  it.each(Object.entries(expected))('%s runs and has the results that are said', async (name, results) => {
    // No example calls out of this machine here.
    const { webhooks: _out, ...descriptor } = pipeline(name);
    const job = await resultsOf(descriptor);
    expect(job.status).toBe('COMPLETED');
    expect(job.results.nodes.map(({ result }) => result)).toEqual(results);
  });

  it("batch is HKube's example of a batch with both webhooks", async () => {
    expect(pipeline('batch')).toEqual({
      name: 'batch',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
      webhooks: { progress: expect.any(String), result: expect.any(String) },
    });
    const receiver = await world.receiver();
    const webhooks = { progress: `${receiver.url}/progress`, result: `${receiver.url}/result` };
    await world.submit({ ...pipeline('batch'), webhooks });
    const [result] = await receiver.received(1, '/result');
    expect(result!.json).toMatchObject({ status: 'completed', data: [{ result: 10 }, {}, {}] });
  });
});
