import { shown } from './errors.js';

/**
 * HKube's input language, as it is spoken here:
 *
 *     input     = any JSON; a string that starts with a sign is a reference, at any depth of arrays and objects
 *     reference = "@" source | "#@" source | "#[" list "]" | "*@" node path
 *     source    = "flowInput" path | node path
 *     path      = { "." key }                            a key of an object, or an index of an array
 *     list      = element { "," element }                elements are strings, less their white space
 *     element   = integer "..." integer | text           a range, both ends included, gives integers
 *
 * "@" hands the value over whole; "#" makes one task of each element; "*@" makes one of each item of a batch, as soon
 * as that item is done. A node name ends at the first full stop. Of what HKube's parser knows besides, "*#@" and
 * "@dataSource.name/file" are refused; "*@flowInput" asks for a node of that name, and there can be none.
 * Every other string is itself, and so is every key.
 */
export type Reference =
  | { kind: 'flowInput'; relation: 'whole' | 'batch'; path: string[]; text: string }
  | { kind: 'node'; relation: Relation; node: string; path: string[]; text: string }
  | { kind: 'list'; relation: 'batch'; text: string }
  | { kind: 'refused'; relation: 'none'; problem: RefusedReference; text: string };

/** How a node takes what it refers to: whole, an element a task, or any item of a batch as soon as it is done. */
export type Relation = 'whole' | 'batch' | 'any';

/** Why a reference cannot be run, and which node or form it is about. */
export type RefusedReference = { of: 'batchOfItems'; node: string } | { of: 'dataSource'; valid: boolean };

const SIGNS: [sign: string, relation: Relation][] = [
  ['@', 'whole'],
  ['#@', 'batch'],
  ['*@', 'any'],
];
const DATA_SOURCE = /^dataSource\.[^/]+\/./;

export function parseReference(text: string): Reference | null {
  if (text === '' || !'@#*'.includes(text[0]!)) return null;
  if (text.startsWith('#[')) return { kind: 'list', relation: 'batch', text };
  if (text.startsWith('*#@')) {
    const [node = ''] = text.slice(3).split('.', 1);
    return { kind: 'refused', relation: 'none', problem: { of: 'batchOfItems', node }, text };
  }
  const found = SIGNS.find(([sign]) => text.startsWith(sign));
  if (!found) return null;
  const [sign, relation] = found;
  const source = text.slice(sign.length);
  const [head = '', ...path] = source.split('.');
  if (relation !== 'any') {
    if (head === 'flowInput') return { kind: 'flowInput', relation, path, text };
    if (head === 'dataSource') {
      const problem = { of: 'dataSource', valid: DATA_SOURCE.test(source) } as const;
      return { kind: 'refused', relation: 'none', problem, text };
    }
  }
  return { kind: 'node', relation, node: head, path, text };
}

const NONE: readonly Reference[] = [];

/** References that one pipeline may have: each is looked at when its job is made, and when its node's tasks are claimed. */
export const MAX_REFERENCES = 10_000;

/** The references of an input, `most` at most, in order of appearance. Iterative: inputs may be nested thousands deep. */
export function referencesIn(input: unknown, most = Number.POSITIVE_INFINITY): readonly Reference[] {
  // A million numbers, each an argument, shall not take a million lists.
  if (typeof input !== 'object' && typeof input !== 'string') return NONE;
  const found: Reference[] = [];
  const stack: unknown[] = [input];
  while (stack.length > 0 && found.length < most) {
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
  const elements = content.split(',');
  if (!content.includes('...')) return elements;
  // Ranges, and runs of texts between them, with where each ends: a range is one part, whatever it stands for.
  const parts: { end: number; at: (index: number) => string | number }[] = [];
  let length = 0;
  let texts = 0;
  const endTexts = (place: number) => {
    if (texts === 0) return;
    const shift = place - length;
    parts.push({ end: length, at: (index) => elements[index + shift]! });
    texts = 0;
  };
  for (const [place, element] of elements.entries()) {
    const range = element.includes('...') ? /^(-?\d+)\.\.\.(-?\d+)$/.exec(element) : null;
    if (!range) {
      texts++;
      length++;
      continue;
    }
    endTexts(place);
    const [from, to] = [Number(range[1]), Number(range[2])];
    const begin = length;
    const exact = Number.isSafeInteger(from) && Number.isSafeInteger(to);
    length += exact ? Math.max(0, to - from + 1) : Number.POSITIVE_INFINITY;
    parts.push({ end: length, at: (index) => from + index - begin });
  }
  endTexts(elements.length);
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
  /** By name, each parent whose items the template takes one by one: the result of its item, null if it has none. */
  own?: Record<string, string | null>;
  /**
   * This task's element of each batch reference, in order of appearance: a JSON array or, where some have none (lists
   * of unequal length), an object of those that have, by place.
   */
  item: string | null;
  /** Set where the whole would be above MAX_INPUT_BYTES: its size; the texts are then left out. */
  oversize?: number;
}

/** The largest resolved input, as JSON text. */
export const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** Size of the texts of a source. */
export function sourceBytes({ template, flowInput, results, own = {}, item }: InputSource): number {
  const whole = Object.values(results).reduce((sum, { json }) => sum + json.length, 0);
  const items = Object.values(own).reduce((sum, json) => sum + (json?.length ?? 0), 0);
  return template.length + (flowInput?.length ?? 0) + (item?.length ?? 0) + whole + items;
}

/**
 * The finished input of one task. What a path does not find is undefined: null in an array, and no key in an object;
 * likewise what a list of several lacks. What an item of a parent does not have is null. Each reference to a batch makes a
 * list as long as the batch: where they come to more than `mostItems` together, a TooManyItemsError is thrown.
 */
export function resolveInput(source: InputSource, mostItems = Number.POSITIVE_INFINITY): unknown[] {
  const flowInput = source.flowInput === null ? undefined : JSON.parse(source.flowInput);
  const item: Record<number, unknown> = source.item === null ? [] : JSON.parse(source.item);
  const parsed = new Map<string, unknown>();
  let nextElement = 0;
  let items = 0;

  const intoItems = (batch: unknown[], path: readonly string[]): unknown[] => {
    items += batch.length;
    if (items > mostItems) throw new TooManyItemsError();
    return batch.map((one) => at(one, path));
  };
  const parse = (name: string, json: string): unknown => {
    if (!parsed.has(name)) parsed.set(name, JSON.parse(json));
    return parsed.get(name);
  };
  const referred = (text: string): unknown => {
    const reference = parseReference(text);
    if (!reference || reference.kind === 'refused') return text;
    if (reference.relation === 'batch') return item[nextElement++];
    if (reference.kind === 'flowInput') return at(flowInput, reference.path);
    const { node, path } = reference;
    if (reference.relation === 'any' && source.own && Object.hasOwn(source.own, node)) {
      const json = source.own[node] ?? null;
      return json === null ? null : (at(parse(`*${node}`, json), path) ?? null);
    }
    const result = source.results[node];
    if (!result) return undefined;
    const value = parse(`@${node}`, result.json);
    // A path on a batch is a path into each of its items.
    return result.batch && Array.isArray(value) ? intoItems(value, path) : at(value, path);
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

/**
 * The elements of item `index` (from 0), one a list; undefined is what a list of an indexed batch does not have. The
 * first list turns slowest.
 */
export function batchItem({ lists, operation }: Batch, index: number): unknown[] {
  if (operation === 'indexed') return lists.map((list) => list.at(index));
  const elements: unknown[] = [];
  let rest = index;
  for (const list of [...lists].reverse()) {
    elements.unshift(list.at(rest % list.length));
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

/** An input that would be larger than it may be once it is written. */
export class TooManyItemsError extends Error {}

/** A batch over something that is not there: the job fails with this message. */
export class MissingPathError extends Error {}
