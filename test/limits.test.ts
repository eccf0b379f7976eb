import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BURST_SECONDS,
  type Bucket,
  burstOf,
  type Limits,
  leastOf,
  limitProblems,
  limitsOf,
  NO_LIMITS,
  roomFor,
  usedAt,
  waitOf,
} from '../src/limits.js';

/** A caller of one bucket: asks at the times given, and writes down when it was let through. */
function play(perSecond: number, times: readonly number[]) {
  let bucket: Bucket | undefined;
  const taken: number[] = [];
  const waits: { at: number; ms: number }[] = [];
  for (const at of times) {
    const used = bucket ? usedAt(bucket, perSecond, at) : 0;
    const ms = waitOf(used, perSecond);
    if (ms === 0) taken.push(at);
    else waits.push({ at, ms });
    bucket = { used: ms === 0 ? used + 1 : used, at };
  }
  return { taken, waits, bucket };
}

const rate = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0.01, max: 5, noNaN: true }));
/** Times that go forward, in bursts and gaps. */
const forward = fc
  .array(fc.oneof(fc.constant(0), fc.nat(50), fc.nat(20_000)), { minLength: 1, maxLength: 400 })
  .map((gaps) => {
    let at = 1_790_000_000_000;
    return gaps.map((gap) => {
      at += gap;
      return at;
    });
  });

describe('a bucket', () => {
  it('lets through no more in any span of time than the burst and what came back in it', () => {
    fc.assert(
      fc.property(rate, forward, (perSecond, times) => {
        const { taken } = play(perSecond, times);
        for (let from = 0; from < taken.length; from++) {
          for (let to = from; to < taken.length; to++) {
            const most = burstOf(perSecond) + ((taken[to]! - taken[from]!) / 1_000) * perSecond;
            expect(to - from + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('gives the whole burst at once, and not one more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (perSecond) => {
        const { taken, waits } = play(perSecond, Array(perSecond * BURST_SECONDS + 1).fill(5_000));
        expect(taken).toHaveLength(perSecond * BURST_SECONDS);
        expect(waits).toHaveLength(1);
      }),
    );
    // However slow: one there must be.
    expect(play(0.01, [0, 0]).taken).toHaveLength(1);
  });

  it('lets in who comes back after the wait it was told, and no sooner', () => {
    fc.assert(
      fc.property(rate, forward, (perSecond, times) => {
        const { waits, bucket } = play(perSecond, [...times, ...Array(3_000).fill(times.at(-1)!)]);
        const { at, ms } = waits.at(-1)!;
        const wait = (later: number) => waitOf(usedAt(bucket!, perSecond, at + later), perSecond);
        expect(wait(Math.ceil(ms))).toBe(0);
        expect(wait(ms * 0.9)).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });

  it('is full again after the time of a burst, whatever came before', () => {
    fc.assert(
      fc.property(rate, forward, (perSecond, times) => {
        const { bucket } = play(perSecond, times);
        const full = times.at(-1)! + (burstOf(perSecond) / perSecond) * 1_000;
        expect(usedAt(bucket!, perSecond, Math.ceil(full))).toBe(0);
      }),
    );
  });

  it('neither gives nor takes when the clock goes back, and fills from there', () => {
    const empty: Bucket = { used: 10, at: 1_000_000 };
    expect(usedAt(empty, 1, 0)).toBe(10);
    const { taken } = play(1, [...Array(11).fill(1_000_000), 0, 1_000]);
    expect(taken).toEqual([...Array(10).fill(1_000_000), 1_000]);
  });

  it('owes no more than a burst when its limit is lowered', () => {
    const { bucket } = play(100, Array(1_000).fill(0));
    expect(waitOf(usedAt(bucket!, 1, 0), 1)).toBe(1_000);
  });
});

const maybe = fc.option(fc.integer({ min: 1, max: 50 }), { nil: null });
const anyLimits = fc.record<Limits>({
  requestsPerSecond: maybe,
  sockets: maybe,
  runningJobs: maybe,
  storedBytes: maybe,
});

describe('limits', () => {
  it('that apply are those that are set, and of each kind the least counts', () => {
    fc.assert(
      fc.property(
        anyLimits,
        anyLimits,
        fc.option(fc.record({ requestsPerSecond: maybe, sockets: maybe }), { nil: null }),
        fc.nat(60),
        fc.nat(10),
        (server, account, key, used, adds) => {
          const holder = {
            account: { id: 'a', limits: account },
            apiKey: key && { id: 'k', limits: key },
          };
          const limits = limitsOf(server, holder);
          for (const kind of ['requestsPerSecond', 'sockets', 'runningJobs', 'storedBytes'] as const) {
            const given = [server[kind], account[kind], (key as Partial<Limits> | null)?.[kind] ?? null];
            const set = given.filter((max) => max !== null);
            expect(limits.filter((limit) => limit.kind === kind)).toHaveLength(set.length);
            const least = set.length > 0 ? Math.min(...set) : null;
            expect(leastOf(limits, kind)?.max ?? null).toBe(least);
            expect(roomFor(limits, kind, used, adds) === null).toBe(least === null || used + adds <= least);
          }
        },
      ),
    );
  });

  it('that somebody sets are whole numbers within bounds, and each mistake is told with field, bound and value', () => {
    expect(limitProblems({ requestsPerSecond: 1, storedBytes: 5e12, runningJobs: null }, [])).toEqual([]);
    expect(limitProblems(NO_LIMITS, [])).toEqual([]);
    const problems = limitProblems({ sockets: 0, runningJobs: -1, storedBytes: 1.5 }, ['limits']);
    expect(problems.map(({ path }) => path.join('.'))).toEqual([
      'limits.sockets',
      'limits.runningJobs',
      'limits.storedBytes',
    ]);
    expect(problems[0]!.message).toBe(
      'limits.sockets must be a whole number from 1 to 1000000, got 0; null is no limit',
    );
    expect(limitProblems({ requestsPerSecond: 1_000_001 }, [])).toHaveLength(1);
  });
});
