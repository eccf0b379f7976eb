import { expect, test } from 'vitest';
import { type Report, Reports, type TaskOutcome } from '../../src/run/reports.js';
import { ManualClock } from './manual-clock.js';

const ref = { node: 0, item: 1 };
const started = (token: string): Report => ({
  jobUuid: 'j',
  outcome: { kind: 'started', ref, token, at: 0 },
});
const progress = (token: string, percent: number): Report => ({
  jobUuid: 'j',
  outcome: { kind: 'progress', ref, token, at: 0, percent, message: null },
});

/** A store that answers each call when told to. */
function setup() {
  const clock = new ManualClock();
  const calls: {
    reports: Report[];
    answer: (accepted?: boolean[]) => void;
    reject: (error: Error) => void;
  }[] = [];
  const settled: [TaskOutcome, boolean][] = [];
  const errors: unknown[] = [];
  let called = () => {};
  const reports = new Reports(clock, {
    settle: (batch) =>
      new Promise((resolve, reject) => {
        const answer = (accepted = batch.map(() => true)) => resolve({ accepted });
        calls.push({ reports: [...batch], answer, reject });
        called();
      }),
    settled: (outcome, accepted) => settled.push([outcome, accepted]),
    answered: () => {},
    failed: (error) => errors.push(error),
  });
  const call = async (number: number) => {
    while (calls.length < number)
      await new Promise<void>((resolve) => {
        called = resolve;
      });
    return calls[number - 1]!;
  };
  return { clock, calls, settled, errors, reports, call };
}

test('what comes in one turn shares a call, and what comes meanwhile waits for the next', async () => {
  const { reports, call, settled, calls } = setup();
  for (const token of ['a', 'b']) reports.add(started(token));
  const first = await call(1);
  expect(first.reports.map(({ outcome }) => outcome.token)).toEqual(['a', 'b']);
  for (const token of ['c', 'd']) reports.add(started(token));
  expect([reports.unsettled, calls.length]).toEqual([4, 1]);
  first.answer([true, false]);
  const second = await call(2);
  expect(second.reports.map(({ outcome }) => outcome.token)).toEqual(['c', 'd']);
  expect(settled.map(([{ token }, accepted]) => [token, accepted])).toEqual([
    ['a', true],
    ['b', false],
  ]);
});

test('a call that fails is repeated as it was, later each time, before anything else', async () => {
  const { reports, call, clock, errors, calls } = setup();
  reports.add(started('a'));
  (await call(1)).reject(new Error('disk full'));
  await expect.poll(() => errors.length).toBe(1);
  reports.add(started('b'));
  clock.advance(49);
  expect(calls).toHaveLength(1);
  clock.advance(1);
  const again = await call(2);
  expect(again.reports.map(({ outcome }) => outcome.token)).toEqual(['a']);
  again.reject(new Error('disk full'));
  await expect.poll(() => errors.length).toBe(2);
  clock.advance(99);
  expect(calls).toHaveLength(2);
  clock.advance(1);
  (await call(3)).answer();
  expect((await call(4)).reports.map(({ outcome }) => outcome.token)).toEqual(['b']);
});

test('newer progress takes the place of what has not been sent', async () => {
  const { reports, call } = setup();
  reports.add(started('a'));
  reports.add(progress('a', 1));
  reports.add(started('b'));
  reports.add(progress('a', 2));
  const first = await call(1);
  expect(first.reports.map(({ outcome }) => ('percent' in outcome ? outcome.percent : outcome.kind))).toEqual(
    ['started', 2, 'started'],
  );
  reports.add(progress('a', 3));
  first.answer();
  expect((await call(2)).reports).toEqual([progress('a', 3)]);
});

test('no call carries more than 500 outcomes', async () => {
  const { reports, call } = setup();
  for (let n = 0; n < 501; n++) reports.add(started(`t${n}`));
  const first = await call(1);
  expect(first.reports).toHaveLength(500);
  first.answer();
  expect((await call(2)).reports).toHaveLength(1);
});
