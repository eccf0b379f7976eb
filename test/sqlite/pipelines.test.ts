import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NO_LIMITS } from '../../src/limits.js';
import { MAX_VERSION_BYTES, MAX_VERSIONS } from '../../src/pipeline.js';
import type { PipelineSaved } from '../../src/store.js';
import { Fixture } from './fixture.js';

let f: Fixture;
beforeEach(async () => {
  f = await Fixture.open();
});
afterEach(() => f.close());

const save = (name: string, descriptor: string): Promise<PipelineSaved> =>
  f.store.savePipeline({
    accountId: f.account,
    name,
    description: null,
    tags: [],
    descriptor,
    mode: 'either',
    ifVersion: null,
    limits: NO_LIMITS,
    at: f.at(),
  });

it('whatever is saved and deleted, the bytes that are counted are those that are there', async () => {
  const step = fc.record({
    name: fc.constantFrom('p', 'q'),
    // Of 9 MiB one alone is too much, of 3 MiB the third.
    size: fc.constantFrom<number | null>(null, 1, 1, 2, 3_000_000, 9_000_000),
    times: fc.constantFrom(1, 1, 1, 3, 101),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const { name, size, times } of steps) {
        if (size === null) await f.store.deletePipeline(f.account, name);
        else
          for (let count = 0; count < (size > 2 ? 1 : times); count++)
            await save(name, JSON.stringify(`${count}${'ü'.repeat(size / 2)}`));
        expect(f.miscounted()).toEqual([]);
        const kept = f.rows<{ versions: number; bytes: number }>(
          `select count(*) as versions, sum(octet_length(descriptor)) as bytes from pipeline_versions group by pipeline`,
        );
        for (const { versions, bytes } of kept) {
          expect(versions).toBeLessThanOrEqual(MAX_VERSIONS);
          expect(versions === 1 || bytes <= MAX_VERSION_BYTES).toBe(true);
        }
        const newest = f.rows<{ name: string }>(
          `select name from pipelines p where version <> (select max(version) from pipeline_versions v where v.pipeline = p.key)`,
        );
        expect(newest).toEqual([]);
      }
      await f.store.deletePipeline(f.account, 'p');
      await f.store.deletePipeline(f.account, 'q');
      expect(f.rows('select * from pipeline_versions')).toEqual([]);
    }),
    { numRuns: process.env['CARILLON_TEST_HEAVY'] ? 200 : 8 },
  );
});
