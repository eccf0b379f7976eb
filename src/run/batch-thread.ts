import { parentPort, workerData } from 'node:worker_threads';
import { itemsOf, readBatch } from '../batch.js';
import { batchSize } from '../reference.js';
import type { ExpansionInputs } from '../store.js';
import type { FromBatchThread, ToBatchThread } from './batches.js';

/** Runs in a worker thread: reads one large batch and hands out its items. */
function serve(port: NonNullable<typeof parentPort>): void {
  const answer = (message: FromBatchThread) => port.postMessage(message);
  const inputs = workerData as ExpansionInputs;
  const batch = readBatch(inputs);
  if ('code' in batch) {
    answer(batch);
    return;
  }
  answer({ total: batchSize(batch) });
  port.on('message', ({ from, count }: ToBatchThread) => {
    const items = itemsOf(batch, inputs.nodeName, from, count);
    answer(Array.isArray(items) ? { items } : items);
  });
}

if (parentPort) serve(parentPort);
