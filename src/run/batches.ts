import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type BatchOpener, type BatchProblem, openHere } from '../batch.js';
import { sourceBytes } from '../reference.js';
import { threadEntry } from './thread-entry.js';

/** JSON of more than this is not parsed on the main thread: 64 KiB take about half a millisecond. */
const HERE_BYTES = 64 * 1024;

/** What the thread answers: first how it opened, then items, one answer a request. */
export type FromBatchThread = { total: number } | BatchProblem | { items: string[] };
export interface ToBatchThread {
  from: number;
  count: number;
}

/** Opens small batches here and large ones in a thread of their own, which lives as long as the batch is open. */
export const openBatch: BatchOpener = async (inputs) => {
  if (inputs.source.oversize !== undefined || sourceBytes(inputs.source) <= HERE_BYTES)
    return openHere(inputs);
  const thread = new Worker(threadEntry('batch-thread'), {
    workerData: inputs,
    env: {},
    argv: [],
    execArgv: [],
  });
  const answer = async () => (await once(thread, 'message'))[0] as FromBatchThread;
  const opened = await answer();
  if (!('total' in opened)) {
    await thread.terminate();
    return opened as BatchProblem;
  }
  return {
    total: opened.total,
    async items(from, count) {
      const reply = answer();
      thread.postMessage({ from, count } satisfies ToBatchThread);
      return ((await reply) as { items: string[] }).items;
    },
    close: () => void thread.terminate(),
  };
};
