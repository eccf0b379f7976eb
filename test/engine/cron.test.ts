import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCron, setCron } from '../../src/engine/cron.js';
import { deletePipeline, savePipeline } from '../../src/engine/pipelines.js';
import { ProblemError, UnavailableError } from '../../src/errors.js';
import { ALL, Fixture, HOUR, MINUTE, SECOND } from '../sqlite/fixture.js';
import { partsOf, step } from './loops.js';

const DAY = 24 * HOUR;
const iso = (at: number | null | undefined) => (at == null ? null : new Date(at).toISOString());

describe('the cron', () => {
  let f: Fixture;
  let parts: ReturnType<typeof partsOf>;
  let catchUp: number;
  beforeEach(async () => {
    f = await Fixture.open();
    parts = partsOf(f);
    catchUp = HOUR;
  });
  afterEach(() => f.close());

  const save = (cron: object | null, more: object = {}) =>
    savePipeline(parts, f.account, {
      descriptor: {
        name: 'p',
        nodes: [{ nodeName: 'a', algorithmName: 'one' }],
        ...(cron && { triggers: { cron: { enabled: true, ...cron } } }),
        ...more,
      },
      mode: 'either',
      ifVersion: null,
    });
  const state = () => f.store.cron(f.account, 'p');
  const jobs = () => f.store.jobs(f.account, {}, ALL);
  /** When the runs were scheduled for that are submitted until nothing is due. */
  async function turn(): Promise<string[]> {
    const ran: string[] = [];
    for (let count = (await jobs()).length; ; ) {
      const { due } = await f.store.dueCrons(parts.clock.now(), 1);
      if (due.length === 0) return ran;
      await step(createCron(parts, catchUp));
      const now = (await jobs()).length;
      if (now > count) ran.push(iso((await state())?.lastRunAt)!);
      expect(now - count).toBeLessThanOrEqual(1);
      count = now;
    }
  }
  /** The same after each of some times. */
  async function over(count: number, ms: number): Promise<string[]> {
    const ran: string[] = [];
    for (let done = 0; done < count; done++) {
      await f.clock.advance(ms);
      ran.push(...(await turn()));
    }
    return ran;
  }

  it('submits a job each time that the pattern names, and says where it came from', async () => {
    await save({ pattern: '*/20 * * * *' });
    expect(await turn()).toEqual([]);
    expect(await over(60, MINUTE)).toEqual([
      '2026-01-01T00:20:00.000Z',
      '2026-01-01T00:40:00.000Z',
      '2026-01-01T01:00:00.000Z',
    ]);
    const [newest] = await jobs();
    expect(newest).toMatchObject({ pipelineName: 'p', types: ['stored', 'cron'], parentId: null, depth: 0 });
    expect(await state()).toEqual({
      ...{ pattern: '*/20 * * * *', timeZone: 'UTC', lastJobId: newest!.id, lastError: null },
      ...{ nextRunAt: f.at() + 20 * MINUTE, lastRunAt: f.at() },
    });
  });

  it('wakes by itself when the next run is due', async () => {
    await save({ pattern: '*/2 * * * * *' });
    const loop = createCron(parts, catchUp);
    loop.start();
    for (const count of [0, 1, 2]) {
      await f.clock.advance(2 * SECOND - 1);
      expect(await jobs()).toHaveLength(count);
      await f.clock.advance(1);
      expect(await jobs()).toHaveLength(count + 1);
    }
    await loop.stop();
  });

  it('reads the pattern in its time zone, through the nights in which clocks change', async () => {
    catchUp = DAY;
    await f.clock.advance(Date.UTC(2026, 2, 27, 12) - f.at());
    await save({ pattern: '30 2 * * *', timeZone: 'Europe/Berlin' });
    expect(await over(4, DAY)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ]);
    await f.clock.advance(Date.UTC(2026, 9, 24, 12) - f.at());
    await setCron(parts, f.account, 'p', { enabled: false });
    await setCron(parts, f.account, 'p', { enabled: true, pattern: '0 2,3 * * *' });
    expect(await over(2, DAY)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
      '2026-10-26T01:00:00.000Z',
      '2026-10-26T02:00:00.000Z',
    ]);
  });

  it('makes up what was missed one by one, in order, but nothing older than it should', async () => {
    await save({ pattern: '*/10 * * * *' });
    await f.clock.advance(3 * HOUR + 5 * MINUTE);
    await f.reopen();
    parts = partsOf(f);
    expect(await turn()).toEqual([
      '2026-01-01T02:10:00.000Z',
      '2026-01-01T02:20:00.000Z',
      '2026-01-01T02:30:00.000Z',
      '2026-01-01T02:40:00.000Z',
      '2026-01-01T02:50:00.000Z',
      '2026-01-01T03:00:00.000Z',
    ]);
    expect(parts.log.lines).toEqual([
      'runs by cron that were missed too long ago are skipped: 12, the first of 2026-01-01T00:10:00.000Z',
    ]);
  });

  it('skips a year of seconds in one step', async () => {
    await save({ pattern: '* * * * * *' });
    await f.clock.advance(365 * DAY);
    catchUp = 0;
    expect(await turn()).toHaveLength(11);
    expect(parts.log.lines).toEqual([
      'runs by cron that were missed too long ago are skipped: more than 100, the first of 2026-01-01T00:00:01.000Z',
    ]);
  });

  it('makes up nothing but the last seconds where it is told so', async () => {
    await save({ pattern: '*/10 * * * *' });
    catchUp = 0;
    await f.clock.advance(20 * MINUTE + 9 * SECOND);
    expect(await turn()).toEqual(['2026-01-01T00:20:00.000Z']);
    await f.clock.advance(10 * MINUTE + 2 * SECOND);
    expect(await turn()).toEqual([]);
    expect(iso((await state())?.nextRunAt)).toBe('2026-01-01T00:40:00.000Z');
  });

  it('runs nothing twice where the clock is set back, and goes on when it has come round', async () => {
    let shift = 0;
    const { clock } = f;
    parts = partsOf(f, { clock: { now: () => clock.now() + shift, after: clock.after.bind(clock) } });
    await save({ pattern: '*/10 * * * *' });
    expect(await over(3, 10 * MINUTE)).toHaveLength(3);
    shift = -25 * MINUTE;
    expect(await over(2, 10 * MINUTE)).toEqual([]);
    expect(await over(2, 10 * MINUTE)).toEqual(['2026-01-01T00:40:00.000Z']);
    // And nothing is missed where it is set forward.
    shift = 0;
    expect(await turn()).toEqual([
      '2026-01-01T00:50:00.000Z',
      '2026-01-01T01:00:00.000Z',
      '2026-01-01T01:10:00.000Z',
    ]);
  });

  it('runs nothing while it is off, and makes up nothing of that time', async () => {
    await save({ pattern: '*/10 * * * *', enabled: false });
    expect(await over(3, 10 * MINUTE)).toEqual([]);
    await setCron(parts, f.account, 'p', { enabled: true });
    expect(await turn()).toEqual([]);
    expect(await over(1, 10 * MINUTE)).toEqual(['2026-01-01T00:40:00.000Z']);
    await setCron(parts, f.account, 'p', { enabled: false });
    expect(await over(3, 10 * MINUTE)).toEqual([]);
    expect(await state()).toMatchObject({ nextRunAt: null, lastRunAt: Date.UTC(2026, 0, 1, 0, 40) });
  });

  it('keeps to a pattern that has changed from then on', async () => {
    await save({ pattern: '0 * * * *' });
    await f.clock.advance(30 * MINUTE);
    await save({ pattern: '*/15 * * * *' });
    expect(await over(3, 15 * MINUTE)).toEqual([
      '2026-01-01T00:45:00.000Z',
      '2026-01-01T01:00:00.000Z',
      '2026-01-01T01:15:00.000Z',
    ]);
    // What is due stays due where something else was saved.
    await f.clock.advance(15 * MINUTE);
    await save({ pattern: '*/15 * * * *' }, { description: 'another' });
    expect(await turn()).toEqual(['2026-01-01T01:30:00.000Z']);
    await save(null);
    expect(await over(3, HOUR)).toEqual([]);
    expect(await state()).toBeNull();
  });

  it('ends with its pipeline, and another of its name begins anew', async () => {
    await save({ pattern: '*/10 * * * *' });
    await f.clock.advance(30 * MINUTE);
    await deletePipeline(parts, f.account, 'p');
    expect(await turn()).toEqual([]);
    await save({ pattern: '*/10 * * * *' });
    expect(await turn()).toEqual([]);
    expect(await state()).toMatchObject({ lastRunAt: null, nextRunAt: f.at() + 10 * MINUTE });
  });

  it('runs one account in time while another has more due than can be run, and skips nothing of it', async () => {
    const { id: other } = await f.store.ensureAccount('other', 'whsec_other', f.at());
    const seconds = { triggers: { cron: { pattern: '* * * * * *', enabled: true } } };
    for (let count = 0; count < 100; count++) await save(null, { name: `p${count}`, ...seconds });
    const descriptor = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'one' }] };
    const minutes = { triggers: { cron: { pattern: '*/10 * * * *', enabled: true } } };
    await savePipeline(parts, other, {
      descriptor: { ...descriptor, ...minutes },
      ...{ mode: 'either', ifVersion: null },
    });
    await f.clock.advance(10 * MINUTE);
    await step(createCron(parts, catchUp));
    expect(await f.store.cron(other, 'p')).toMatchObject({ lastRunAt: f.at(), lastError: null });
    expect(await f.store.jobs(other, {}, ALL)).toHaveLength(1);
  });

  it('goes on after a run that is refused, remembers why, and says it once', async () => {
    await save({ pattern: '* * * * *' });
    const algorithms = parts.algorithms;
    parts.algorithms = new Map();
    expect(await over(3, MINUTE)).toEqual([]);
    expect(await state()).toMatchObject({
      ...{ lastRunAt: f.at(), lastJobId: null, nextRunAt: f.at() + MINUTE },
      lastError: 'algorithm one Not Found; known are: none',
    });
    parts.algorithms = algorithms;
    parts.limits = { ...parts.limits, runningJobs: 1 };
    expect(await over(1, MINUTE)).toHaveLength(1);
    expect((await state())?.lastError).toBeNull();
    expect(await over(2, MINUTE)).toEqual([]);
    expect((await state())?.lastError).toMatch(/running/);
    expect(parts.log.lines).toEqual([
      'a run by cron could not be submitted: algorithm one Not Found; known are: none',
      expect.stringMatching(/^a run by cron could not be submitted: .*running/),
    ]);
  });

  it('waits for a disk that takes nothing, and gives up on what fails for another reason', async () => {
    await save({ pattern: '* * * * *' });
    await f.clock.advance(MINUTE);
    const { submit } = f.store;
    f.store.submit = () => Promise.reject(new UnavailableError('the disk is full'));
    await step(createCron(parts, catchUp));
    expect(await state()).toMatchObject({ nextRunAt: f.at(), lastRunAt: null, lastError: null });
    expect(parts.log.lines).toEqual([]);
    f.store.submit = submit;
    expect(await turn()).toEqual(['2026-01-01T00:01:00.000Z']);
    f.store.submit = () => Promise.reject(new TypeError('x is not a function'));
    expect(await over(1, MINUTE)).toEqual([]);
    f.store.submit = submit;
    expect(await state()).toMatchObject({
      lastError: 'Carillon could not submit this run; its log says why',
      nextRunAt: f.at() + MINUTE,
    });
    expect(parts.log.errors).toMatchObject([{ err: new TypeError('x is not a function') }]);
  });

  it('submits the runs of many pipelines, those due longest ago first', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `p${index}`);
    for (const [index, name] of names.entries()) await save({ pattern: `${index % 60} * * * *` }, { name });
    await f.clock.advance(2 * HOUR);
    catchUp = 2 * HOUR;
    await step(createCron(parts, catchUp));
    const first = await jobs();
    expect(first).toHaveLength(64);
    const minutes = first.map(({ pipelineName }) => Number(pipelineName.slice(1)) % 60);
    // Minutes 1 to 32 are those of two pipelines each, and minute 0 comes again after an hour.
    expect(minutes.sort((a, b) => a - b)).toEqual(
      Array.from({ length: 64 }, (_, index) => 1 + Math.floor(index / 2)),
    );
    while ((await f.store.dueCrons(f.at(), 1)).due.length > 0) await step(createCron(parts, catchUp));
    const counts = new Map<string, number>();
    for (const { pipelineName } of await jobs())
      counts.set(pipelineName, (counts.get(pipelineName) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array(120).fill(2));
  });

  describe('is switched', () => {
    const descriptor = async () =>
      JSON.parse((await f.store.pipelineDescriptor(f.account, 'p', null))!.descriptor) as {
        triggers: object;
        description?: string;
      };

    it('on and off, with a pattern or without, by versions of the pipeline', async () => {
      await save(null, { triggers: { pipelines: ['q'] }, description: 'kept' });
      await setCron(parts, f.account, 'p', { enabled: true });
      expect(await descriptor()).toMatchObject({
        description: 'kept',
        triggers: { pipelines: ['q'], cron: { pattern: '0 * * * *', enabled: true } },
      });
      expect(await setCron(parts, f.account, 'p', { enabled: true })).toMatchObject({ version: 2 });
      await setCron(parts, f.account, 'p', { enabled: true, pattern: '0 0 * * *' });
      const off = await setCron(parts, f.account, 'p', { enabled: false });
      expect(off).toMatchObject({ name: 'p', version: 4 });
      expect((await descriptor()).triggers).toMatchObject({ cron: { pattern: '0 0 * * *', enabled: false } });
      expect(await f.store.triggerSources(f.account, 'p')).toEqual(['q']);
    });

    it('and keeps its time zone', async () => {
      await save({ pattern: '0 9 * * *', timeZone: 'Asia/Tokyo', enabled: false });
      await setCron(parts, f.account, 'p', { enabled: true, pattern: '0 10 * * *' });
      expect(await state()).toMatchObject({
        pattern: '0 10 * * *',
        timeZone: 'Asia/Tokyo',
        nextRunAt: Date.UTC(2026, 0, 1, 1),
      });
    });

    it('while others save the pipeline, without losing what they save', async () => {
      await save(null);
      const { savePipeline: write } = f.store;
      let others = 3;
      f.store.savePipeline = async (given) => {
        if (given.mode === 'update' && others-- > 0) await save(null, { description: `other ${others}` });
        return write(given);
      };
      await setCron(parts, f.account, 'p', { enabled: true });
      expect(await descriptor()).toMatchObject({
        description: 'other 0',
        triggers: { cron: { enabled: true } },
      });
    });

    it('on for nothing that is not there, and with no pattern that is none', async () => {
      const refused = (name: string, pattern?: string) =>
        setCron(parts, f.account, name, { enabled: true, ...(pattern && { pattern }) }).catch(
          (error: ProblemError) => error.problems,
        );
      expect(await refused('p')).toMatchObject([{ code: 'NOT_FOUND', message: 'pipeline p Not Found' }]);
      await save(null);
      expect(await refused('p', '@daily')).toEqual([
        {
          code: 'INVALID',
          message: 'pattern must be a cron pattern of 5 or 6 fields, got "@daily"',
          path: ['pattern'],
        },
      ]);
    });
  });

  it('is refused with the descriptor that names it', async () => {
    const error = await save({ pattern: '0 0 31 2 *' }).catch((thrown: ProblemError) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect((error as ProblemError).problems).toEqual([
      {
        code: 'INVALID',
        message: 'triggers.cron.pattern must name a time that comes, got "0 0 31 2 *"',
        path: ['descriptor', 'triggers', 'cron', 'pattern'],
      },
    ]);
  });
});
