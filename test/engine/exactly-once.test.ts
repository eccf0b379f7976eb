import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countRuns } from '../../src/cron.js';
import { createCron } from '../../src/engine/cron.js';
import { savePipeline } from '../../src/engine/pipelines.js';
import { createTriggers } from '../../src/engine/triggers.js';
import type { LeasedTask } from '../../src/lease.js';
import type { Store } from '../../src/store.js';
import { ALL, Fixture, HOUR, SECOND } from '../sqlite/fixture.js';
import { partsOf, step } from './loops.js';

const WALKS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 60 : 3;
const STEPS = 25;

/** The same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

class Killed extends Error {}

/** A store whose process dies at some call, before it or after what it did: from then on nobody is answered. */
function mortal(store: Store, random: () => number, chance: number): Store {
  let dead = false;
  return new Proxy(store, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]) => {
        if (dead) throw new Killed();
        const fate = random() < chance ? random() : null;
        if (fate !== null && fate < 0.5) dead = true;
        if (dead) throw new Killed();
        const answer: unknown = await method.apply(target, args);
        // The others of this turn die with it, whether they were committed or not.
        if (fate !== null) dead = true;
        if (dead) throw new Killed();
        return answer;
      };
    },
  });
}

describe('a server that dies anywhere, beside another that does the same work', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  it.each(Array.from({ length: WALKS }, (_, seed) => seed + 1))(
    'submits every run that a cron or a trigger owes, once (walk %i)',
    async (seed) => {
      const next = random(seed);
      const begun = f.at();
      const parts = partsOf(f);
      const node = { nodeName: 'n', algorithmName: 'one' };
      const save = (name: string, triggers: object) =>
        savePipeline(parts, f.account, {
          descriptor: { name, nodes: [node], triggers },
          ...{ mode: 'either', ifVersion: null },
        });
      const crons = new Map([
        ['seconds', '* * * * * *'],
        ['thirds', '*/3 * * * * *'],
        ['twenties', '*/20 * * * * *'],
      ]);
      for (const [name, pattern] of crons) await save(name, { cron: { pattern, enabled: true } });
      await save('after', { pipelines: ['thirds', 'twenties'] });
      await save('last', { pipelines: ['after'] });

      // Two servers cannot own one folder; what is asked here is that they would do no harm.
      const loops = () =>
        [1, 2].flatMap(() => {
          const own = { ...parts, store: mortal(f.store, next, 0.1) };
          return [createCron(own, HOUR), createTriggers(own)];
        });
      const kept: LeasedTask[] = [];
      const settle = async () => {
        const tasks = await f.claim(1 + Math.floor(next() * 20), ['one']);
        await Promise.all(tasks.map((task) => (next() < 0.9 ? f.succeed(task) : kept.push(task))));
      };
      for (let done = 0; done < STEPS; done++) {
        await f.clock.advance(Math.floor(next() * 4 * SECOND));
        await Promise.all([...loops().map(step), settle()]);
        if (next() < 0.1) {
          await f.reopen();
          parts.store = f.store;
        }
      }

      // The dust settles: nobody dies any more, and every task ends.
      await Promise.all(kept.map((task) => f.succeed(task)));
      for (;;) {
        await step(createCron(parts, HOUR));
        await step(createTriggers(parts));
        const tasks = await f.claim(500, ['one']);
        await Promise.all(tasks.map((task) => f.succeed(task)));
        const { due } = await f.store.dueCrons(f.at(), 1);
        if (tasks.length + due.length + (await f.store.dueTriggers(1, 1)).length === 0) break;
      }
      const jobs = await f.store.jobs(f.account, {}, ALL);
      const count = (name: string) => jobs.filter(({ pipelineName }) => pipelineName === name).length;
      for (const [name, pattern] of crons) {
        const owed = countRuns({ pattern, timeZone: 'UTC' }, begun, f.at() + 1, 10_000);
        expect(count(name), name).toBe(owed);
        expect(owed).toBeGreaterThan(0);
      }
      expect(count('after')).toBe(count('thirds') + count('twenties'));
      expect(count('last')).toBe(count('after'));
      // Each child has a parent of its own.
      const parents = jobs.flatMap(({ parentId }) => parentId ?? []);
      expect(new Set(parents).size).toBe(parents.length);
      expect(f.miscounted()).toEqual([]);
    },
  );
});
