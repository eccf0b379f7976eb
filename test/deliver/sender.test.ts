import { describe, expect, it } from 'vitest';
import type { Call } from '../../src/caller.js';
import { verify } from '../../src/client/receiver.js';
import { createSender } from '../../src/deliver/sender.js';
import { eventId, type LoggedEvent } from '../../src/event.js';
import { generateSecret } from '../../src/secret.js';
import type { DueDelivery } from '../../src/store.js';
import { VirtualClock } from '../support/clock.js';

const secret = generateSecret(Buffer.alloc(32, 7));
const event: LoggedEvent = {
  accountId: 'acc_one',
  position: 9,
  sequence: 4,
  type: 'JOB_COMPLETED',
  occurredAt: 1_000,
  job: { id: 'p:1', number: 1, pipelineName: 'p', externalId: null, tags: [], createdAt: 0 },
  facts: {
    of: 'job',
    status: 'COMPLETED',
    progress: { total: 1, succeeded: 1, failed: 0, skipped: 0, active: 0, percent: 100, states: [] },
    error: null,
    reason: null,
    startedAt: 1,
    finishedAt: 2,
  },
};
const due = (more: Partial<DueDelivery> = {}): DueDelivery => ({
  deliveryId: 'dlv_1',
  token: 't',
  accountId: 'acc_one',
  webhookId: null,
  url: 'http://receiver.example/',
  format: 'STANDARD',
  headers: [],
  timeoutMs: 5_000,
  secret,
  event,
  part: 'EVENT',
  number: 2,
  results: null,
  ...more,
});

function sender(body: string) {
  const calls: Call[] = [];
  const clock = new VirtualClock(1_700_000_000_500);
  const encode = () => body;
  const send = createSender({
    caller: {
      async call(call) {
        calls.push(call);
        return { outcome: 'DELIVERED', statusCode: 200, responseSnippet: 'ok', durationMs: 7, message: null };
      },
      async close() {},
    },
    clock,
    encoders: new Map([
      ['STANDARD', encode],
      ['HKUBE', encode],
    ]),
    publicUrl: () => 'http://carillon.example',
  });
  return {
    send,
    calls,
    headers: () => Object.fromEntries(calls.at(-1)!.headers.map(({ name, value }) => [name, value])),
  };
}

describe('a delivery', () => {
  it('is signed over the very bytes that are sent, and names event, job and attempt', async () => {
    const { send, calls, headers } = sender('{"naïve":"ü"}');
    await send(due());
    expect(headers()).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': eventId(event),
      'webhook-timestamp': '1700000000',
      'x-carillon-event': 'job.completed',
      'x-carillon-job-id': 'p:1',
      'x-carillon-attempt': '2',
    });
    await expect(
      verify(secret, headers(), calls[0]!.body, { now: () => 1_700_000_000_000 }),
    ).resolves.toMatchObject({ event: 'job.completed' });
  });

  it('has the id of its event, but for the second of the two bodies that HKube is owed', async () => {
    const { send, headers } = sender('{}');
    const ids: (string | undefined)[] = [];
    for (const [format, part] of [
      ['HKUBE', 'EVENT'],
      ['HKUBE', 'RESULT'],
      ['STANDARD', 'RESULT'],
    ] as const) {
      await send(due({ format, part }));
      ids.push(headers()['webhook-id']);
    }
    expect(ids).toEqual([eventId(event), `${eventId(event)}-result`, eventId(event)]);
  });

  it('is recorded with its body up to 64 KiB, its size and its hash, and no secret', async () => {
    const small = sender('{}');
    const record = await small.send(due({ headers: [{ name: 'authorization', value: 'Bearer mine' }] }));
    expect(record).toMatchObject({ body: '{}', bodyBytes: 2, durationMs: 7, outcome: 'DELIVERED' });
    expect(record.bodySha256).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    expect(JSON.stringify(record.requestHeaders)).not.toMatch(/mine|v1,/);
    expect(small.headers()['authorization']).toBe('Bearer mine');
    const large = sender(`"${'x'.repeat(65_535)}"`);
    expect(await large.send(due())).toMatchObject({ body: null, bodyBytes: 65_537 });
  });
});
