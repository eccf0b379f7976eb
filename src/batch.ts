import type { Batch } from './reference.js';
import {
  batchItem,
  batchList,
  batchSize,
  MAX_BATCH_ITEMS,
  MAX_INPUT_BYTES,
  MissingPathError,
} from './reference.js';
import type { ExpansionInputs } from './store.js';

/** The items of one batch, made as they are asked for. */
export interface OpenBatch {
  total: number;
  /** JSON texts of `count` items from `from` (counted from 0) on. */
  items(from: number, count: number): Promise<string[]>;
  close(): void;
}

/** Why a batch cannot be made: the job fails with it. */
export interface BatchProblem {
  code: 'INPUT_INVALID' | 'INPUT_TOO_LARGE' | 'INTERNAL';
  message: string;
}

/** Opens a batch; where its inputs are large, somewhere off the main thread. */
export type BatchOpener = (inputs: ExpansionInputs) => Promise<OpenBatch | BatchProblem>;

/** The lists of a batch, or what is wrong with them. */
export function readBatch({
  nodeName,
  references,
  operation,
  source,
}: ExpansionInputs): Batch | BatchProblem {
  if (source.oversize !== undefined)
    return { code: 'INPUT_TOO_LARGE', message: oversizeMessage(nodeName, source.oversize) };
  try {
    const batch: Batch = {
      lists: references.map((reference) => batchList(reference, nodeName, source)),
      operation,
    };
    const size = batchSize(batch);
    if (size <= MAX_BATCH_ITEMS) return batch;
    const message = `node "${nodeName}" must have at most ${MAX_BATCH_ITEMS} tasks, got ${size}; split the batch`;
    return { code: 'INPUT_TOO_LARGE', message };
  } catch (error) {
    if (error instanceof MissingPathError) return { code: 'INPUT_INVALID', message: error.message };
    throw error;
  }
}

export function itemsOf(batch: Batch, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => JSON.stringify(batchItem(batch, from + index)));
}

/** Opens a batch right here. */
export const openHere: BatchOpener = async (inputs) => {
  const batch = readBatch(inputs);
  if ('code' in batch) return batch;
  return { total: batchSize(batch), items: async (from, count) => itemsOf(batch, from, count), close() {} };
};

export function oversizeMessage(nodeName: string, bytes: number): string {
  return `the input of node "${nodeName}" must be at most ${MAX_INPUT_BYTES} bytes of JSON, got ${bytes}; hand over less, or a reference to where it is stored`;
}
