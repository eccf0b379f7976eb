import { expect, test } from 'vitest';
import { DONE, REVOKED, Slots, STARTED, WAITING } from '../../src/run/slots.js';

test('a task is either started or revoked, whoever comes first', () => {
  const main = Slots.ofLength(3);
  const thread = new Slots(main.memory);
  expect([0, 1, 2].map((index) => main.state(index))).toEqual([WAITING, WAITING, WAITING]);

  expect(thread.start(0, 1_700_000_000_123)).toBe(true);
  expect(main.revoke(0)).toBe(false);
  expect(main.revoke(1)).toBe(true);
  expect(thread.start(1, 5)).toBe(false);
  thread.finish(0);

  expect([0, 1, 2].map((index) => main.state(index))).toEqual([DONE, REVOKED, WAITING]);
  expect(main.startedAt(0)).toBe(1_700_000_000_123);
});

test('nothing is started or revoked twice', () => {
  const slots = Slots.ofLength(2);
  expect([slots.start(0, 1), slots.start(0, 2)]).toEqual([true, false]);
  expect([slots.revoke(1), slots.revoke(1)]).toEqual([true, false]);
  expect(slots.state(0)).toBe(STARTED);
});
