// Takes input[0] seconds (10 where not given) and says each second how far it is: to look at, to cancel, to time out.
import { setTimeout as wait } from 'node:timers/promises';

export async function start({ input, progress, signal }) {
  const seconds = Number(input[0] ?? 10);
  for (let second = 1; second <= seconds; second++) {
    // Rejects when the job is cancelled, the task's ttl is over or the server stops.
    await wait(1_000, undefined, { signal });
    progress((100 * second) / seconds, `${second} of ${seconds} s`);
  }
  return { seconds };
}
