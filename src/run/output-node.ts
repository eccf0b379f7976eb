import type { AlgorithmArgs } from './contract.js';

/** What an output node runs, as a module like any other: its result is its input. */
export function start({ input }: AlgorithmArgs): unknown {
  return input;
}
