import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDispatcher } from '../../src/deliver/dispatcher.js';
import { UnavailableError } from '../../src/errors.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { AttemptRecord, DueDelivery, Store } from '../../src/store.js';
import { Fixture, MINUTE } from '../sqlite/fixture.js';
import { World } from '../support/world.js';

const url = 'http://receiver.example/';
const log = { debug() {}, info() {}, warn() {}, error() {} };

function recordOf(due: DueDelivery, at: number): AttemptRecord {
  const { deliveryId, token, number } = due;
  return {
    deliveryId,
    token,
    number,
    startedAt: at,
    durationMs: 1,
    outcome: 'DELIVERED',
    statusCode: 200,
    responseSnippet: null,
    requestHeaders: [],
    body: null,
    bodyBytes: 2,
    bodySha256: 'x',
  };
}

describe('the dispatcher', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  it.each([
    { what: 'the sender throws', sendFails: 1, recordFails: 0 },
    { what: 'the disk is full for six seconds', sendFails: 0, recordFails: 5 },
  ])(
    'sends again by itself, once the lease has ended, where $what',
    async ({ sendFails, recordFails }) => {
      let sends = 0;
      let records = 0;
      const store = new Proxy(f.store, {
        get(target, name) {
          if (name !== 'recordAttempt') return Reflect.get(target, name);
          return async (...parameters: Parameters<Store['recordAttempt']>) => {
            if (records++ < recordFails) throw new Error('database or disk is full');
            return target.recordAttempt(...parameters);
          };
        },
      });
      await f.webhook(url);
      await f.submit(f.single());
      const dispatcher = createDispatcher({
        store,
        bus: memoryBus(() => {}),
        clock: f.clock,
        ids: f.ids,
        log,
        send: async (due) => {
          if (sends++ < sendFails) throw new Error('a bug of an encoder');
          return recordOf(due, f.at());
        },
        maxInFlight: 8,
        maxPerUrl: 4,
      });
      dispatcher.start();
      for (let minute = 0; minute < 30; minute++) await f.clock.advance(MINUTE);
      await dispatcher.stop(1_000);
      expect((await f.deliveries()).map((one) => one.status)).toEqual(['DELIVERED']);
    },
    60_000,
  );

  it('keeps the record of a call for as long as the disk is full, calls nobody meanwhile, and then goes on', async () => {
    let full = true;
    const calls: string[] = [];
    const errors: unknown[] = [];
    const store = new Proxy(f.store, {
      get(target, name) {
        if (name !== 'recordAttempt') return Reflect.get(target, name);
        return async (...parameters: Parameters<Store['recordAttempt']>) => {
          if (full) throw new UnavailableError('full');
          return target.recordAttempt(...parameters);
        };
      },
    });
    await f.webhook(url);
    await f.submit(f.single());
    const dispatcher = createDispatcher({
      store,
      bus: memoryBus(() => {}),
      clock: f.clock,
      ids: f.ids,
      log: { ...log, error: (facts) => void errors.push(facts) },
      send: async (due) => {
        calls.push(due.deliveryId);
        return recordOf(due, f.at());
      },
      maxInFlight: 8,
      maxPerUrl: 4,
    });
    dispatcher.start();
    // Many times the lease of a lane: nobody may take the call for lost.
    for (let minute = 0; minute < 10; minute++) {
      await f.clock.advance(MINUTE);
      if (minute === 5) await f.submit(f.single());
    }
    expect(calls).toHaveLength(1);
    full = false;
    await f.clock.advance(MINUTE);
    const statuses = (await f.deliveries()).map((one) => one.status);
    expect(statuses).toEqual(['DELIVERED', 'DELIVERED']);
    expect([new Set(calls).size, calls.length, errors]).toEqual([2, 2, []]);
    await dispatcher.stop(1_000);
  });

  it('a server stops within its deadline, though a receiver hangs', async () => {
    const world = await World.open();
    const receiver = await world.receiver();
    receiver.answer(() => {});
    await world.ask(
      'mutation ($input: RegisterWebhookInput!) { registerWebhook(input: $input) { webhook { id } userErrors { message } } }',
      { input: { url: `${receiver.url}/`, events: ['JOB_PENDING'], timeoutMs: 15_000 } },
    );
    await world.submit({ name: 'p', nodes: [{ nodeName: 'n', algorithmName: 'noop' }] });
    await receiver.received(1);
    const began = performance.now();
    await world.close();
    const took = performance.now() - began;
    // Ten times the deadline of the test's world; without one it would be the webhook's 15 s.
    expect(took).toBeLessThan(10_000);
  }, 60_000);
});
