import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { match, nextTryAt, scheduleOf, type Target } from '../src/delivery.js';
import { eventTypes, jobStatusEvents, terminalEvents, verbosities } from '../src/event.js';

const HOUR = 3_600_000;
const target = (more: Partial<Target>): Target => ({
  key: 1,
  source: 'REGISTERED',
  url: 'http://a/',
  urlKey: 'http://a/',
  format: 'STANDARD',
  events: [...jobStatusEvents],
  pipelines: [],
  verbosity: 'info',
  ...more,
});

describe('the schedule', () => {
  it('tries status changes ten times over about 75 hours, whatever the jitter', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 10, maxLength: 10 }),
        (fractions) => {
          let at = 0;
          let tries = 1;
          for (;;) {
            const next = nextTryAt('STATUS', tries, 0, at, fractions[tries]!);
            if (next === null) break;
            expect(next).toBeGreaterThan(at);
            at = next;
            tries++;
          }
          expect(tries).toBe(10);
          expect(at).toBeGreaterThan(67 * HOUR);
          expect(at).toBeLessThanOrEqual(scheduleOf('STATUS').maxAgeMs);
        },
      ),
    );
  });

  it('gives progress two tries, and counts age from the event', () => {
    expect(nextTryAt('PROGRESS', 1, 0, 0, 0.5)).toBe(5_000);
    expect(nextTryAt('PROGRESS', 2, 0, 5_000, 0.5)).toBeNull();
    expect(nextTryAt('PROGRESS', 1, 0, 600_000, 0.5)).toBeNull();
    expect(nextTryAt('STATUS', 1, 0, 76 * HOUR, 0.5)).toBeNull();
  });
});

describe('matching', () => {
  it('gives a registered webhook the types and pipelines it asked for', () => {
    const hook = target({ pipelines: ['p'] });
    expect(match([hook], 'JOB_ACTIVE', 'p')).toHaveLength(1);
    expect(match([hook], 'JOB_ACTIVE', 'q')).toEqual([]);
    expect(match([hook], 'TASK_COMPLETED', 'p')).toEqual([]);
    expect(match([target({ pipelines: [] })], 'JOB_ACTIVE', 'q')).toHaveLength(1);
  });

  it('gives a job its progress by verbosity and its result once, at the end', () => {
    const targets = [
      target({ key: 1, source: 'JOB_PROGRESS', urlKey: 'p', format: 'HKUBE' }),
      target({ key: 2, source: 'JOB_RESULT', urlKey: 'r', format: 'HKUBE' }),
    ];
    const parts = (type: (typeof eventTypes)[number]) =>
      match(targets, type, 'p').map((one) => `${one.target.key}${one.part}`);
    expect(parts('JOB_PENDING')).toEqual(['1EVENT']);
    expect(parts('JOB_PROGRESS')).toEqual([]);
    for (const type of terminalEvents) expect(parts(type)).toEqual(['1EVENT', '2RESULT']);
    const sent = verbosities.map((verbosity) =>
      eventTypes.filter(
        (type) => match([target({ source: 'JOB_PROGRESS', verbosity })], type, 'p').length > 0,
      ),
    );
    expect(sent[0]).toEqual([]);
    expect(sent[1]).toEqual(['JOB_FAILED']);
    expect(sent[2]).toEqual(['JOB_FAILED']);
    expect(sent[3]).toEqual([...jobStatusEvents]);
    expect(sent[4]).toContain('JOB_PROGRESS');
    expect(sent[5]).toEqual(sent[4]);
  });

  it('sends a body to a URL once, however many ask for it', () => {
    const twice = [
      target({ key: 1 }),
      target({ key: 2 }),
      target({ key: 3, format: 'HKUBE' }),
      target({ key: 4, urlKey: 'http://b/' }),
    ];
    expect(match(twice, 'JOB_ACTIVE', 'p').map((one) => one.target.key)).toEqual([1, 3, 4]);
    const same = [target({ key: 1, source: 'JOB_PROGRESS' }), target({ key: 2, source: 'JOB_RESULT' })];
    expect(match(same, 'JOB_COMPLETED', 'p').map((one) => one.target.key)).toEqual([1]);
    const hkube = same.map((one) => ({ ...one, format: 'HKUBE' as const }));
    expect(match(hkube, 'JOB_COMPLETED', 'p').map((one) => one.part)).toEqual(['EVENT', 'RESULT']);
  });
});
