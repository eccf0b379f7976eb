// Ten times the number it is given, not at once: `progress` shows how far it is, `signal` stops it.
// Items of "#[1,2,3]" arrive as strings, so the input is turned into a number.
import { setTimeout as wait } from 'node:timers/promises';

const STEPS = 4;
const STEP_MS = 100;

export async function start({ input, progress, signal }) {
  for (let step = 1; step <= STEPS; step++) {
    await wait(STEP_MS, undefined, { signal });
    progress((100 * step) / STEPS, `step ${step} of ${STEPS}`);
  }
  return 10 * Number(input[0]);
}
