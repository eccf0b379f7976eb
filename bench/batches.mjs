// A batch and a node that takes all of it, with a result webhook attached: from 2,000 items to 200,000, each size in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ended, submit, withServer } from './server.mjs';
import { watch } from './stall.mjs';

const SELF = fileURLToPath(import.meta.url);

/** Microseconds an item, the longest stall of the event loop and the peak memory of a whole server for a batch of `count`. */
export async function batchCost(count) {
  const child = fork(SELF, [String(count)]);
  const [cost] = await once(child, 'message');
  return cost;
}

async function measure(count) {
  const receiver = fork(fileURLToPath(new URL('./receiver.mjs', import.meta.url)), ['2']);
  const [url] = await once(receiver, 'message');
  const cost = await withServer({}, async (app) => {
    const run = async (name, size) =>
      ended(
        app,
        await submit(app, {
          name,
          nodes: [
            { nodeName: 'items', algorithmName: 'noop', input: [`#[1...${size}]`] },
            { nodeName: 'all', algorithmName: 'noop', input: ['@items'] },
          ],
          webhooks: { result: url },
        }),
      );
    await run('warm-up', 500);
    const called = once(receiver, 'message');
    const stop = watch();
    const started = performance.now();
    await run('bench', count);
    await called;
    const microseconds = ((performance.now() - started) * 1_000) / count;
    return { microseconds, ...stop() };
  });
  receiver.disconnect();
  return cost;
}

if (process.send && process.argv[1] === SELF) {
  process.send(await measure(Number(process.argv[2])));
  process.disconnect();
}
