import { describe, expect, it } from 'vitest';
import { systemIds, uuidV7 } from '../src/id.js';
import { VirtualClock } from './support/clock.js';

describe('ids', () => {
  it('are version 7 UUIDs that sort by time', () => {
    const at = (ms: number) => uuidV7(ms, Buffer.alloc(10, 0xff));
    expect(at(0x0190_0000_0000)).toBe('01900000-0000-7fff-bfff-ffffffffffff');
    expect([at(3), at(1), at(2)].sort()).toEqual([at(1), at(2), at(3)]);
  });

  it('are long and random, with a prefix that tells what they name', () => {
    const ids = systemIds(new VirtualClock());
    const made = Array.from({ length: 1_000 }, () => ids.random('wh'));
    expect(new Set(made).size).toBe(1_000);
    for (const id of made) expect(id).toMatch(/^wh_[a-z0-9]{24}$/);
    expect(ids.bytes(32)).toHaveLength(32);
    expect(ids.fraction()).toBeLessThan(1);
  });
});
