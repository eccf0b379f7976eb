import { expect, test } from 'vitest';
import { createFeedReader } from '../../src/engine/feed-reader.js';
import type { Parts } from '../../src/engine/parts.js';
import type { Source, Told } from '../../src/engine/source.js';
import { encodeCursor } from '../../src/feed.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { Store } from '../../src/store.js';
import { ACCOUNT, job, recordingLog } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { fake } from '../support/fake.js';
import { later } from '../support/http.js';
import { FakeLog } from '../support/log.js';

function readerOf(store: Partial<Store> = {}) {
  const log = new FakeLog();
  const clock = new VirtualClock();
  const bus = memoryBus((error) => {
    throw error;
  });
  const filled = fake<Store>('store', { events: log.events, jobEvents: log.jobEvents, ...store });
  const parts = fake<Parts>('parts', { store: filled, bus, clock, log: recordingLog() });
  return { log, bus, clock, reader: createFeedReader(parts) };
}

/** An open stream and what it was told. */
function opened<T>(source: Source<T>) {
  const told: Told<T>[] = [];
  return Object.assign(
    source.open((one) => told.push(one)),
    { told },
  );
}

const place = (position: number) => encodeCursor(ACCOUNT.id, position);
const positions = (items: { position: number }[] = []) => items.map(({ position }) => position);

test('a job of which only some types are asked for ends with an event that is not among them', async () => {
  const { log, bus, reader } = readerOf();
  const stream = opened(reader.jobEvents(ACCOUNT.id, job(1).id, null, ['JOB_PROGRESS']));
  await stream.ready;
  log.publish(bus, [
    log.append(1, 'JOB_PENDING'),
    log.append(1, 'JOB_PROGRESS'),
    log.append(2, 'JOB_PROGRESS'),
    log.append(1, 'JOB_COMPLETED'),
  ]);
  expect(stream.told).toMatchObject([
    { position: 2, item: { position: 2 }, last: false },
    { position: 4, item: null, last: true },
  ]);
  // Live, from memory and from the log alike.
  expect(stream.recent(0)).toMatchObject({ items: [{ position: 2 }], through: 4, ended: true });
  expect(await stream.read(0)).toMatchObject({ items: [{ position: 2 }], through: 4, ended: true });
  expect(stream.recent(4)).toEqual({ items: [], through: 4, ended: false });
  stream.close();
});

test('a page from memory reaches to the newest event of the account, also of other jobs', async () => {
  const { log, bus, reader } = readerOf();
  const stream = opened(reader.jobEvents(ACCOUNT.id, job(1).id, null, null));
  await stream.ready;
  log.publish(bus, [log.append(1, 'JOB_PENDING'), log.append(2, 'JOB_PENDING')]);
  expect(stream.recent(0)).toMatchObject({ items: [{ position: 1 }], through: 2, ended: false });
  stream.close();
});

test('events that were removed, a log that was put back and a job that is not there are told', async () => {
  const { log, reader } = readerOf();
  for (let count = 0; count < 10; count++) log.append(1, 'JOB_PROGRESS');
  log.tail = 5;
  const [ofAll, ofJob] = [
    opened(reader.events(ACCOUNT.id, {}, null)),
    opened(reader.jobEvents(ACCOUNT.id, job(1).id, null, null)),
  ];
  await ofAll.ready;
  await expect(ofAll.read(4)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED', oldest: place(5) });
  expect(positions((await ofAll.read(5)).items)).toEqual([6, 7, 8, 9, 10]);
  for (const stream of [ofAll, ofJob])
    await expect(stream.read(11)).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  const none = opened(reader.jobEvents(ACCOUNT.id, job(7).id, null, null));
  await expect(none.read(0)).rejects.toThrow('was not found');
  for (const stream of [ofAll, ofJob, none]) stream.close();
});

test('whoever follows the same has one topic, and nobody else', () => {
  const { reader } = readerOf();
  const [one, other] = [job(1).id, job(2).id];
  const topics = [
    reader.events(ACCOUNT.id, {}, null),
    reader.events('acc_other', {}, null),
    reader.events(ACCOUNT.id, { types: ['JOB_ACTIVE'] }, null),
    reader.jobEvents(ACCOUNT.id, one, null, null),
    reader.jobEvents('acc_other', one, null, null),
    reader.jobEvents(ACCOUNT.id, other, null, null),
    reader.jobEvents(ACCOUNT.id, one, null, ['JOB_ACTIVE']),
    reader.jobEvents(ACCOUNT.id, one, null, []),
    reader.job(ACCOUNT.id, one, 250),
    reader.job(ACCOUNT.id, one, 251),
    reader.job('acc_other', one, 250),
    reader.attempts(ACCOUNT.id, null),
    reader.attempts(ACCOUNT.id, 'wh_1'),
    reader.attempts('acc_other', null),
  ].map(({ topic }) => topic);
  expect(new Set(topics).size).toBe(topics.length);
  const types = (...order: ('JOB_ACTIVE' | 'JOB_PENDING')[]) =>
    reader.jobEvents(ACCOUNT.id, one, place(3), order);
  expect(types('JOB_ACTIVE', 'JOB_PENDING').topic).toBe(
    types('JOB_PENDING', 'JOB_ACTIVE', 'JOB_ACTIVE').topic,
  );
});

test('a job is shown as of the read, and what changes while it is read is told again', async () => {
  const reading = later<void>();
  const answered = later<ReturnType<typeof job>>();
  const { log, bus, reader } = readerOf({
    job: () => {
      reading.resolve();
      return answered.promise;
    },
  });
  const stream = opened(reader.job(ACCOUNT.id, job(1).id, 250));
  await stream.ready;
  const page = stream.read(-1);
  await reading.promise;
  log.publish(bus, [log.append(1, 'JOB_ACTIVE')]);
  answered.resolve(job(1, { position: 0 }));
  // Not through 1: the answer does not know of it.
  expect(await page).toMatchObject({ through: 0, ended: false });
  expect(stream.told).toEqual([{ position: 1, item: null, last: false }]);
  stream.close();
});

test('streams that are closed leave nothing behind', async () => {
  const { reader, clock, bus, log } = readerOf();
  const streams = [
    reader.events(ACCOUNT.id, {}, null),
    reader.jobEvents(ACCOUNT.id, job(1).id, null, null),
    reader.job(ACCOUNT.id, job(1).id, 250),
    reader.attempts(ACCOUNT.id, null),
  ].map((source) => opened(source as Source<unknown>));
  for (const { ready } of streams) await ready;
  expect(clock.timers()).toBe(1);
  for (const { close } of streams) close();
  expect(clock.timers()).toBe(0);
  const { reads } = log;
  log.publish(bus, [log.append(1, 'JOB_ACTIVE'), log.append(1, 'JOB_COMPLETED')]);
  attempt(bus, 1);
  expect(streams.flatMap(({ told }) => told)).toEqual([]);
  expect(log.reads).toBe(reads);
});

const attempt = (
  bus: ReturnType<typeof memoryBus>,
  number: number,
  { accountId = ACCOUNT.id as string, webhookId = 'wh_1' } = {},
) => bus.publish([{ kind: 'attempt', accountId, webhookId, deliveryId: 'dlv_1', number }]);

function attemptsOf() {
  const made = Array.from({ length: 400 }, (_, index) => ({ number: index + 1 }));
  return readerOf({
    delivery: (async (_account: string, id: string) => ({ id })) as never,
    attempts: (async () => made) as never,
  });
}

test('each call of a webhook is shown as it was, of this webhook and this account alone', async () => {
  const { reader, bus } = attemptsOf();
  const [ofAll, ofOne] = [
    opened(reader.attempts(ACCOUNT.id, null)),
    opened(reader.attempts(ACCOUNT.id, 'wh_1')),
  ];
  attempt(bus, 1);
  attempt(bus, 2, { webhookId: 'wh_2' });
  attempt(bus, 3, { accountId: 'acc_other' });
  attempt(bus, 4);
  const numbers = async ({ read }: typeof ofAll) =>
    (await read(0)).items.map(({ value }) => value.attempt.number);
  expect(await numbers(ofAll)).toEqual([1, 2, 4]);
  expect(await numbers(ofOne)).toEqual([1, 4]);
  ofAll.close();
  ofOne.close();
});

test('of more calls than are kept a follower sees the newest, page by page, in order', async () => {
  const { reader, bus } = attemptsOf();
  const stream = opened(reader.attempts(ACCOUNT.id, null));
  for (let number = 1; number <= 300; number++) attempt(bus, number);
  const seen: number[] = [];
  for (let after = 0; after < 300; ) {
    const { items, through } = await stream.read(after);
    expect(items.length).toBeLessThanOrEqual(20);
    expect(through).toBeGreaterThan(after);
    seen.push(...items.map(({ value }) => value.attempt.number));
    after = through;
  }
  expect(seen).toEqual(Array.from({ length: 256 }, (_, index) => index + 45));
  expect(await stream.read(300)).toEqual({ items: [], through: 300, ended: false });
  stream.close();
});
