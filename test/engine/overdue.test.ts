import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Parts } from '../../src/engine/parts.js';
import { createSweeper } from '../../src/engine/sweeper.js';
import { UnavailableError } from '../../src/errors.js';
import type { Loop } from '../../src/loop.js';
import { memoryBus } from '../../src/memory/bus.js';
import { Fixture } from '../sqlite/fixture.js';
import { fake } from '../support/fake.js';

describe('the sweeper', () => {
  let f: Fixture;
  let sweeper: Loop;
  let errors: object[];
  const revoked: string[] = [];
  beforeEach(async () => {
    f = await Fixture.open();
    errors = [];
    revoked.length = 0;
  });
  afterEach(async () => {
    await sweeper.stop();
    await f.close();
  });

  const start = () => {
    const { clock, ids, store } = f;
    const bus = memoryBus(() => {});
    bus.listen('revoked', ({ tokens }) => revoked.push(...tokens));
    const log = { debug() {}, info() {}, warn() {}, error: (facts: object) => void errors.push(facts) };
    sweeper = createSweeper(fake<Parts>('parts', { store, bus, clock, ids, log }));
    sweeper.start();
  };
  const timed = (ttl: number) => f.submit(f.single({ options: { ttl } }));
  const statusOf = async (jobId: string) => (await f.store.job(f.account, jobId))!.status;

  it('ends a job at the moment that its time is over, and stops what runs of it', async () => {
    const job = await timed(2);
    const [task] = await f.claim(1);
    await f.settle(task!, { kind: 'started' });
    // It looks every second at other times than this job ends.
    await f.clock.advance(700);
    start();
    await f.clock.advance(1_299);
    expect(await statusOf(job)).toBe('ACTIVE');
    await f.clock.advance(1);
    expect(await f.store.job(f.account, job)).toMatchObject({
      status: 'CANCELLED',
      reason: 'pipeline expired',
      finishedAt: f.at(),
    });
    expect(revoked).toEqual([task!.token]);
  });

  it('finds what was over before it started', async () => {
    const job = await timed(1);
    await f.clock.advance(3_600_000);
    start();
    await f.clock.advance(0);
    expect(await statusOf(job)).toBe('CANCELLED');
  });

  it('ends many in turns of bounded size, none of them later', async () => {
    for (let count = 0; count < 450; count++) await timed(1);
    const turns: number[] = [];
    const { overdueJobs } = f.store;
    f.store.overdueJobs = async (at, limit) => {
      const found = await overdueJobs(at, limit);
      if (found.jobUuids.length > 0) turns.push(found.jobUuids.length);
      return found;
    };
    start();
    await f.clock.advance(1_000);
    await expect.poll(() => f.rows('select 1 from jobs where finished_at is null').length).toBe(0);
    expect(turns).toEqual([200, 200, 50]);
  });

  it('goes on with the others where one cannot be ended, and says so, but of a full disk', async () => {
    const [bad, full, good] = [await timed(1), await timed(1), await timed(1)];
    const { settle } = f.store;
    f.store.settle = async (group, decide) => {
      if (bad.endsWith(group.jobUuid)) throw new Error('no');
      if (full.endsWith(group.jobUuid)) throw new UnavailableError('full');
      return settle(group, decide);
    };
    start();
    await f.clock.advance(1_000);
    expect([await statusOf(bad), await statusOf(full), await statusOf(good)]).toEqual([
      'PENDING',
      'PENDING',
      'CANCELLED',
    ]);
    expect(errors).toMatchObject([{ jobUuid: bad.split(':')[1] }]);
    f.store.settle = settle;
    await f.clock.advance(1_000);
    expect([await statusOf(bad), await statusOf(full)]).toEqual(['CANCELLED', 'CANCELLED']);
  });
});
