import { expect, it } from 'vitest';
import { MeasuredServer } from '../support/measured.js';
import { startReceiver } from '../support/receiver.js';

const ITEMS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 200_000 : 2_000;

it(`a batch of ${ITEMS} with a node on all of it, and a result webhook, completes within 600 MB`, async () => {
  const receiver = await startReceiver();
  const server = await MeasuredServer.start({
    CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    CARILLON_WORKER_THREADS: '2',
  });
  const { submitDescriptor } = await server.ask<{ submitDescriptor: { job: { id: string } } }>(
    'mutation($descriptor: JSON!) { submitDescriptor(input: { descriptor: $descriptor }) { job { id } userErrors { message } } }',
    {
      descriptor: {
        name: 'large',
        nodes: [
          { nodeName: 'items', algorithmName: 'noop', input: [`#[1...${ITEMS}]`] },
          { nodeName: 'all', algorithmName: 'count', input: ['@items'] },
        ],
        webhooks: { result: receiver.url },
      },
    },
  );
  const [call] = await receiver.received(1);
  expect(call!.json).toMatchObject({
    jobId: submitDescriptor.job.id,
    status: 'completed',
    data: [{ nodeName: 'all', algorithmName: 'count', result: ITEMS }],
  });
  const { job } = await server.ask<{ job: { progress: object } }>(
    '{ job(id: "' + submitDescriptor.job.id + '") { progress { percent total succeeded } } }',
  );
  expect(job.progress).toEqual({ percent: 100, total: ITEMS + 1, succeeded: ITEMS + 1 });
  expect(await server.peak()).toBeLessThan(600e6);
  await server.stop();
  await receiver.close();
}, 600_000);
