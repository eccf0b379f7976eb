import { createHash } from 'node:crypto';
import type { Clock } from '../../src/clock.js';
import { type Ids, uuidV7 } from '../../src/id.js';

/** Ids that are the same in every run: a counter, hashed. */
export function countedIds(clock: Clock): Ids {
  let count = 0;
  const next = (length: number) => createHash('sha512').update(String(count++)).digest().subarray(0, length);
  return {
    uuid: () => uuidV7(clock.now(), next(10)),
    random: (prefix) => `${prefix}_${next(12).toString('hex')}`,
    bytes: (length) => Buffer.from(next(length)),
    fraction: () => 0.5,
  };
}
