import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Call } from '../support/receiver.js';
import { World } from '../support/world.js';

/** The example of HKube's webhook page, its fragment put in braces. */
const example = (webhooks?: object) => ({
  name: 'batch',
  nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
  ...(webhooks && { webhooks }),
});

const RESULTS = [1, 2, 3].map((item) => ({
  nodeName: 'green',
  batchID: `green#${item}`,
  algorithmName: 'green-alg',
  result: item * 10,
}));

describe("HKube's example", () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const verified = async (
    calls: Call[],
    verify: (body: string, headers: Record<string, string>) => unknown,
  ) => {
    for (const call of calls) expect(verify(call.body, call.headers)).toEqual(call.json);
  };

  it('sends the progress webhooks and then the result, signed, with exactly the keys of HKube', async () => {
    const receiver = await world.receiver();
    const verifier = await world.verifier();
    const { submitPipeline } = await world.ask<{
      submitPipeline: { job: { id: string }; userErrors: unknown[] };
    }>(
      `mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } userErrors { message } } }`,
      { input: example({ progress: `${receiver.url}/progress`, result: `${receiver.url}/result` }) },
    );
    expect(submitPipeline.userErrors).toEqual([]);
    const jobId = submitPipeline.job.id;
    expect(jobId).toMatch(/^batch:[0-9a-f-]{36}$/);

    const [result] = await receiver.received(1, '/result');
    const progress = receiver.calls.filter((call) => call.path === '/progress');
    await verified([...progress, result!], (body, headers) => verifier.verify(body, headers));

    expect(progress.map((call) => call.json['status'])).toEqual(['pending', 'active', 'completed']);
    expect(progress.map((call) => Object.keys(call.json))).toEqual([
      ['jobId', 'timestamp', 'pipeline', 'level', 'status'],
      ['jobId', 'timestamp', 'pipeline', 'level', 'status', 'data'],
      ['jobId', 'timestamp', 'pipeline', 'level', 'status', 'data'],
    ]);
    expect(progress.at(-1)!.json).toMatchObject({
      jobId,
      pipeline: 'batch',
      level: 'info',
      data: { progress: '100.00', details: '100.00% completed, 3 succeed' },
    });
    expect(Object.keys(result!.json)).toEqual(['jobId', 'timestamp', 'pipeline', 'status', 'data']);
    expect(result!.json).toMatchObject({ jobId, pipeline: 'batch', status: 'completed', data: RESULTS });
    expect(receiver.calls.at(-1)!.path).toBe('/result');
    expect(result!.headers['webhook-id']).toBe(`${progress.at(-1)!.headers['webhook-id']}-result`);

    const { job } = await world.ask<{ job: Record<string, unknown> }>(
      `query ($id: ID!) { job(id: $id) { status progress { percent details } results { nodes { nodeName batchId algorithmName result } } } }`,
      { id: jobId },
    );
    expect(job).toEqual({
      status: 'COMPLETED',
      progress: { percent: 100, details: '100.00% completed, 3 succeed' },
      results: { nodes: RESULTS.map(({ batchID, ...item }) => ({ ...item, batchId: batchID })) },
    });
  });

  it.each([
    { given: ['progress'], calls: 3 },
    { given: ['result'], calls: 1 },
  ])('needs no other webhook than $given', async ({ given, calls }) => {
    const receiver = await world.receiver();
    const webhooks = Object.fromEntries(given.map((kind) => [kind, `${receiver.url}/${kind}`]));
    const jobId = await world.submit(example(webhooks));
    await world.ended(jobId);
    await receiver.received(calls);
    expect(new Set(receiver.calls.map((call) => call.path))).toEqual(new Set([`/${given[0]}`]));
  });

  it('needs no webhook at all', async () => {
    const jobId = await world.submit(example());
    const events = await world.ended(jobId);
    expect(events.at(-1)!.type).toBe('JOB_COMPLETED');
    const { deliveries } = await world.ask<{ deliveries: { nodes: unknown[] } }>(
      '{ deliveries { nodes { id } } }',
    );
    expect(deliveries.nodes).toEqual([]);
  });
});
