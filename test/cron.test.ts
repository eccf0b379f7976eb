import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countRuns, cronProblem, nextRun } from '../src/cron.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());

/** The next runs after a time. */
function runs(pattern: string, timeZone: string, after: string, count: number): (string | null)[] {
  const found: (string | null)[] = [];
  let at: number | null = Date.parse(after);
  for (let index = 0; index < count && at !== null; index++) {
    at = nextRun(pattern, timeZone, at);
    found.push(iso(at));
  }
  return found;
}

describe('a cron pattern', () => {
  it.each([
    '* * * * *',
    '0 * * * *',
    '*/7 * * * * *',
    '5/10 * * * *',
    '0 0 * * MON-FRI',
    '0 0 1 jan,JUL ?',
    '0 12 L * *',
    '0 0 29 2 *',
    ' 0\t0 * * 7 ',
  ])('is taken: %j', (pattern) => {
    expect(cronProblem(pattern, 'UTC')).toBeNull();
  });

  it.each([
    ['', 'must be a cron pattern of 5 or 6 fields, got ""'],
    ['0 * * *', 'must be a cron pattern of 5 or 6 fields, got "0 * * *"'],
    ['* * * * * * *', 'must be a cron pattern of 5 or 6 fields, got "* * * * * * *"'],
    ['@hourly', 'must be a cron pattern of 5 or 6 fields, got "@hourly"'],
    ['2026-05-05T00:00:00', 'must be a cron pattern of 5 or 6 fields, got "2026-05-05T00:00:00"'],
    ['60 * * * *', 'must be a cron pattern whose minutes are 0 to 59, got "60 * * * *"'],
    ['60 * * * * *', 'must be a cron pattern whose seconds are 0 to 59, got "60 * * * * *"'],
    ['0 24 * * *', 'must be a cron pattern whose hours are 0 to 23, got "0 24 * * *"'],
    [
      '0 0 0 * *',
      'must be a cron pattern whose days of the month are 1 to 31, or L for the last, got "0 0 0 * *"',
    ],
    ['0 0 * 13 *', 'must be a cron pattern whose months are 1 to 12 or JAN to DEC, got "0 0 * 13 *"'],
    ['0 0 * * 8', 'must be a cron pattern whose days of the week are 0 to 7 or SUN to SAT, got "0 0 * * 8"'],
    ['H * * * *', 'must be a cron pattern whose minutes are 0 to 59, got "H * * * *"'],
    ['*/0 * * * *', 'must be a cron pattern whose minutes are 0 to 59, got "*/0 * * * *"'],
    ['0 0 31 2 *', 'must name a time that comes, got "0 0 31 2 *"'],
    [`${'0,'.repeat(100)}0 * * * *`, 'must be at most 200 characters long, got "0,0,'],
  ])('is refused with a reason: %j', (pattern, message) => {
    expect(cronProblem(pattern, 'UTC')).toEqual({
      field: 'pattern',
      message: expect.stringContaining(message),
    });
  });

  it.each(['Mars/Phobos', '+02:00', '', 'x'.repeat(65), '1'])(
    'is refused in a time zone that has no name: %j',
    (timeZone) => {
      expect(cronProblem('0 0 * * *', timeZone)).toEqual({
        field: 'timeZone',
        message: expect.stringMatching(
          /^must be the name of a time zone, like "UTC" or "Europe\/Berlin", got "/,
        ),
      });
    },
  );

  it('is read in its time zone, all year round', () => {
    expect(runs('0 9 * * *', 'Europe/Berlin', '2026-01-14T12:00:00Z', 1)).toEqual([
      '2026-01-15T08:00:00.000Z',
    ]);
    expect(runs('0 9 * * *', 'Europe/Berlin', '2026-07-14T12:00:00Z', 1)).toEqual([
      '2026-07-15T07:00:00.000Z',
    ]);
    expect(runs('30 0 * * *', 'Asia/Kolkata', '2026-01-14T12:00:00Z', 1)).toEqual([
      '2026-01-14T19:00:00.000Z',
    ]);
  });

  it('runs in one of its seconds, and never at the time it is asked about', () => {
    const after = '2026-01-01T00:00:00.999Z';
    expect(runs('* * * * * *', 'UTC', after, 2)).toEqual([
      '2026-01-01T00:00:01.000Z',
      '2026-01-01T00:00:02.000Z',
    ]);
  });

  it('that names one time of day runs when the gap of spring ends, and once in the hour that autumn repeats', () => {
    expect(runs('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(runs('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('that names several leaves out what spring leaves out, and runs in both hours of autumn', () => {
    expect(runs('0,30 * * * *', 'Europe/Berlin', '2026-03-29T00:10:00Z', 3)).toEqual([
      '2026-03-29T00:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T01:30:00.000Z',
    ]);
    expect(runs('0 2,3 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 3)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ]);
  });

  it('runs at every minute whose time on the wall it names, and at no other', () => {
    const steps = (low: number, high: number) =>
      fc.oneof(
        fc.constant({ text: '*', takes: () => true }),
        fc.integer({ min: 2, max: high - low }).map((step) => ({
          text: `*/${step}`,
          takes: (value: number) => (value - low) % step === 0,
        })),
        fc
          .uniqueArray(fc.integer({ min: low, max: high }), { minLength: 2, maxLength: 5 })
          .map((values) => ({ text: values.join(','), takes: (value: number) => values.includes(value) })),
      );
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
    // Around the nights in which these zones change their clocks, and some others.
    const begins = [
      '2026-03-08',
      '2026-03-29',
      '2026-04-05',
      '2026-10-04',
      '2026-10-25',
      '2026-11-01',
      '2026-12-31',
    ];
    fc.assert(
      fc.property(
        steps(0, 59),
        steps(0, 23),
        steps(0, 6),
        fc.constantFrom(...zones),
        fc.constantFrom(...begins),
        (minute, hour, weekday, timeZone, begin) => {
          const wall = new Intl.DateTimeFormat('en-GB', {
            timeZone,
            ...({ hour: '2-digit', minute: '2-digit', weekday: 'short', hourCycle: 'h23' } as const),
          });
          const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
          const from = Date.parse(begin) - DAY / 2;
          const named: string[] = [];
          for (let at = from + MINUTE; at <= from + DAY; at += MINUTE) {
            const [, day, hours, minutes] = /(\w+),? (\d+):(\d+)/.exec(wall.format(at))!;
            if (
              minute.takes(Number(minutes)) &&
              hour.takes(Number(hours)) &&
              weekday.takes(days.indexOf(day!))
            )
              named.push(iso(at)!);
          }
          const pattern = `${minute.text} ${hour.text} * * ${weekday.text}`;
          const found: string[] = [];
          const end = from + DAY;
          let at = nextRun(pattern, timeZone, from);
          for (; at !== null && at <= end; at = nextRun(pattern, timeZone, at)) found.push(iso(at)!);
          expect(found, `${pattern} in ${timeZone}`).toEqual(named);
        },
      ),
      { numRuns: process.env['CARILLON_TEST_HEAVY'] === '1' ? 2_000 : 60 },
    );
  });

  it('counts its runs between two times, up to a bound', () => {
    const cron = { pattern: '*/10 * * * *', timeZone: 'UTC' };
    const from = Date.UTC(2026, 0, 1);
    expect(countRuns(cron, from, from + 60 * MINUTE, 100)).toBe(5);
    expect(countRuns(cron, from, from + 60 * MINUTE + 1, 100)).toBe(6);
    expect(countRuns(cron, from, from + 60 * MINUTE, 3)).toBe(3);
    expect(countRuns(cron, from, from, 3)).toBe(0);
  });
});
