import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Algorithm, AlgorithmArgs } from '../../src/run/contract.js';
import { ALGORITHMS } from './program.js';

interface Told {
  percent: number | undefined;
  message: string | undefined;
}

const nothing = () => Promise.reject(new Error('no example starts a job'));

async function start(
  name: string,
  input: unknown[],
  { signal = new AbortController().signal, attempt = 1 }: { signal?: AbortSignal; attempt?: number } = {},
): Promise<{ result: unknown; told: Told[] }> {
  const told: Told[] = [];
  const algorithm = (await import(pathToFileURL(`${ALGORITHMS}/${name}.mjs`).href)) as Algorithm;
  const args: AlgorithmArgs = {
    input,
    attempt,
    signal,
    progress: (percent, message) => void told.push({ percent, message }),
    jobId: 'job',
    taskId: 'task',
    nodeName: 'node',
    pipelineName: 'pipeline',
    algorithmName: name,
    info: { extraData: undefined },
    startAlgorithm: nothing,
    startStoredSubpipeline: nothing,
    startRawSubpipeline: nothing,
  };
  return { result: await algorithm.start(args, args), told };
}

describe('the example algorithms', () => {
  it.each([
    ['green-alg', ['3'], 30],
    ['range', [2, 5], [2, 3, 4, 5]],
    ['range', [1, 0], []],
    ['sum', [1, ['2', [3]]], 6],
    ['sum', [], 0],
    ['word-count', ['One two, one.'], { words: 3, different: 2, most: 'one' }],
    ['word-count', [''], { words: 0, different: 0, most: null }],
    ['slow', [0], { seconds: 0 }],
  ])('%s of %j is %j', async (name, input, result) => {
    expect((await start(name, input)).result).toEqual(result);
  });

  it('are all tested here', () => {
    expect(readdirSync(ALGORITHMS).sort()).toEqual(
      ['flaky', 'green-alg', 'range', 'slow', 'sum', 'word-count'].map((name) => `${name}.mjs`),
    );
  });

  it('green-alg tells how far it is, up to 100 percent', async () => {
    const { told } = await start('green-alg', [1]);
    expect(told.map(({ percent }) => percent)).toEqual([25, 50, 75, 100]);
  });

  it.each(['green-alg', 'slow'])('%s stops when its signal aborts', async (name) => {
    const aborted = AbortSignal.abort(new Error('the job has ended'));
    await expect(start(name, [1], { signal: aborted })).rejects.toThrow();
  });

  it('flaky fails on the first attempt alone', async () => {
    await expect(start('flaky', ['x'])).rejects.toThrow('the first attempt always fails');
    expect((await start('flaky', ['x'], { attempt: 2 })).result).toEqual({ input: ['x'], attempt: 2 });
  });

  it.each([[[1, 200_000]], [[1.5, 2]], [['1', 2]]])('range refuses %j', async (input) => {
    await expect(start('range', input)).rejects.toThrow('range needs two whole numbers');
  });
});
