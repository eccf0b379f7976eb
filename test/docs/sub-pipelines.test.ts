import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALGORITHMS } from '../examples/program.js';
import { World } from '../support/world.js';
import { block } from './blocks.js';

const PAGE = 'docs/sub-pipelines.md';

describe('docs/sub-pipelines.md, run', () => {
  let folder: string;
  let world: World;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carillon-docs-'));
    for (const name of ['green-alg.mjs', 'sum.mjs']) copyFileSync(join(ALGORITHMS, name), join(folder, name));
    writeFileSync(join(folder, 'tenfold-each.mjs'), block(PAGE, 'js', 'title=tenfold-each.mjs').code);
    world = await World.open({ CARILLON_ALGORITHMS_DIR: folder });
    const tenfold = {
      name: 'tenfold',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['@flowInput.n'] }],
    };
    await world.ask(
      'mutation ($d: JSON!) { savePipeline(input: { descriptor: $d }) { userErrors { message } } }',
      {
        d: tenfold,
      },
    );
  });
  afterEach(async () => {
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (descriptor: object) => {
    const id = await world.submit(descriptor);
    await world.ended(id);
    const query = `query ($id: ID!) { job(id: $id) { results { nodes { result } }
      tasks(first: 10, filter: { nodeNames: ["each"] }) { nodes { result } } } }`;
    type Values = { nodes: { result: unknown }[] };
    const { job } = await world.ask<{ job: { results: Values; tasks: Values } }>(query, { id });
    return { results: job.results.nodes[0]!.result, tasks: job.tasks.nodes.map(({ result }) => result) };
  };

  it('the node that is a pipeline', async () => {
    const { results, tasks } = await run(JSON.parse(block(PAGE, 'json', 'descriptor').code) as object);
    expect(results).toBe(60);
    expect(tasks[0]).toEqual(JSON.parse(block(PAGE, 'json', 'results').code));
  });

  it('the algorithm that starts jobs', async () => {
    const nodes = [{ nodeName: 'a', algorithmName: 'tenfold-each', input: [1, 2, 3] }];
    expect((await run({ name: 'code', nodes })).results).toEqual({ total: 60 });
  });
});
