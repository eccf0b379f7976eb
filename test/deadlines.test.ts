import { describe, expect, it } from 'vitest';
import { deadlinesOf, expiresAt, overdueReason, paused, resumed, started } from '../src/deadlines.js';

describe('the time limits of a job', () => {
  it('are in seconds, from its submission and from its first start', () => {
    const given = deadlinesOf({ ttl: 60, activeTtl: 10 }, 1_000);
    expect(expiresAt(given)).toBe(61_000);
    expect(expiresAt(started(given, 5_000))).toBe(15_000);
    expect(expiresAt(started(given, 58_000))).toBe(61_000);
  });

  it('are none where the ttl is 0 or less, and no activeTtl is given', () => {
    for (const ttl of [0, -1]) expect(expiresAt(started(deadlinesOf({ ttl }, 1_000), 2_000))).toBeNull();
    expect(expiresAt(deadlinesOf({ ttl: 0, activeTtl: 10 }, 1_000))).toBeNull();
    expect(expiresAt(deadlinesOf({ ttl: 0, activeTtl: null }, 1_000))).toBeNull();
  });

  it('name the one that was reached first, at its very millisecond', () => {
    const both = started(deadlinesOf({ ttl: 60, activeTtl: 10 }, 0), 20_000);
    expect(overdueReason(both, 29_999)).toBeNull();
    expect(overdueReason(both, 30_000)).toBe('pipeline active TTL expired');
    // Found much later, when the other is over too.
    expect(overdueReason(both, 70_000)).toBe('pipeline active TTL expired');
    expect(overdueReason(started(deadlinesOf({ ttl: 25, activeTtl: 10 }, 0), 20_000), 70_000)).toBe(
      'pipeline expired',
    );
  });

  it('are moved on by each pause, and are none meanwhile', () => {
    const given = started(deadlinesOf({ ttl: 60, activeTtl: 10 }, 0), 1_000);
    const once = paused(given, 5_000);
    expect(expiresAt(once)).toBeNull();
    expect(overdueReason(once, 1_000_000)).toBeNull();
    const back = resumed(once, 105_000);
    expect(back).toMatchObject({ ttlAt: 160_000, activeTtlAt: 111_000, pausedAt: null });
    expect(resumed(paused(back, 106_000), 107_000)).toMatchObject({ ttlAt: 161_000, activeTtlAt: 112_000 });
  });

  it('start to count at the first start, also after a pause', () => {
    const waiting = resumed(paused(deadlinesOf({ ttl: 0, activeTtl: 10 }, 0), 1_000), 9_000);
    expect(expiresAt(waiting)).toBeNull();
    expect(expiresAt(started(waiting, 20_000))).toBe(30_000);
  });

  it('lose nothing to a clock that was put back, and reach no further than a date can', () => {
    expect(resumed(paused(deadlinesOf({ ttl: 60 }, 0), 50_000), 10_000).ttlAt).toBe(60_000);
    const far = deadlinesOf({ ttl: Number.MAX_SAFE_INTEGER, activeTtl: Number.MAX_SAFE_INTEGER }, 1_000);
    for (const time of [
      far.ttlAt!,
      started(far, 2_000).activeTtlAt!,
      resumed(paused(far, 1_000), 9e12).ttlAt!,
    ])
      expect(Number.isNaN(new Date(time).getTime())).toBe(false);
  });
});
