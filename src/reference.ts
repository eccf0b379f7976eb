import { shown } from './errors.js';

/**
 * HKube's input language, as far as it is spoken here:
 *
 *     input     = any JSON; a string that starts with a sign is a reference, at any depth of arrays and objects
 *     reference = "@" source | "#@" source | "#[" list "]"
 *     source    = "flowInput" path | node path
 *     path      = { "." key }                            a key of an object, or an index of an array
 *     list      = element { "," element }                elements are strings, less their white space
 *     element   = integer "..." integer | text           a range, both ends included, gives integers
 *
 * "@" hands the value over whole; "#" makes one task of each element. A node name ends at the first full stop.
 */
export type Reference =
  | { kind: 'flowInput'; batch: boolean; path: string[]; text: string }
  | { kind: 'node'; batch: boolean; node: string; path: string[]; text: string }
  | { kind: 'list'; batch: true; text: string }
  | { kind: 'unsupported'; batch: boolean; text: string };

export function parseReference(text: string): Reference | null {
  if (text.startsWith('*@') || text.startsWith('*#@')) return { kind: 'unsupported', batch: true, text };
  if (text.startsWith('#[')) return { kind: 'list', batch: true, text };
  const batch = text.startsWith('#@');
  if (!batch && !text.startsWith('@')) return null;
  const [head = '', ...path] = text.slice(batch ? 2 : 1).split('.');
  if (head === 'flowInput') return { kind: 'flowInput', batch, path, text };
  if (head === 'dataSource') return { kind: 'unsupported', batch, text };
  return { kind: 'node', batch, node: head, path, text };
}

/** Every reference of an input, in order of appearance. Iterative: inputs may be nested thousands deep. */
export function referencesIn(input: unknown): Reference[] {
  const found: Reference[] = [];
  const stack: unknown[] = [input];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value === 'string') {
      const reference = parseReference(value);
      if (reference) found.push(reference);
    } else if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value).reverse()) stack.push(inner);
    }
  }
  return found;
}

/** Batch references that one node may have. */
export const MAX_BATCH_REFERENCES = 32;
/** The largest batch one node may have; also all lists of a descriptor together. */
export const MAX_BATCH_ITEMS = 1_000_000;

/** A list that may be a range: elements are made when they are asked for. */
export interface List {
  length: number;
  at(index: number): unknown;
}

/** HKube's raw batch: brackets and white space are dropped, the rest is split at commas; only ranges give numbers. */
export function parseList(text: string): List {
  const content = text.slice(1).replace(/[[\]\s]/g, '');
  if (content === '') return [];
  // Where each part ends, counted in elements: a range is one part, whatever it stands for.
  const parts: { end: number; at: (index: number) => string | number }[] = [];
  let length = 0;
  for (const element of content.split(',')) {
    const range = /^(-?\d+)\.\.\.(-?\d+)$/.exec(element);
    const begin = length;
    if (!range) {
      length += 1;
      parts.push({ end: length, at: () => element });
    } else {
      const [from, to] = [Number(range[1]), Number(range[2])];
      const exact = Number.isSafeInteger(from) && Number.isSafeInteger(to);
      length += exact ? Math.max(0, to - from + 1) : Number.POSITIVE_INFINITY;
      parts.push({ end: length, at: (index) => from + index - begin });
    }
  }
  return {
    length,
    at(index) {
      let [low, high] = [0, parts.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (parts[middle]!.end <= index) low = middle + 1;
        else high = middle;
      }
      return parts[low]?.at(index);
    },
  };
}

/** What a task's input is made of: JSON texts, so that nothing is parsed before it reaches where the task runs. */
export interface InputSource {
  /** The node's `input` as in the descriptor. */
  template: string;
  /** Only where the template refers to it. */
  flowInput: string | null;
  /** By name, each parent the template hands over whole: its result, or the array of a batch's succeeded results. */
  results: Record<string, { batch: boolean; json: string }>;
  /** A JSON array: this task's element of each batch reference, in order of appearance. */
  item: string | null;
  /** Set where the whole would be above MAX_INPUT_BYTES: its size; the texts are then left out. */
  oversize?: number;
}

/** The largest resolved input, as JSON text. */
export const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** Size of the texts of a source. */
export function sourceBytes({ template, flowInput, results, item }: InputSource): number {
  const whole = Object.values(results).reduce((sum, { json }) => sum + json.length, 0);
  return template.length + (flowInput?.length ?? 0) + (item?.length ?? 0) + whole;
}

/** The finished input of one task. */
export function resolveInput(source: InputSource): unknown[] {
  const flowInput = source.flowInput === null ? undefined : JSON.parse(source.flowInput);
  const item: unknown[] = source.item === null ? [] : JSON.parse(source.item);
  const parsed = new Map<string, unknown>();
  let nextElement = 0;

  const referred = (text: string): unknown => {
    const reference = parseReference(text);
    if (!reference || reference.kind === 'unsupported') return text;
    if (reference.kind === 'list' || reference.batch) return item[nextElement++];
    if (reference.kind === 'flowInput') return at(flowInput, reference.path);
    const result = source.results[reference.node];
    if (!result) return undefined;
    if (!parsed.has(reference.node)) parsed.set(reference.node, JSON.parse(result.json));
    const value = parsed.get(reference.node);
    // A path on a batch is a path into each of its items.
    return result.batch && Array.isArray(value)
      ? value.map((one) => at(one, reference.path))
      : at(value, reference.path);
  };
  const resolve = (value: unknown): unknown => {
    if (typeof value === 'string') return referred(value);
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]));
  };
  return resolve(JSON.parse(source.template)) as unknown[];
}

/** The value at a dotted path, or undefined. Own keys only: `@node.constructor` is nothing. */
export function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

/** The lists a node's batch references stand for, and how they are paired. */
export interface Batch {
  lists: List[];
  operation: 'indexed' | 'cartesian';
}

/** Number of tasks: the longest list, or the product. An empty product, or nothing but empty lists, is no task. */
export function batchSize({ lists, operation }: Batch): number {
  const lengths = lists.map((list) => list.length);
  return operation === 'cartesian'
    ? lengths.reduce((product, length) => product * length, 1)
    : Math.max(0, ...lengths);
}

/** The elements of item `index` (from 0), one a list; what an indexed batch lacks is null. The first list turns slowest. */
export function batchItem({ lists, operation }: Batch, index: number): unknown[] {
  if (operation === 'indexed') return lists.map((list) => list.at(index) ?? null);
  const elements: unknown[] = [];
  let rest = index;
  for (const list of [...lists].reverse()) {
    elements.unshift(list.at(rest % list.length) ?? null);
    rest = Math.floor(rest / list.length);
  }
  return elements;
}

/** One batch reference's list. What is no array makes no tasks; a path that a parent's result lacks is an error. */
export function batchList(reference: Reference, nodeName: string, source: InputSource): List {
  if (reference.kind === 'list') return parseList(reference.text);
  if (reference.kind === 'flowInput') {
    return arrayOf(at(source.flowInput === null ? undefined : JSON.parse(source.flowInput), reference.path));
  }
  if (reference.kind !== 'node') return [];
  const result = source.results[reference.node];
  if (!result) return [];
  const value: unknown = JSON.parse(result.json);
  const pick = (whole: unknown): unknown => {
    const picked = at(whole, reference.path);
    if (picked === undefined) {
      throw new MissingPathError(
        `node "${nodeName}": path "${reference.path.join('.')}" of ${shown(reference.text)} was not found in the result of node "${reference.node}"`,
      );
    }
    return picked;
  };
  if (reference.path.length === 0) return arrayOf(value);
  return result.batch && Array.isArray(value) ? value.map(pick) : arrayOf(pick(value));
}

function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A batch over something that is not there: the job fails with this message. */
export class MissingPathError extends Error {}
