import { beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { type JobType, RAW } from '../../src/job.js';
import { NO_LIMITS } from '../../src/limits.js';
import { MAX_PIPELINES, MAX_VERSION_BYTES, MAX_VERSIONS } from '../../src/pipeline.js';
import type { PipelineSave, Store } from '../../src/store.js';
import type { Opened } from './store.js';

const ALL = { limit: 1_000, after: null, before: null, inverted: false };

/** What every Store must do about stored pipelines. */
export function pipelineCases(opened: () => Opened, storeOf: () => Store): void {
  describe('stored pipelines', () => {
    let account: string;
    let store: Store;
    beforeEach(async () => {
      store = storeOf();
      account = (await store.ensureAccount('default', 'whsec_account', 0)).id;
    });
    const at = () => opened().clock.now();

    const tryToSave = (name: string, descriptor: unknown, more: Partial<PipelineSave> = {}) =>
      store.savePipeline({
        accountId: account,
        name,
        description: null,
        tags: [],
        descriptor: JSON.stringify(descriptor),
        mode: 'either',
        ifVersion: null,
        limits: NO_LIMITS,
        at: at(),
        ...more,
      });
    async function save(name: string, descriptor: unknown, more: Partial<PipelineSave> = {}) {
      const saved = await tryToSave(name, descriptor, more);
      if (!('pipeline' in saved)) throw new Error(JSON.stringify(saved));
      return saved.pipeline;
    }
    const versions = async (name: string) =>
      (await store.pipelineVersions(account, name, ALL)).map((one) => one.version);
    const stored = async () => (await store.usage(account)).storedBytes;

    it('are found by name and by id, with their newest descriptor and every older one', async () => {
      const first = await save('p', { a: 1 }, { description: 'what it is for', tags: ['t'] });
      expect(first).toEqual({
        id: expect.stringMatching(/^pip_/),
        accountId: account,
        name: 'p',
        version: 1,
        description: 'what it is for',
        tags: ['t'],
        createdAt: at(),
        modifiedAt: at(),
      });
      const created = at();
      await opened().clock.advance(1_000);
      const second = await save('p', { a: 2 });
      expect(second).toEqual({
        ...first,
        version: 2,
        description: null,
        tags: [],
        createdAt: created,
        modifiedAt: created + 1_000,
      });
      expect(await store.pipeline(account, 'p')).toEqual(second);
      expect(await store.pipelineById(account, first.id)).toEqual(second);
      expect(await store.pipelineDescriptor(account, 'p', null)).toEqual({
        version: 2,
        descriptor: '{"a":2}',
      });
      expect(await store.pipelineDescriptor(account, 'p', 1)).toEqual({ version: 1, descriptor: '{"a":1}' });
      expect(await store.pipelineDescriptor(account, 'p', 3)).toBeNull();
      expect(await store.pipelineVersions(account, 'p', ALL)).toEqual([
        { pipelineName: 'p', version: 2, createdAt: created + 1_000 },
        { pipelineName: 'p', version: 1, createdAt: created },
      ]);
    });

    it('get no version from a descriptor that has not changed', async () => {
      const first = await save('p', { a: 1 });
      const bytes = await stored();
      await opened().clock.advance(1_000);
      expect(await save('p', { a: 1 })).toEqual(first);
      expect(await save('p', { a: 1 }, { mode: 'update', ifVersion: 1 })).toEqual(first);
      expect(await stored()).toBe(bytes);
      // What was there before is a change all the same.
      await save('p', { a: 2 });
      expect(await save('p', { a: 1 })).toMatchObject({ version: 3 });
    });

    it('are refused where the mode or the version does not fit, and nothing is written', async () => {
      expect(await tryToSave('p', {}, { mode: 'update' })).toEqual({ missing: true });
      expect(await tryToSave('p', {}, { ifVersion: 1 })).toEqual({ missing: true });
      expect(await store.pipelines(account, ALL)).toEqual([]);
      await save('p', { a: 1 }, { mode: 'create' });
      const bytes = await stored();
      expect(await tryToSave('p', { a: 1 }, { mode: 'create' })).toEqual({ exists: true });
      expect(await tryToSave('p', { a: 2 }, { ifVersion: 2 })).toEqual({ version: 1 });
      expect(await versions('p')).toEqual([1]);
      expect(await stored()).toBe(bytes);
    });

    it('let one of several win that follow the same version at once', async () => {
      await save('p', { a: 0 });
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) => tryToSave('p', { a: index + 1 }, { ifVersion: 1 })),
      );
      expect(answers.filter((answer) => 'pipeline' in answer)).toHaveLength(1);
      expect(answers.filter((answer) => 'version' in answer)).toHaveLength(9);
      expect(await versions('p')).toEqual([2, 1]);
    });

    it('are paged by name, from both ends, also from a name that is gone', async () => {
      const names = ['P', 'a', 'b', 'c.d', 'c:d', 'z'];
      for (const name of [...names].reverse()) await save(name, {});
      const page = async (more: object) =>
        (await store.pipelines(account, { ...ALL, ...more })).map(({ name }) => name);
      expect(await page({})).toEqual(names);
      expect(await page({ after: 'a', limit: 2 })).toEqual(['b', 'c.d']);
      expect(await page({ before: 'c:d', limit: 2, inverted: true })).toEqual(['c.d', 'b']);
      expect(await page({ after: 'a', before: 'c.d' })).toEqual(['b']);
      await store.deletePipeline(account, 'b');
      expect(await page({ after: 'b', limit: 1 })).toEqual(['c.d']);
    });

    it('have versions that are paged newest first', async () => {
      for (let count = 0; count < 5; count++) await save('p', { count });
      const page = async (more: object) =>
        (await store.pipelineVersions(account, 'p', { ...ALL, ...more })).map(({ version }) => version);
      expect(await page({ after: '4', limit: 2 })).toEqual([3, 2]);
      expect(await page({ before: '2', limit: 2, inverted: true })).toEqual([3, 4]);
      expect(await page({ after: 'nothing' })).toEqual([]);
    });

    it('keep a hundred versions of each, and give the bytes of older ones back', async () => {
      for (let count = 1; count <= MAX_VERSIONS + 2; count++) await save('p', { count: 1_000 + count });
      expect(await versions('p')).toEqual(
        Array.from({ length: MAX_VERSIONS }, (_, index) => MAX_VERSIONS + 2 - index),
      );
      expect(await stored()).toBe(MAX_VERSIONS * '{"count":1001}'.length);
      expect(await store.pipelineDescriptor(account, 'p', 2)).toBeNull();
    });

    it('keep fewer versions of large descriptors, the newest always', async () => {
      const text = 'x'.repeat(Math.floor(MAX_VERSION_BYTES / 2) - 100);
      for (let count = 1; count <= 3; count++) await save('p', { count, text });
      expect(await versions('p')).toEqual([3, 2]);
      await save('p', { text: 'x'.repeat(MAX_VERSION_BYTES) });
      expect(await versions('p')).toEqual([4]);
      expect(await stored()).toBe(MAX_VERSION_BYTES + '{"text":""}'.length);
    });

    it('are a thousand of an account at most, and one that is there can still be changed', async () => {
      const names = Array.from({ length: MAX_PIPELINES }, (_, index) => `p${index}`);
      await Promise.all(names.map((name) => save(name, {})));
      expect(await tryToSave('more', {})).toEqual({ full: MAX_PIPELINES });
      expect(await save('p0', { a: 1 })).toMatchObject({ version: 2 });
      const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
      expect(await save('p0', {}, { accountId: other })).toMatchObject({ version: 1 });
      await store.deletePipeline(account, 'p1');
      expect(await save('more', {})).toMatchObject({ version: 1 });
    });

    it('count for the limit of stored bytes until they are deleted', async () => {
      await save('p', { text: 'ü' });
      const bytes = '{"text":"ü"}'.length + 1;
      expect(await stored()).toBe(bytes);
      const limits = { ...NO_LIMITS, runningJobs: 0, storedBytes: bytes + 10 };
      expect(await tryToSave('q', { text: 'long' }, { limits })).toEqual({
        noRoom: {
          limit: { kind: 'storedBytes', scope: 'SERVER', max: bytes + 10 },
          used: bytes,
          adds: '{"text":"long"}'.length,
        },
      });
      expect(await tryToSave('q', {}, { limits })).toHaveProperty('pipeline');
      await store.deletePipeline(account, 'q');
      expect(await store.deletePipeline(account, 'p')).toMatchObject({ name: 'p', version: 1 });
      expect(await stored()).toBe(0);
      expect(await store.pipeline(account, 'p')).toBeNull();
      expect(await store.deletePipeline(account, 'p')).toBeNull();
    });

    it('begin anew under a name that was deleted', async () => {
      const first = await save('p', { a: 1 });
      await save('p', { a: 2 });
      await store.deletePipeline(account, 'p');
      const second = await save('p', { a: 3 });
      expect(second.version).toBe(1);
      expect(second.id).not.toBe(first.id);
      expect(await versions('p')).toEqual([1]);
      expect(await store.pipelineById(account, first.id)).toBeNull();
    });

    it('are nothing to another account, which may have its own of the same name', async () => {
      const mine = await save('p', { a: 1 });
      const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
      expect(await store.pipeline(other, 'p')).toBeNull();
      expect(await store.pipelineById(other, mine.id)).toBeNull();
      expect(await store.pipelines(other, ALL)).toEqual([]);
      expect(await store.pipelineDescriptor(other, 'p', null)).toBeNull();
      expect(await store.pipelineVersions(other, 'p', ALL)).toEqual([]);
      expect(await store.deletePipeline(other, 'p')).toBeNull();
      await save('p', { b: 1 }, { accountId: other, mode: 'create' });
      expect(await store.pipelineDescriptor(account, 'p', null)).toMatchObject({ descriptor: '{"a":1}' });
    });

    it('tell their runs that have not ended, all of them and no others', async () => {
      const submit = async (name: string, types: JobType[], accountId = account) => {
        const parsed = parseDescriptor({ name, nodes: [{ nodeName: 'a', algorithmName: 'one' }] });
        if ('problems' in parsed) throw new Error();
        const { descriptor } = parsed;
        const uuid = opened().ids.uuid();
        const job = newJob(uuid, descriptor, graphOf(descriptor).graph, { ...RAW, types }, at());
        await store.submit({
          accountId,
          job,
          targets: [],
          idempotency: null,
          limits: NO_LIMITS,
          at: at(),
        });
        return uuid;
      };
      const runs = async () => {
        const found: string[] = [];
        let place: string | null = null;
        do {
          const { jobUuids, next } = await store.storedRuns(account, 'p', place);
          found.push(...jobUuids);
          place = next;
        } while (place !== null);
        return found.sort();
      };
      const other = (await store.ensureAccount('other', 'whsec_other', at())).id;
      await submit('p', ['stored'], other);
      await submit('p', ['raw']);
      await submit('q', ['stored']);
      const own: string[] = [];
      for (const types of [['stored'], ['stored', 'cron'], ['trigger'], ['stored', 'rerun']] as JobType[][])
        own.push(await submit('p', types));
      // More than are looked at at once.
      own.push(...(await Promise.all(Array.from({ length: 1_100 }, () => submit('p', ['stored'])))));
      expect(await runs()).toEqual([...own].sort());
      const cancel = { kind: 'cancel', at: at(), reason: '' } as const;
      const [ended] = own.splice(0, 1);
      await store.settle({ jobUuid: ended!, outcomes: [cancel] }, advance);
      expect(await runs()).toEqual([...own].sort());
    });
  });
}
