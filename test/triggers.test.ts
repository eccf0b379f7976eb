import { expect, test } from 'vitest';
import { savedTriggers, triggersOf } from '../src/triggers.js';

test('triggers are in UTC where a descriptor does not say', () => {
  expect(triggersOf({})).toEqual({ cron: null, pipelines: [] });
  expect(triggersOf({ triggers: {} })).toEqual({ cron: null, pipelines: [] });
  expect(
    triggersOf({ triggers: { cron: { pattern: '0 * * * *', enabled: false }, pipelines: ['a', 'b'] } }),
  ).toEqual({
    cron: { pattern: '0 * * * *', timeZone: 'UTC', enabled: false },
    pipelines: ['a', 'b'],
  });
  const cron = { pattern: '0 0 * * *', timeZone: 'Asia/Tokyo', enabled: true };
  expect(triggersOf({ triggers: { cron } }).cron).toEqual(cron);
});

test('a cron without a pattern runs every hour, as one that is started without any does', () => {
  expect(triggersOf({ triggers: { cron: { enabled: true } } }).cron).toEqual({
    pattern: '0 * * * *',
    timeZone: 'UTC',
    enabled: true,
  });
});

test('what is kept beside a descriptor is when its cron runs next, if it is on', () => {
  const at = Date.UTC(2026, 0, 1, 12);
  const saved = (enabled: boolean) =>
    savedTriggers({ triggers: { cron: { pattern: '0 9 * * *', timeZone: 'Asia/Tokyo', enabled } } }, at);
  const kept = { pattern: '0 9 * * *', timeZone: 'Asia/Tokyo' };
  expect(saved(true)).toEqual({ cron: { ...kept, nextAt: Date.UTC(2026, 0, 2) }, pipelines: [] });
  expect(saved(false)).toEqual({ cron: { ...kept, nextAt: null }, pipelines: [] });
  expect(savedTriggers({ triggers: { pipelines: ['a'] } }, at)).toEqual({ cron: null, pipelines: ['a'] });
});
