import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AccountFeeds, RING_EVENTS } from '../../src/engine/account-feed.js';
import type { LoggedEvent } from '../../src/event.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { Feed } from '../../src/store.js';
import { ACCOUNT, recordingLog } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { FakeLog } from '../support/log.js';

/** Feeds of a log whose reads a test may watch or break. */
function feedsOf(read: (log: FakeLog, ...asked: Parameters<Feed['events']>) => ReturnType<Feed['events']>) {
  const log = new FakeLog();
  const bus = memoryBus((error) => {
    throw error;
  });
  const clock = new VirtualClock();
  const store = { events: (...asked: Parameters<Feed['events']>) => read(log, ...asked) };
  const feeds = new AccountFeeds({ store, bus, clock, log: recordingLog() });
  return { log, bus, clock, feeds };
}

test('a feed that could not be opened is not handed to the next one, though somebody still holds it', async () => {
  let broken = true;
  const { feeds, log } = feedsOf((made, ...asked) =>
    broken ? Promise.reject(new Error('the disk is gone')) : made.events(...asked),
  );
  const first = feeds.use(ACCOUNT.id);
  await expect(first.feed.ready()).rejects.toThrow('the disk is gone');
  broken = false;
  log.append(1, 'JOB_PENDING');
  const second = feeds.use(ACCOUNT.id);
  expect(await second.feed.ready()).toBe(1);
  first.release();
  // It is the second one that is followed now, and whoever comes later shares it.
  expect(feeds.use(ACCOUNT.id).feed).toBe(second.feed);
});

test('a message that comes while a catching up ends is not forgotten until the next poll', async () => {
  // Promises settle in steps: whichever of them the message falls between, the event is told without the poll.
  for (let steps = 0; steps < 12; steps++) {
    const told: LoggedEvent[] = [];
    let reads = 0;
    const { feeds, log, bus } = feedsOf(async (made, ...asked) => {
      const page = await made.events(...asked);
      if (++reads === 2) {
        // Also this one is lost but for its number.
        const late = async () => {
          for (let step = 0; step < steps; step++) await null;
          made.append(1, 'JOB_PROGRESS');
          made.publish(bus, [made.append(1, 'JOB_PROGRESS')]);
        };
        void late();
      }
      return page;
    });
    const { feed } = feeds.use(ACCOUNT.id);
    feed.listen(null, { tell: (event) => void told.push(event), missed() {} });
    await feed.ready();
    log.append(1, 'JOB_PENDING');
    log.publish(bus, [log.append(1, 'JOB_ACTIVE')]);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([steps, told.map(({ position }) => position)]).toEqual([steps, [1, 2, 3, 4]]);
  }
});

test('a feed that cannot be read tells no gap, and goes on where it was once it can', async () => {
  const told: number[] = [];
  let broken = false;
  const { feeds, log, bus, clock } = feedsOf((made, ...asked) =>
    broken ? Promise.reject(new Error('the disk is gone')) : made.events(...asked),
  );
  const { feed } = feeds.use(ACCOUNT.id);
  feed.listen(null, { tell: ({ position }) => void told.push(position), missed() {} });
  await feed.ready();
  broken = true;
  log.append(1, 'JOB_PENDING');
  for (let count = 0; count < 3; count++) {
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await clock.advance(1_000);
  }
  expect(told).toEqual([]);
  broken = false;
  await clock.advance(1_000);
  expect(told).toEqual([1, 2, 3, 4]);
});

test('many feeds are polled in several turns of the event loop', async () => {
  let [reads, afterOneTurn, polling] = [0, 0, false];
  const { feeds, clock } = feedsOf(async () => {
    if (polling && ++reads === 1) {
      setImmediate(() => {
        afterOneTurn = reads;
      });
    }
    return { events: [], through: 0, head: 0, tail: 0 };
  });
  for (let count = 0; count < 500; count++) await feeds.use(`acc_${count}`).feed.ready();
  polling = true;
  await clock.advance(1_000);
  while (reads < 500) await new Promise((resolve) => setImmediate(resolve));
  expect(afterOneTurn).toBeLessThan(200);
});

async function rest(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const commit = fc.record({
  count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 700 })),
  heard: fc.constantFrom('yes', 'yes', 'late', 'lost', 'twice'),
  turns: fc.nat(4),
});

test('a feed tells every event once and in order, and keeps the newest of them, whatever the bus does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(5),
      fc.array(commit, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 9 }),
      async (before, commits, delays) => {
        let [reads, from] = [0, -1];
        const told: number[] = [];
        const late: LoggedEvent[][] = [];
        const { feeds, log, bus, clock } = feedsOf(async (made, ...asked) => {
          const page = await made.events(...asked);
          await rest(delays[reads++ % delays.length]!);
          return page;
        });
        const append = (count: number) => Array.from({ length: count }, () => log.append(1, 'JOB_PROGRESS'));
        append(before);
        const { feed, release } = feeds.use(ACCOUNT.id);
        feed.listen(null, { tell: ({ position }) => void told.push(position), missed() {} });
        void feed.ready().then((position) => {
          from = position;
        });
        const looked = () => {
          expect(told).toEqual(told.map((_, index) => from + 1 + index));
          for (const after of [
            0,
            from - 1,
            from,
            feed.position - RING_EVENTS,
            feed.position - 1,
            feed.position,
          ]) {
            for (const place of [after - 1, after, after + 1]) {
              const recent = feed.recent(place)?.map(({ position }) => position) ?? null;
              const reaches = place >= Math.max(from, feed.position - RING_EVENTS);
              const owed = told.filter((position) => position > place);
              expect([place, recent]).toEqual([place, reaches ? owed : null]);
            }
          }
        };
        for (const { count, heard, turns } of commits) {
          const events = append(count);
          if (heard === 'late') late.push(events);
          else if (heard !== 'lost') log.publish(bus, events);
          if (heard === 'twice') log.publish(bus, events);
          if (from >= 0) looked();
          await rest(turns);
        }
        for (const events of late.reverse()) log.publish(bus, events);
        await rest(10);
        looked();
        for (let polls = 0; polls < 3; polls++) await clock.advance(1_000);
        looked();
        expect(feed.position).toBe(log.head);
        expect(told.at(-1) ?? from).toBe(log.head);
        release();
        expect(clock.timers()).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});

test('what was committed while a feed opened is told without waiting for the poll', async () => {
  const told: number[] = [];
  const { feeds, log, bus } = feedsOf(async (made, ...asked) => {
    const page = await made.events(...asked);
    await rest(3);
    return page;
  });
  const { feed } = feeds.use(ACCOUNT.id);
  feed.listen(null, { tell: ({ position }) => void told.push(position), missed() {} });
  log.publish(bus, [log.append(1, 'JOB_PENDING')]);
  await rest(20);
  expect(told).toEqual([1]);
});

test('one lost message is made up for by the next', async () => {
  const told: number[] = [];
  const { feeds, log, bus } = feedsOf((made, ...asked) => made.events(...asked));
  const { feed } = feeds.use(ACCOUNT.id);
  feed.listen(null, { tell: ({ position }) => void told.push(position), missed() {} });
  await feed.ready();
  for (let lost = 0; lost < 600; lost++) log.append(1, 'JOB_PROGRESS');
  log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
  await rest(20);
  expect(told).toEqual(Array.from({ length: 601 }, (_, index) => index + 1));
  log.append(1, 'JOB_PROGRESS');
  log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
  await rest(20);
  expect(told.slice(-2)).toEqual([602, 603]);
});

test('a feed whose log was cut off before it was read says so, and holds nothing that looks complete', async () => {
  const told: unknown[] = [];
  const { feeds, log, clock } = feedsOf((made, ...asked) => made.events(...asked));
  const { feed } = feeds.use(ACCOUNT.id);
  for (const job of [null, 'another job'])
    feed.listen(job, {
      tell: ({ position }) => void told.push(position),
      missed: (upTo) => void told.push({ upTo }),
    });
  await feed.ready();
  for (let count = 0; count < 5; count++) log.append(1, 'JOB_PROGRESS');
  log.tail = 3;
  await clock.advance(1_000);
  expect(told).toEqual([{ upTo: 3 }, { upTo: 3 }, 4, 5]);
  expect(feed.recent(2)).toBeNull();
  expect(feed.recent(3)?.map(({ position }) => position)).toEqual([4, 5]);
});
