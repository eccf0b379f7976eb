import { expect, it } from 'vitest';
import { openHere } from '../../src/batch.js';
import { createCron } from '../../src/engine/cron.js';
import { createExpander } from '../../src/engine/expander.js';
import { savePipeline } from '../../src/engine/pipelines.js';
import { createSubPipelines } from '../../src/engine/sub-pipelines.js';
import { createSweeper } from '../../src/engine/sweeper.js';
import { createTriggers } from '../../src/engine/triggers.js';
import { UnavailableError } from '../../src/errors.js';
import type { Store } from '../../src/store.js';
import { ALL, Fixture, MINUTE, SECOND } from '../sqlite/fixture.js';
import { partsOf } from './loops.js';

const WRITES = ['submit', 'settle', 'keep', 'claim', 'skipCron', 'dropTrigger', 'promoteRetries'];
/** What each loop asks first in each of its steps. */
const STEPS = ['nextExpansion', 'outage', 'dueCrons', 'dueTriggers', 'owedLinks'];

it.each([
  ['every write', WRITES],
  ['new jobs', ['submit']],
  ['what becomes of jobs', ['settle', 'keep']],
])(
  'a disk that refuses %s is tried once a second, without a word, and nothing is lost or doubled',
  async (_, refused) => {
    const f = await Fixture.open();
    const asked = new Map<string, number>();
    let full = false;
    const store = new Proxy(f.store, {
      get(target, name: string) {
        const method = target[name as keyof Store] as unknown as (...given: unknown[]) => unknown;
        return async (...given: unknown[]) => {
          asked.set(name, (asked.get(name) ?? 0) + 1);
          if (full && refused.includes(name)) throw new UnavailableError('the disk is full');
          return method.apply(target, given);
        };
      },
    });
    const parts = partsOf(f, { store, bus: { publish() {}, listen: () => () => {} }, openBatch: openHere });
    const one = { nodeName: 'c', algorithmName: 'one', input: [1] };
    const save = (descriptor: object) =>
      savePipeline(parts, f.account, { descriptor, mode: 'create', ifVersion: null });
    await save({ name: 'child', nodes: [one] });
    await save({ name: 'after', nodes: [one], triggers: { pipelines: ['source'] } });
    await save({ name: 'timed', nodes: [one], triggers: { cron: { pattern: '* * * * *', enabled: true } } });
    await f.submit({ name: 'source', nodes: [one] });
    await f.succeed((await f.claim(1))[0]!);
    const spec = { name: 'child' };
    await f.submit({
      name: 'parent',
      nodes: [{ nodeName: 'a', kind: 'pipeline', spec, input: ['#[1,2,3]'] }],
    });
    await f.clock.advance(2 * MINUTE);
    const loops = [
      createExpander(parts),
      createSweeper(parts),
      createCron(parts, 60 * MINUTE),
      createTriggers(parts),
      createSubPipelines(parts, { worker: 'w' }),
    ];
    try {
      full = true;
      asked.clear();
      for (const loop of loops) loop.start();
      await f.clock.advance(20 * SECOND);
      // Some have something to do before they meet the disk, and are asked again for it.
      for (const name of STEPS) expect([name, asked.get(name)! <= 30]).toEqual([name, true]);
      full = false;
      // The leases end under which nothing could be started.
      await f.clock.advance(70 * SECOND);
      const jobs = await f.store.jobs(f.account, {}, ALL);
      const count = (name: string) => jobs.filter(({ pipelineName }) => pipelineName === name).length;
      expect({ child: count('child'), after: count('after'), timed: count('timed') }).toEqual({
        ...{ child: 3, after: 1, timed: 3 },
      });
      expect(parts.log.lines).toEqual([]);
    } finally {
      await Promise.all(loops.map((loop) => loop.stop()));
      await f.close();
    }
  },
);
