import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { buildSchema, parse } from 'graphql';
import { expect, test } from 'vitest';
import { createContext } from '../../schema/context.js';
import { createSource } from '../../src/engine/source.js';
import { Hub } from '../../src/http/hub.js';
import { createMasking } from '../../src/http/masking.js';
import type { Sink } from '../../src/http/sink.js';
import { recordingLog, viewer } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { fake } from '../support/fake.js';

// What the hub holds while clients do not read. Looked at through weak references after a forced collection.

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

async function collected(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
}

const schema = buildSchema('type Query { a: Int } type Subscription { tick: Int }');
Object.assign(schema.getSubscriptionType()!.getFields()['tick']!, { resolve: ({ n }: { n: number }) => n });

const PAGE = 100;

function world() {
  const clock = new VirtualClock();
  const pages: WeakRef<object>[] = [];
  const context = () =>
    createContext({
      viewer: viewer('READ'),
      requestId: 'r1',
      lastEventId: null,
      engine: fake('engine', {}),
      store: fake('store', {}),
      quotas: fake('quotas', {}),
      now: () => clock.now(),
    });
  const hub = new Hub({ ...createMasking(recordingLog()), clock, contextFor: context, observeLag() {} });
  /** A log of a million events that only pages of it are ever held of. */
  const ticks = createSource<{ n: number }>({
    topic: 'ticks',
    after: 0,
    paceMs: 0,
    cursorOf: null,
    open: () => ({
      ready: Promise.resolve(1_000_000),
      position: () => 1_000_000,
      recent: () => null,
      async read(after) {
        const items = Array.from({ length: PAGE }, (_, index) => ({
          position: after + index + 1,
          value: { n: after + index + 1 },
        }));
        pages.push(new WeakRef(items));
        return { items, through: after + PAGE, ended: false };
      },
      close() {},
    }),
  });
  const asked: WeakRef<object>[] = [];
  const sent: WeakRef<object>[] = [];
  const follow = (room: number) => {
    let left = room;
    const sink: Sink = {
      ready: () => left > 0,
      whenReady() {},
      send(rendered) {
        left--;
        sent.push(new WeakRef(rendered));
      },
      together: (run) => run(),
      end() {},
    };
    const contextValue = context();
    asked.push(new WeakRef(contextValue));
    const variableValues = { unused: { text: 'x' } };
    asked.push(new WeakRef(variableValues.unused));
    return hub.follow(
      ticks,
      { schema, document: parse('subscription { tick }'), contextValue, variableValues },
      sink,
    );
  };
  return { hub, follow, pages, asked, sent };
}

const alive = (references: WeakRef<object>[]) => references.filter((one) => one.deref()).length;

test.each([1, 3])('of %i that stand still no page is held', async (followers) => {
  const { follow, pages, hub } = world();
  const places = Array.from({ length: followers }, (_, index) => follow(3 * PAGE + 50 * index));
  while (hub.state().stalled < followers) await new Promise((resolve) => setImmediate(resolve));
  await collected();
  expect(pages.length).toBeGreaterThan(2);
  expect(alive(pages)).toBe(0);
  for (const { leave } of places) leave();
});

test('of who came first nothing is held but what the operation needs', async () => {
  const { follow, asked, hub } = world();
  const first = follow(10);
  follow(10);
  while (hub.state().stalled < 2) await new Promise((resolve) => setImmediate(resolve));
  first.leave();
  await collected();
  expect(alive(asked)).toBe(0);
});

test('what was sent to one alone is not held, and what several share goes with the last of them', async () => {
  const { follow, sent, hub } = world();
  const alone = follow(10);
  while (hub.state().stalled < 1) await new Promise((resolve) => setImmediate(resolve));
  await collected();
  expect([sent.length, alive(sent)]).toEqual([10, 0]);
  const others = [follow(50), follow(50)];
  while (hub.state().stalled < 3) await new Promise((resolve) => setImmediate(resolve));
  await collected();
  expect(alive(sent)).toBeGreaterThan(0);
  for (const { leave } of [alone, ...others]) leave();
  await collected();
  expect(alive(sent)).toBe(0);
});
