import { Cron } from 'croner';
import { shown } from './errors.js';

/**
 * Cron patterns: "minute hour day month weekday", with seconds before them where there are six fields, read in a time
 * zone. Where a clock is put forward, a pattern that names one time of day which is left out runs when the gap ends,
 * and any other pattern runs at none of the times left out. Where it is put back, the first runs once, at the earlier
 * of the two, and any other pattern at both.
 */
export const DEFAULT_CRON_PATTERN = '0 * * * *';
export const DEFAULT_TIME_ZONE = 'UTC';
const MAX_PATTERN = 200;
const MAX_ZONE = 64;

const fields = [
  { name: 'seconds', range: '0 to 59' },
  { name: 'minutes', range: '0 to 59' },
  { name: 'hours', range: '0 to 23' },
  { name: 'days of the month', range: '1 to 31, or L for the last' },
  { name: 'months', range: '1 to 12 or JAN to DEC' },
  { name: 'days of the week', range: '0 to 7 or SUN to SAT' },
] as const;

export interface CronProblem {
  field: 'pattern' | 'timeZone';
  /** Follows the name of the field: rule and value. */
  message: string;
}

/** What is wrong with a pattern or its time zone; null: nothing, and there is a time at which it runs. */
export function cronProblem(pattern: string, timeZone: string): CronProblem | null {
  const rule = patternProblem(pattern);
  if (rule !== null) return { field: 'pattern', message: `${rule}, got ${shown(pattern)}` };
  if (!isTimeZone(timeZone)) {
    const message = `must be the name of a time zone, like "UTC" or "Europe/Berlin", got ${shown(timeZone)}`;
    return { field: 'timeZone', message };
  }
  // No field names a year, so what does not come from one day on comes from none.
  if (nextRun(pattern, timeZone, Date.UTC(2000, 0, 1)) !== null) return null;
  return { field: 'pattern', message: `must name a time that comes, got ${shown(pattern)}` };
}

/** The first run after a time; null: none. */
export function nextRun(pattern: string, timeZone: string, after: number): number | null {
  return cron(pattern, timeZone).nextRun(new Date(after))?.getTime() ?? null;
}

/** Runs after one time and before another, `atMost` of them. */
export function countRuns(
  { pattern, timeZone }: { pattern: string; timeZone: string },
  after: number,
  before: number,
  atMost: number,
): number {
  const runs = cron(pattern, timeZone);
  let count = 0;
  for (let at = runs.nextRun(new Date(after)); at && at.getTime() < before && count < atMost; count++)
    at = runs.nextRun(at);
  return count;
}

/** Paused and without anything to call, it sets no timer. */
function cron(pattern: string, timezone: string): Cron {
  // HKube takes "5/10" for "from 5 on, every 10".
  return new Cron(pattern, { mode: '5-or-6-parts', sloppyRanges: true, paused: true, timezone });
}

function patternProblem(pattern: string): string | null {
  if (pattern.length > MAX_PATTERN) return `must be at most ${MAX_PATTERN} characters long`;
  const given = pattern.trim().split(/\s+/);
  // Asked before croner is, which would also take a date, or a name like @hourly.
  if (given.length !== 5 && given.length !== 6) return 'must be a cron pattern of 5 or 6 fields';
  if (isParsed(pattern)) return null;
  const first = fields.length - given.length;
  for (const [index, { name, range }] of fields.slice(first).entries()) {
    const alone = fields.map((_, other) => (other === index + first ? given[index] : '*'));
    if (!isParsed(alone.join(' '))) return `must be a cron pattern whose ${name} are ${range}`;
  }
  return 'must be a cron pattern of 5 or 6 fields';
}

function isParsed(pattern: string): boolean {
  try {
    cron(pattern, DEFAULT_TIME_ZONE);
    return true;
  } catch {
    return false;
  }
}

/** By name alone: an offset knows nothing of daylight saving, and not every Node.js takes one. */
function isTimeZone(name: string): boolean {
  if (name.length > MAX_ZONE || !/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
