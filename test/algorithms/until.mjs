import { existsSync } from 'node:fs';

/** Runs until the given file exists. */
export async function start({ input, signal }) {
  while (!existsSync(input[0])) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return 'seen';
}
