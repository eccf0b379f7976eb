import { createDestinationPolicy } from '../../src/destination.js';
import type { Parts } from '../../src/engine/parts.js';
import { NO_LIMITS } from '../../src/limits.js';
import type { Log } from '../../src/log.js';
import type { Loop } from '../../src/loop.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

/** What a loop says, by level. */
export class KeptLog implements Log {
  readonly lines: string[] = [];
  readonly errors: unknown[] = [];
  debug() {}
  info() {}
  warn(_facts: object, line: string) {
    this.lines.push(line);
  }
  error(facts: object, line: string) {
    this.errors.push(facts);
    this.lines.push(line);
  }
}

/** The parts of an engine over a fixture's store, with the algorithm "one". */
export function partsOf(f: Fixture, more: Partial<Parts> = {}): Parts & { log: KeptLog } {
  const { store, clock, ids } = f;
  return fake<Parts & { log: KeptLog }>('parts', {
    ...{ store, clock, ids, bus: memoryBus(() => {}), log: new KeptLog(), limits: NO_LIMITS },
    ...{ policy: createDestinationPolicy([]), algorithms: new Map([['one', '']]), formats: new Set() },
    ...(more as object),
  });
}

/** One step of a loop that was just started, as after a restart. */
export async function step(loop: Loop): Promise<void> {
  loop.start();
  await loop.stop();
}
