import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PROGRESS_INTERVAL_MS, Progress, type ProgressReport } from '../../src/run/progress.js';
import { ManualClock } from './manual-clock.js';

function setup() {
  const clock = new ManualClock();
  const sent: (ProgressReport & { at: number })[] = [];
  const progress = new Progress(clock, (report) => sent.push({ ...report, at: clock.now() }));
  const percents = () => sent.map(({ percent }) => percent);
  return { clock, sent, progress, percents };
}

test('sends the first report at once and then the last of each second', () => {
  const { clock, progress, percents } = setup();
  for (const percent of [1, 2, 3]) progress.report(percent, undefined);
  expect(percents()).toEqual([1]);
  clock.advance(PROGRESS_INTERVAL_MS - 1);
  expect(percents()).toEqual([1]);
  clock.advance(1);
  expect(percents()).toEqual([1, 3]);
});

test('sends from the call itself where timers cannot run', () => {
  const now = { value: 0 };
  const sent: ProgressReport[] = [];
  const blocked = { now: () => now.value, after: () => ({ cancel: () => {} }) };
  const progress = new Progress(blocked, (report) => sent.push(report));
  for (now.value = 0; now.value <= 3_000; now.value += 100) progress.report(now.value / 100, undefined);
  expect(sent.map(({ percent }) => percent)).toEqual([0, 10, 20, 30]);
});

test('sends what is unsent before the result, and nothing after it', () => {
  const { clock, progress, percents } = setup();
  progress.report(1, undefined);
  progress.report(100, undefined);
  progress.finish();
  progress.report(7, undefined);
  clock.advance(10_000);
  expect(percents()).toEqual([1, 100]);
  expect(clock.pending).toBe(0);
});

test('sends nothing twice', () => {
  const { clock, progress, percents } = setup();
  progress.report(5, 'a');
  progress.report(6, 'b');
  progress.report(5, 'a');
  clock.advance(PROGRESS_INTERVAL_MS);
  progress.finish();
  expect(percents()).toEqual([5]);
});

test.each([
  [-3, 0],
  [250, 100],
  [Number.POSITIVE_INFINITY, 100],
  [Number.NaN, null],
  ['50', null],
  [{}, null],
])('shows %s percent as %s', (given, shown) => {
  const { progress, percents } = setup();
  progress.report(given, 'x');
  expect(percents()).toEqual([shown]);
});

test('cuts messages to 1,000 characters and drops what is no text', () => {
  const { progress, sent } = setup();
  progress.report(1, 'm'.repeat(5_000));
  progress.report(2, 17);
  progress.finish();
  expect(sent.map(({ message }) => message)).toEqual(['m'.repeat(1_000), null]);
});

test('sends at most one report a second, and ends with the last value', () => {
  const steps = fc.array(fc.record({ percent: fc.integer({ min: 0, max: 100 }), ms: fc.nat(700) }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(steps, (calls) => {
      const { clock, progress, sent } = setup();
      for (const { percent, ms } of calls) {
        progress.report(percent, undefined);
        clock.advance(ms);
      }
      const beforeEnd = sent.map(({ at }) => at);
      progress.finish();
      for (const [index, at] of beforeEnd.entries()) {
        if (index > 0) expect(at - (beforeEnd[index - 1] ?? 0)).toBeGreaterThanOrEqual(PROGRESS_INTERVAL_MS);
      }
      expect(sent.at(-1)?.percent).toBe(calls.at(-1)?.percent);
    }),
  );
});
