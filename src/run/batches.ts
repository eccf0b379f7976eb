import { Worker } from 'node:worker_threads';
import { type BatchOpener, type BatchProblem, MAX_PARSED_MIB, openHere } from '../batch.js';
import { sourceBytes } from '../reference.js';
import type { ExpansionInputs } from '../store.js';
import { threadEntry } from './thread-entry.js';

/** JSON of more than this is not parsed on the main thread: 64 KiB take about half a millisecond. */
const HERE_BYTES = 64 * 1024;
/** Heap of one thread. What readBatch does not refuse fits, with room for the items of a chunk. */
const MEMORY_MB = MAX_PARSED_MIB + 256;

/** What the thread answers: first how it opened, then items, one answer a request. */
export type FromBatchThread = { total: number } | BatchProblem | { items: (string | null)[] };
export interface ToBatchThread {
  from: number;
  count: number;
}

/** Opens small batches here and large ones in a thread of their own, which lives as long as the batch is open. */
export const openBatch: BatchOpener = async (inputs) => {
  const { source, references } = inputs;
  // Each reference may parse the texts again, and repeat what it has found in every item.
  const bytes = sourceBytes(source) * Math.max(references.length, 1);
  return source.oversize !== undefined || references.length === 0 || bytes <= HERE_BYTES
    ? openHere(inputs)
    : openThere(threadEntry('batch-thread'), inputs);
};

/** Opens a batch in a thread that runs `entry`. */
export async function openThere(entry: URL, inputs: ExpansionInputs): ReturnType<BatchOpener> {
  const thread = new BatchThread(entry, inputs);
  const opened = await thread.answer();
  if (!('total' in opened)) {
    thread.end();
    return opened as BatchProblem;
  }
  return {
    total: opened.total,
    async items(from, count) {
      const answer = await thread.ask({ from, count });
      return 'items' in answer ? answer.items : (answer as BatchProblem);
    },
    close: () => thread.end(),
  };
}

/** A thread that answers one request at a time. An answer that it does not live to give is rejected. */
class BatchThread {
  readonly #worker: Worker;
  #waiting: { resolve(answer: FromBatchThread): void; reject(error: Error): void } | null = null;
  /** Why it will never answer again. */
  #ended: Error | null = null;

  constructor(entry: URL, inputs: ExpansionInputs) {
    this.#worker = new Worker(entry, {
      workerData: inputs,
      env: {},
      argv: [],
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    this.#worker.on('message', (answer: FromBatchThread) => this.#waiting?.resolve(answer));
    this.#worker.on('messageerror', (error) => this.#fail(error));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', (code) =>
      this.#fail(new Error(`the thread of a batch has ended with code ${code}`)),
    );
  }

  /** What it says next; the first answer comes unasked. */
  answer(): Promise<FromBatchThread> {
    return new Promise((resolve, reject) => {
      if (this.#ended) reject(this.#ended);
      this.#waiting = { resolve, reject };
    });
  }

  ask(request: ToBatchThread): Promise<FromBatchThread> {
    const answer = this.answer();
    this.#worker.postMessage(request);
    return answer;
  }

  end(): void {
    void this.#worker.terminate();
  }

  /** What comes first tells most: an 'error' is followed by an 'exit'. */
  #fail(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
  }
}
