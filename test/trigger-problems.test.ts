import { expect, test } from 'vitest';
import { MAX_TRIGGERS, triggerProblems } from '../src/trigger-problems.js';

test('triggers that cannot work are refused where they stand', () => {
  const problems = (triggers: object) => triggerProblems({ triggers });
  expect(problems({ cron: { pattern: '0 0 * * *', timeZone: 'UTC' }, pipelines: ['any', 'name'] })).toEqual(
    [],
  );
  expect(problems({ cron: { pattern: 'often' } })).toEqual([
    {
      code: 'INVALID',
      message: 'triggers.cron.pattern must be a cron pattern of 5 or 6 fields, got "often"',
      path: ['triggers', 'cron', 'pattern'],
    },
  ]);
  expect(problems({ cron: { pattern: '0 0 * * *', timeZone: 'Moon' } })).toEqual([
    {
      code: 'INVALID',
      message:
        'triggers.cron.timeZone must be the name of a time zone, like "UTC" or "Europe/Berlin", got "Moon"',
      path: ['triggers', 'cron', 'timeZone'],
    },
  ]);
  const names = Array.from({ length: MAX_TRIGGERS + 1 }, (_, index) => `p${index}`);
  expect(problems({ pipelines: names.slice(1) })).toEqual([]);
  expect(problems({ pipelines: names })[0]?.message).toBe(
    'triggers.pipelines must be at most 100 items long, got 101',
  );
  expect(problems({ pipelines: ['x'.repeat(201)] })[0]?.message).toMatch(
    /^triggers\.pipelines\[0\] must be at most 200 characters long, got "x+…$/,
  );
});
