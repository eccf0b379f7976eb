import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeDescriptor, type Overrides } from '../../src/merge.js';
import { MAX_PIPELINES, MAX_VERSION_BYTES, MAX_VERSIONS } from '../../src/pipeline.js';
import { ALGORITHMS } from '../examples/program.js';
import { World } from '../support/world.js';
import { blocksOf, page } from './blocks.js';

const text = page('docs/pipelines.md');

describe('docs/pipelines.md', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open({ CARILLON_ALGORITHMS_DIR: ALGORITHMS });
  });
  afterEach(() => world.close());

  it('does what it says, step by step', async () => {
    const [save, change, versions, run, remove] = blocksOf('docs/pipelines.md')
      .filter(({ language, info }) => language === 'graphql' && info === 'run')
      .map(({ code }) => code);
    expect(await world.ask(save!)).toMatchObject({
      savePipeline: { pipeline: { name: 'numbers', version: 1 }, userErrors: [] },
    });
    expect(await world.ask(change!)).toEqual({
      savePipeline: { pipeline: { version: 2 }, userErrors: [] },
    });
    expect(await world.ask(change!)).toMatchObject({
      savePipeline: { pipeline: null, userErrors: [{ code: 'CONFLICT' }] },
    });
    const { runPipeline } = await world.ask<{ runPipeline: { job: { id: string }; userErrors: unknown[] } }>(
      run!,
    );
    expect(runPipeline).toMatchObject({
      job: {
        types: ['STORED'],
        descriptor: {
          flowInput: { data: [5, 6] },
          options: { batchTolerance: 20, ttl: 60 },
          tags: ['by-hand'],
        },
      },
      userErrors: [],
    });
    const { id } = runPipeline.job;
    await world.ended(id);
    const { job } = await world.ask<{ job: { results: { nodes: { result: number }[] } } }>(
      'query ($id: ID!) { job(id: $id) { results { nodes { result } } } }',
      { id },
    );
    expect(job.results.nodes.map(({ result }) => result)).toEqual([50, 60]);
    expect(await world.ask(versions!)).toMatchObject({
      pipeline: {
        version: 2,
        versions: { nodes: [{ version: 2 }, { version: 1 }] },
        jobs: { nodes: [{ id, types: ['STORED'] }] },
      },
    });
    expect(await world.ask(remove!)).toEqual({
      deletePipeline: { deletedPipelineName: 'numbers', stoppedJobs: 0, userErrors: [] },
    });
  });

  const rows = [...text.matchAll(/^\| `(\{.*\})` \| `(\{.*\})` \| `(\{.*\})` \| (.+) \|$/gm)];
  it('has a table of the rules', () => expect(rows.length).toBeGreaterThan(4));
  it.each(rows.map((row) => row.slice(1) as [string, string, string, string]))(
    '%s and %s make %s',
    (stored, given, merged) => {
      const [a, b] = [JSON.parse(stored) as Overrides, JSON.parse(given) as Overrides];
      expect(mergeDescriptor(a, b, 'replace')).toEqual(JSON.parse(merged));
    },
  );

  it.each([
    ['pipelines', MAX_PIPELINES],
    ['versions', MAX_VERSIONS],
    ['bytes', MAX_VERSION_BYTES / 1024 / 1024],
  ])('names the bound of %s', (name, bound) => {
    const said = new RegExp(`<!-- ${name} -->(.*)<!-- /${name} -->`).exec(text)?.[1];
    expect(said).toBe(bound.toLocaleString('en'));
  });
});
