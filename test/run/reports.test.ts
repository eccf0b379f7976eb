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

const succeeded = (token: string, result: string): Report => ({
  jobUuid: 'j',
  outcome: { kind: 'succeeded', ref, token, at: 0, result },
});
const tokensOf = ({ reports }: { reports: Report[] }) => reports.map(({ outcome }) => outcome.token);

/** A store that answers each call when told to. */
function setup() {
  const clock = new ManualClock();
  const calls: {
    reports: Report[];
    answer: (accepted?: (boolean | null)[]) => void;
    reject: (error: Error) => void;
  }[] = [];
  const settled: [TaskOutcome, boolean][] = [];
  const errors: unknown[] = [];
  let called = () => {};
  const reports = new Reports(clock, {
    settle: (batch) =>
      new Promise((resolve, reject) => {
        const answer = (accepted: (boolean | null)[] = batch.map(() => true)) => resolve({ accepted });
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

test('a call that fails is repeated, later each time, ahead of what came meanwhile', async () => {
  const { reports, call, clock, errors, calls } = setup();
  reports.add(started('a'));
  (await call(1)).reject(new Error('disk full'));
  await expect.poll(() => errors.length).toBe(1);
  reports.add(started('b'));
  clock.advance(49);
  expect(calls).toHaveLength(1);
  clock.advance(1);
  const again = await call(2);
  expect(tokensOf(again)).toEqual(['a', 'b']);
  again.reject(new Error('disk full'));
  await expect.poll(() => errors.length).toBe(2);
  reports.add(started('c'));
  clock.advance(99);
  expect(calls).toHaveLength(2);
  clock.advance(1);
  const third = await call(3);
  expect(tokensOf(third)).toEqual(['a', 'b', 'c']);
  third.answer();
  await expect.poll(() => reports.unsettled).toBe(0);
});

test('what was not taken is handed in again, alone of its call and ahead of what came meanwhile', async () => {
  const { reports, call, clock, settled, errors } = setup();
  for (const token of ['a', 'b', 'c']) reports.add(started(token));
  (await call(1)).answer([null, true, false]);
  await expect.poll(() => settled.length).toBe(2);
  expect(reports.unsettled).toBe(1);
  reports.add(succeeded('a', '1'));
  reports.add(started('d'));
  clock.advance(50);
  const again = await call(2);
  expect(again.reports).toEqual([started('a'), succeeded('a', '1'), started('d')]);
  again.answer([true, true, false]);
  await expect.poll(() => reports.unsettled).toBe(0);
  expect(settled.map(([{ token, kind }, accepted]) => `${token} ${kind} ${accepted}`)).toEqual([
    'b started true',
    'c started false',
    'a started true',
    'a succeeded true',
    'd started false',
  ]);
  expect(errors).toEqual([]);
});

test('others wait for half a second at most where one outcome is never taken', async () => {
  const { reports, call, clock } = setup();
  reports.add(started('stuck'));
  for (let turn = 1; turn < 10; turn++) {
    const { answer } = await call(turn);
    reports.add(started(`t${turn}`));
    answer([null, ...Array(turn - 1).fill(true)]);
    await expect.poll(() => reports.unsettled).toBe(2);
    clock.advance(turn === 1 ? 50 : 500);
    expect(tokensOf(await call(turn + 1))).toEqual(['stuck', `t${turn}`]);
  }
});

test('counts the text of results until they are settled', async () => {
  const { reports, call } = setup();
  reports.add(succeeded('a', '[1,2]'));
  reports.add(succeeded('b', '[]'));
  reports.add(progress('c', 50));
  const first = await call(1);
  expect(reports.resultChars).toBe(7);
  first.answer([null, true, true]);
  await expect.poll(() => reports.resultChars).toBe(5);
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
