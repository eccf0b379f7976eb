import { expect, it } from 'vitest';
import { controlJob } from '../../src/engine/job-control.js';
import type { Parts } from '../../src/engine/parts.js';
import { memoryBus } from '../../src/memory/bus.js';
import { Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

it('a pause that comes between those of somebody else pauses the job, and is never refused for a state that allows it', async () => {
  const f = await Fixture.open();
  try {
    const id = await f.submit(f.single());
    const { settle } = f.store;
    const others = (kind: 'pause' | 'resume') => f.settleJob(id, { kind, at: f.at() });
    let first = true;
    f.store.settle = async (group, decide) => {
      if (!first) return settle(group, decide);
      first = false;
      await others('pause');
      const refused = await settle(group, decide);
      await others('resume');
      return refused;
    };
    const { clock, ids, store } = f;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const parts = fake<Parts>('parts', { store, bus: memoryBus(() => {}), clock, ids, log });
    expect(await controlJob(parts, f.account, id, 'pause')).toMatchObject({ id, status: 'PAUSED' });
    await expect(controlJob(parts, f.account, id, 'pause')).rejects.toMatchObject({
      problems: [{ message: 'unable to pause pipeline p because its in paused status' }],
    });
  } finally {
    await f.close();
  }
});
