import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../support/clock.js';
import { KilledServer } from '../support/killed.js';
import { startReceiver } from '../support/receiver.js';
import { World } from '../support/world.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const KILLS = heavy ? 30 : 2;

const SAVE = `mutation ($descriptor: JSON!) { savePipeline(input: { descriptor: $descriptor }) {
  pipeline { id } userErrors { code message path } } }`;
const CRON = `query ($name: String!) { pipeline(name: $name) { cron {
  pattern timeZone enabled nextRunAt lastRunAt lastError lastJob { id types } } jobs(first: 100) { nodes { id } } } }`;

interface Cron {
  pattern: string;
  timeZone: string;
  enabled: boolean;
  nextRunAt: string | null;
  lastRunAt: string | null;
  lastError: string | null;
  lastJob: { id: string; types: string[] } | null;
}
interface Answer {
  pipeline: { cron: Cron | null; jobs: { nodes: { id: string }[] } };
}

describe('a stored pipeline', () => {
  let world: World;
  afterEach(() => world.close());

  const save = async (name: string, more: object, node: object = {}) => {
    const nodes = [{ nodeName: 'n', algorithmName: 'echo', ...node }];
    const { savePipeline } = await world.ask<{ savePipeline: { userErrors: unknown[] } }>(SAVE, {
      descriptor: { name, nodes, ...more },
    });
    return savePipeline.userErrors;
  };
  const cronOf = async (name: string) => (await world.ask<Answer>(CRON, { name })).pipeline;

  it('is run by the clock, and shows when', async () => {
    const clock = new VirtualClock();
    world = await World.open({}, { clock });
    const cron = { pattern: '*/2 * * * * *', timeZone: 'Asia/Tokyo', enabled: true };
    expect(await save('p', { triggers: { cron } })).toEqual([]);
    expect(await save('none', {})).toEqual([]);
    expect((await cronOf('none')).cron).toBeNull();
    expect((await cronOf('p')).cron).toEqual({
      ...{ ...cron, nextRunAt: '2026-01-01T00:00:02.000Z' },
      ...{ lastRunAt: null, lastJob: null, lastError: null },
    });
    await clock.advance(5_000);
    const { cron: now, jobs } = await cronOf('p');
    expect(jobs.nodes).toHaveLength(2);
    expect(now).toMatchObject({
      ...{ nextRunAt: '2026-01-01T00:00:06.000Z', lastRunAt: '2026-01-01T00:00:04.000Z', lastError: null },
      lastJob: { id: jobs.nodes[0]!.id, types: ['STORED', 'CRON'] },
    });
    expect(await save('p', { triggers: { cron: { ...cron, enabled: false } } })).toEqual([]);
    await clock.advance(5_000);
    const off = await cronOf('p');
    expect(off.jobs.nodes).toHaveLength(2);
    expect(off.cron).toMatchObject({
      enabled: false,
      nextRunAt: null,
      lastRunAt: '2026-01-01T00:00:04.000Z',
    });
  });

  it('is refused with a pattern that is none, stored or submitted', async () => {
    world = await World.open();
    const triggers = { cron: { pattern: '61 * * * *', enabled: true } };
    const path = ['triggers', 'cron', 'pattern'];
    const message =
      'triggers.cron.pattern must be a cron pattern whose minutes are 0 to 59, got "61 * * * *"';
    expect(await save('p', { triggers })).toEqual([
      { code: 'INVALID', message, path: ['input', 'descriptor', ...path] },
    ]);
    const { submitPipeline } = await world.ask<{ submitPipeline: { userErrors: unknown[] } }>(
      'mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { userErrors { code message path } } }',
      { input: { name: 'p', nodes: [{ nodeName: 'n', algorithmName: 'echo' }], triggers } },
    );
    expect(submitPipeline.userErrors).toEqual([{ code: 'INVALID', message, path: ['input', ...path] }]);
  });

  it('runs after the pipelines it names, down a chain in which each is handed the results of the one before', async () => {
    world = await World.open();
    await save(
      'b',
      { triggers: { pipelines: ['a'] }, flowInput: { unit: 'cm' } },
      { input: ['#@flowInput.parent', '@flowInput.unit'] },
    );
    await save('c', { triggers: { pipelines: ['b'] } }, { input: ['@flowInput.parent'] });
    await save('never', {
      triggers: { pipelines: ['c'] },
      nodes: [{ nodeName: 'n', algorithmName: 'gone' }],
    });
    const ends = await followEnds(world);
    const id = await world.submit({
      name: 'a',
      nodes: [
        { nodeName: 'odd', algorithmName: 'echo', input: ['#[1,3]'] },
        { nodeName: 'even', algorithmName: 'echo', input: [2] },
      ],
    });
    const [a, b, c] = (await ends(3)).sort();
    expect([a, b, c]).toEqual([id, expect.stringMatching(/^b:/), expect.stringMatching(/^c:/)]);
    type Found = { job: { parent: { id: string } | null; results: { nodes: { result: unknown }[] } } };
    const read = async (of: string) =>
      (
        await world.ask<Found>(
          'query ($id: ID!) { job(id: $id) { parent { id } results { nodes { result } } } }',
          { id: of },
        )
      ).job;
    const frame = { algorithmName: 'echo' };
    expect(await read(b!)).toEqual({
      parent: { id: a },
      results: {
        nodes: [
          { result: [{ nodeName: 'odd', batchIndex: 1, ...frame, result: ['1'] }, 'cm'] },
          { result: [{ nodeName: 'odd', batchIndex: 2, ...frame, result: ['3'] }, 'cm'] },
          { result: [{ nodeName: 'even', ...frame, result: [2] }, 'cm'] },
        ],
      },
    });
    const last = await read(c!);
    expect(last.parent).toEqual({ id: b });
    expect(last.results.nodes[0]!.result).toMatchObject([
      [
        { nodeName: 'n', batchIndex: 1, result: [{ result: ['1'] }, 'cm'] },
        { nodeName: 'n', batchIndex: 2, result: [{ result: ['3'] }, 'cm'] },
        { nodeName: 'n', batchIndex: 3, result: [{ result: [2] }, 'cm'] },
      ],
    ]);
    const { job } = await world.ask<{ job: object }>(
      `query ($id: ID!) { job(id: $id) { parent { id } children(first: 5) { nodes { id types
         children(first: 5) { nodes { id children(first: 5) { nodes { id } } } } } } } }`,
      { id },
    );
    expect(job).toEqual({
      parent: null,
      children: {
        nodes: [
          { id: b, types: ['STORED', 'TRIGGER'], children: { nodes: [{ id: c, children: { nodes: [] } }] } },
        ],
      },
    });
  });

  it('shows what it runs after, what runs after it, and why it did not', async () => {
    world = await World.open();
    await save('b', { triggers: { pipelines: ['a', 'z'] } }, { algorithmName: 'gone' });
    await save('c', { triggers: { pipelines: ['b', 'a'] } });
    const show = async (name: string) =>
      (
        await world.ask<{ pipeline: { triggerError: string | null } }>(
          'query ($name: String!) { pipeline(name: $name) { triggeredBy triggers triggerError } }',
          { name },
        )
      ).pipeline;
    expect(await show('b')).toEqual({ triggeredBy: ['a', 'z'], triggers: ['c'], triggerError: null });
    expect(await show('c')).toEqual({ triggeredBy: ['a', 'b'], triggers: [], triggerError: null });
    const ends = await followEnds(world);
    await world.submit({ name: 'a', nodes: [{ nodeName: 'n', algorithmName: 'noop' }] });
    // Runs that are owed are taken in order: that of b was refused before that of c ended, or with it.
    await ends(2);
    expect((await show('b')).triggerError).toMatch(/^algorithm gone Not Found; known are: /);
    expect((await show('c')).triggerError).toBeNull();
  });
});

/** Follows the jobs that complete from now on: the ids of the first so many. */
async function followEnds(world: World): Promise<(count: number) => Promise<string[]>> {
  const receiver = await world.receiver();
  await world.ask(
    'mutation ($url: URL!) { registerWebhook(input: { url: $url, events: [JOB_COMPLETED] }) { userErrors { message } } }',
    { url: receiver.url },
  );
  return async (count) =>
    (await receiver.received(count)).map(({ json }) => (json['data'] as { jobId: string }).jobId);
}

it(
  `a server that is killed ${KILLS} times runs a cron at every second, and at none twice`,
  async () => {
    const receiver = await startReceiver();
    const server = await KilledServer.open({
      CARILLON_WORKER_THREADS: '1',
      CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    });
    try {
      const save = (enabled: boolean) =>
        server.ask(SAVE, {
          descriptor: {
            name: 'ticks',
            nodes: [{ nodeName: 'n', algorithmName: 'noop' }],
            triggers: { cron: { pattern: '* * * * * *', enabled } },
          },
        });
      const read = async () => (await server.ask<Answer>(CRON, { name: 'ticks' })).pipeline;
      await server.ask(
        'mutation ($url: URL!) { registerWebhook(input: { url: $url, events: [JOB_PENDING] }) { userErrors { message } } }',
        { url: receiver.url },
      );
      await save(true);
      const first = Date.parse((await read()).cron!.nextRunAt!);
      for (let kill = 1; kill <= KILLS; kill++) {
        // Just after a run was submitted, and at any other instant.
        await receiver.received(receiver.calls.length + 1);
        if (kill % 2 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 1_000));
        await server.kill();
        await server.start();
      }
      await receiver.received(receiver.calls.length + 2);
      await save(false);
      const { cron, jobs } = await read();
      expect(cron!.lastError).toBeNull();
      const seconds = (Date.parse(cron!.lastRunAt!) - first) / 1_000 + 1;
      expect(seconds).toBeGreaterThan(KILLS + 1);
      const { jobs: all } = await server.ask<{ jobs: { nodes: { number: number }[] } }>(
        '{ jobs(first: 1) { nodes { number } } }',
        {},
      );
      expect(all.nodes[0]!.number).toBe(seconds);
      expect(jobs.nodes).toHaveLength(Math.min(seconds, 100));
    } finally {
      await server.close();
      await receiver.close();
    }
  },
  heavy ? 600_000 : 120_000,
);
