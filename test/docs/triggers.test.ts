import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cronProblem } from '../../src/cron.js';
import { MAX_TRIGGERS } from '../../src/descriptor.js';
import { MAX_PARENT_BYTES } from '../../src/engine/triggers.js';
import { resultItemJson } from '../../src/result.js';
import { MAX_OWED_RUNS, MAX_TRIGGER_DEPTH } from '../../src/triggers.js';
import { ALGORITHMS } from '../examples/program.js';
import { World } from '../support/world.js';
import { blocksOf, page } from './blocks.js';

const text = page('docs/triggers.md');

describe('docs/triggers.md', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open({ CARILLON_ALGORITHMS_DIR: ALGORITHMS });
  });
  afterEach(() => world.close());

  it('does what it says, step by step', async () => {
    const [save, cron, triggers] = blocksOf('docs/triggers.md')
      .filter(({ language, info }) => language === 'graphql' && info === 'run')
      .map(({ code }) => code);
    expect(await world.ask(save!)).toEqual({
      numbers: {
        pipeline: { cron: { nextRunAt: expect.stringMatching(/T0[45]:30:00\.000Z$/) } },
        userErrors: [],
      },
      tenfold: { pipeline: { triggeredBy: ['numbers'] }, userErrors: [] },
    });
    expect(await world.ask(cron!)).toMatchObject({
      pipeline: {
        cron: { pattern: '30 6 * * 1-5', timeZone: 'Europe/Berlin', enabled: true, lastError: null },
      },
    });
    const receiver = await world.receiver();
    await world.ask(
      'mutation ($url: URL!) { registerWebhook(input: { url: $url, pipelines: ["tenfold"], events: [JOB_COMPLETED] }) { userErrors { message } } }',
      { url: receiver.url },
    );
    const { runPipeline } = await world.ask<{ runPipeline: { job: { id: string } } }>(
      'mutation { runPipeline(input: { name: "numbers" }) { job { id } } }',
    );
    const { id } = runPipeline.job;
    const [call] = await receiver.received(1);
    const { jobId, results } = call!.json['data'] as { jobId: string; results: { result: number }[] };
    expect(results.map(({ result }) => result)).toEqual([600]);
    expect(await world.ask(triggers!, { id })).toEqual({
      job: {
        children: {
          nodes: [{ id: jobId, pipelineName: 'tenfold', types: ['STORED', 'TRIGGER'], parent: { id } }],
        },
      },
      pipeline: { triggers: ['tenfold'] },
      tenfold: { triggeredBy: ['numbers'], triggerError: null },
    });
  });

  it('names patterns that are taken, and one that is not', () => {
    const said = [...text.matchAll(/`([\d*/,L#W-]+(?: [\d*/,L#W-]+){4,5})`/g)].map((match) => match[1]!);
    expect(said.length).toBeGreaterThan(3);
    expect(said.filter((pattern) => cronProblem(pattern, 'UTC'))).toEqual(['0 0 31 2 *']);
    for (const pattern of ['0 0 15W * *', '0 0 * * 5#2', '0 0 * * 5L', '0 0 L * *', '1-30/10 5/10 * * *'])
      expect(cronProblem(pattern, 'UTC')).toBeNull();
  });

  it('shows results as they are handed on', () => {
    const [block] = blocksOf('docs/triggers.md').filter(({ language }) => language === 'json');
    const item = { nodeName: 'green', algorithmName: 'green-alg' };
    expect(JSON.parse(block!.code)).toEqual({
      flowInput: {
        parent: [
          { ...item, batchIndex: 1, resultJson: '10', error: null },
          { ...item, batchIndex: 2, resultJson: null, error: 'cannot read the image' },
        ].map((one) => JSON.parse(resultItemJson(one)) as unknown),
      },
    });
  });

  it.each([
    ['triggers', MAX_TRIGGERS],
    ['mebibytes', MAX_PARENT_BYTES / 1024 / 1024],
    ['depth', MAX_TRIGGER_DEPTH],
    ['owed', MAX_OWED_RUNS],
  ])('names the bound of %s', (name, bound) => {
    const said = new RegExp(`<!-- ${name} -->(.*)<!-- /${name} -->`).exec(text)?.[1];
    expect(said).toBe(String(bound));
  });
});
