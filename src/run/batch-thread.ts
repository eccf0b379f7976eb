import { parentPort, workerData } from 'node:worker_threads';
import { itemsOf, readBatch } from '../batch.js';
import { batchSize } from '../reference.js';
import type { ExpansionInputs } from '../store.js';
import type { FromBatchThread, ToBatchThread } from './batches.js';

/** Runs in a worker thread: reads one large batch and hands out its items. */
function serve(port: NonNullable<typeof parentPort>): void {
  const answer = (message: FromBatchThread) => port.postMessage(message);
  const batch = readBatch(workerData as ExpansionInputs);
  if ('code' in batch) {
    answer(batch);
    return;
  }
  answer({ total: batchSize(batch) });
  port.on('message', ({ from, count }: ToBatchThread) => answer({ items: itemsOf(batch, from, count) }));
}

if (parentPort) serve(parentPort);
