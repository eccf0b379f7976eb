import { parsedBytes } from './heap.js';
import type { Batch, InputSource, List } from './reference.js';
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
  /**
   * JSON texts of items from `from` (counted from 0) on: `count` of them, or fewer (not none) where they are large.
   * Null: an item without elements of its own.
   */
  items(from: number, count: number): Promise<(string | null)[] | BatchProblem>;
  close(): void;
}

/** Why a batch cannot be made: the job fails with it. */
export interface BatchProblem {
  code: 'INPUT_INVALID' | 'INPUT_TOO_LARGE' | 'INTERNAL';
  message: string;
}

/** Opens a batch; where its inputs are large, somewhere off the main thread. */
export type BatchOpener = (inputs: ExpansionInputs) => Promise<OpenBatch | BatchProblem>;

/** One chunk carries no more text than this, but for a single item that is larger. */
export const CHUNK_CHARS = 4 * 1024 * 1024;

/** What the lists may take once they are parsed; see parsedBytes. Ordinary objects come to 13 times their text. */
export const MAX_PARSED_MIB = 768;

/** The lists of a batch, or what is wrong with them. A reference that is repeated is parsed and kept once. */
export function readBatch({
  nodeName,
  references,
  operation,
  source,
}: ExpansionInputs): Batch | BatchProblem {
  if (source.oversize !== undefined)
    return { code: 'INPUT_TOO_LARGE', message: oversizeMessage(nodeName, source.oversize) };
  const mib = Math.ceil(parsedMib(source));
  if (mib > MAX_PARSED_MIB) {
    const message = `what the batch of node "${nodeName}" is made of must take at most ${MAX_PARSED_MIB} MiB of memory once it is parsed, got about ${mib}; hand over less, or fewer and larger values`;
    return { code: 'INPUT_TOO_LARGE', message };
  }
  try {
    const lists = new Map<string, List>();
    for (const reference of references)
      if (!lists.has(reference.text)) lists.set(reference.text, batchList(reference, nodeName, source));
    const batch: Batch = { lists: references.map(({ text }) => lists.get(text)!), operation };
    const size = batchSize(batch);
    if (size <= MAX_BATCH_ITEMS) return batch;
    return tooManyTasks(nodeName, size);
  } catch (error) {
    if (error instanceof MissingPathError) return { code: 'INPUT_INVALID', message: error.message };
    throw error;
  }
}

function parsedMib({ flowInput, results }: InputSource): number {
  const whole = Object.values(results).reduce((sum, { json }) => sum + parsedBytes(json), 0);
  return (whole + (flowInput === null ? 0 : parsedBytes(flowInput))) / 2 ** 20;
}

/** Items `from` … as OpenBatch gives them. */
export function itemsOf(
  batch: Batch,
  nodeName: string,
  from: number,
  count: number,
): string[] | BatchProblem {
  const items: string[] = [];
  for (let chars = 0; items.length < count && chars < CHUNK_CHARS; ) {
    const item = itemText(batch, from + items.length);
    if (typeof item === 'number')
      return { code: 'INPUT_TOO_LARGE', message: oversizeMessage(nodeName, item) };
    if (items.length > 0 && chars + item.length > CHUNK_CHARS) break;
    chars += item.length;
    items.push(item);
  }
  return items;
}

/** One item, or the size at which it was given up: its elements may repeat a large text until no string holds it. */
function itemText(batch: Batch, index: number): string | number {
  const elements = batchItem(batch, index);
  const whole = !elements.includes(undefined);
  const texts: string[] = [];
  let chars = 2;
  for (const [place, element] of elements.entries()) {
    if (element === undefined) continue;
    const text = `${whole ? '' : `"${place}":`}${JSON.stringify(element)}`;
    chars += text.length + 1;
    if (chars > MAX_INPUT_BYTES) return chars;
    texts.push(text);
  }
  return whole ? `[${texts.join(',')}]` : `{${texts.join(',')}}`;
}

/** Opens a batch right here. */
export const openHere: BatchOpener = async (inputs) => {
  if (inputs.references.length === 0) return oneItem;
  const batch = readBatch(inputs);
  if ('code' in batch) return batch;
  return {
    total: batchSize(batch),
    items: async (from, count) => itemsOf(batch, inputs.nodeName, from, count),
    close() {},
  };
};

/** What a node without batch references makes of each item of its parents. */
const oneItem: OpenBatch = { total: 1, items: async () => [null], close() {} };

export function tooManyTasks(nodeName: string, size: number): BatchProblem {
  const message = `node "${nodeName}" must have at most ${MAX_BATCH_ITEMS} tasks, got ${size}; split the batch`;
  return { code: 'INPUT_TOO_LARGE', message };
}

export function oversizeMessage(nodeName: string, bytes: number): string {
  return `the input of node "${nodeName}" must be at most ${MAX_INPUT_BYTES} bytes of JSON, got ${bytes}; hand over less, or a reference to where it is stored`;
}
