/**
 * What a pipeline comes to, worked out the naive way: node by node, all in memory, nothing in chunks and nothing
 * while something else runs. It shares no code with the rules it is compared with.
 */
export interface PlainNode {
  nodeName: string;
  input: unknown[];
  batchOperation?: 'indexed' | 'cartesian';
}

export interface PlainPipeline {
  nodes: PlainNode[];
  flowInput: Record<string, unknown>;
  tolerance: number;
  /** What a task gives: `index` counts from 1 in a batch and is 0 outside. Throwing fails it. */
  run(nodeName: string, index: number, input: unknown[]): unknown;
}

export interface PlainItem {
  nodeName: string;
  batchIndex: number | null;
  result?: unknown;
  error?: string;
}

/** Results of the nodes that nobody refers to; null where the job fails. */
export type PlainOutcome = PlainItem[] | null;

interface Done {
  kind: 'single' | 'batch' | 'skipped';
  items: { value?: unknown; error?: string }[];
}

class Failed extends Error {}
/** A pipeline of more tasks than a test should run. */
export class TooLarge extends Error {}
const MOST = 150;

export function interpret(pipeline: PlainPipeline): PlainOutcome {
  const byName = new Map(pipeline.nodes.map((node) => [node.nodeName, node]));
  const done = new Map<string, Done>();
  const order: string[] = [];
  const visit = (name: string) => {
    if (order.includes(name)) return;
    for (const sign of signsIn(byName.get(name)!.input)) if (byName.has(sign.node)) visit(sign.node);
    order.push(name);
  };
  for (const { nodeName } of pipeline.nodes) visit(nodeName);

  const batches = new Set<string>();
  for (const name of order) {
    const signs = signsIn(byName.get(name)!.input);
    if (signs.some(({ sign, node }) => sign[0] === '#' || (sign === '*@' && batches.has(node))))
      batches.add(name);
  }
  try {
    let tasks = 0;
    for (const name of order) {
      done.set(name, runNode(pipeline, byName.get(name)!, batches, done));
      tasks += done.get(name)!.items.length;
      if (tasks > MOST) throw new TooLarge();
    }
  } catch (error) {
    if (error instanceof Failed) return null;
    throw error;
  }
  const parents = new Set(pipeline.nodes.flatMap(({ input }) => signsIn(input).map(({ node }) => node)));
  return pipeline.nodes
    .filter(({ nodeName }) => !parents.has(nodeName))
    .flatMap(({ nodeName }): PlainItem[] => {
      const { kind, items } = done.get(nodeName)!;
      if (kind === 'skipped') return [{ nodeName, batchIndex: -1 }];
      return items.map(({ value, error }, index) => ({
        nodeName,
        batchIndex: kind === 'batch' ? index + 1 : null,
        ...(error === undefined ? { result: plain(value) } : { error }),
      }));
    });
}

function runNode(
  { flowInput, tolerance, run }: PlainPipeline,
  { nodeName, input, batchOperation }: PlainNode,
  batches: Set<string>,
  done: Map<string, Done>,
): Done {
  const signs = signsIn(input);
  const waits = signs.filter(({ sign, node }) => sign === '*@' && batches.has(node));
  const width = waits.length === 0 ? 1 : Math.max(...waits.map(({ node }) => done.get(node)!.items.length));
  if (width === 0) return { kind: 'skipped', items: [] };
  const lists = signs.filter(({ sign }) => sign[0] === '#').map((sign) => listOf(sign, flowInput, done));
  let combinations: unknown[][] = [[]];
  if (lists.length > 0 && batchOperation === 'cartesian') {
    for (const list of lists)
      combinations = combinations.flatMap((one) => list.map((element) => [...one, element]));
  } else if (lists.length > 0) {
    const longest = Math.max(...lists.map((list) => list.length));
    combinations = Array.from({ length: longest }, (_, index) => lists.map((list) => list[index]));
  }
  const total = width * combinations.length;
  if (total > MOST) throw new TooLarge();
  if (total === 0) return { kind: 'skipped', items: [] };
  const kind = batches.has(nodeName) ? 'batch' : 'single';
  const items: Done['items'] = [];
  for (let index = 0; index < width; index++) {
    for (const elements of combinations) {
      const rest = [...elements];
      const args = fill(input, (sign) => {
        if (sign.sign[0] === '#') return rest.shift();
        if (sign.node === 'flowInput') return walk(flowInput, sign.path);
        const parent = done.get(sign.node)!;
        if (sign.sign === '*@' && batches.has(sign.node)) {
          const item = parent.items[index];
          return item === undefined || item.error !== undefined
            ? null
            : (walk(item.value, sign.path) ?? null);
        }
        return wholeOf(parent, sign.path);
      });
      try {
        items.push({
          value: plain(run(nodeName, kind === 'batch' ? items.length + 1 : 0, args as unknown[])),
        });
      } catch (error) {
        items.push({ error: (error as Error).message });
      }
    }
  }
  const failed = items.filter(({ error }) => error !== undefined).length;
  const reached = Math.round((failed / total) * 100) >= tolerance;
  if (failed > 0 && (kind === 'single' || reached)) throw new Failed();
  return { kind, items };
}

interface Sign {
  sign: '@' | '#@' | '*@' | '#[';
  node: string;
  path: string[];
  text: string;
}

function signOf(text: string): Sign | null {
  if (text.startsWith('#[')) return { sign: '#[', node: '', path: [], text };
  const match = /^(@|#@|\*@)(.*)$/.exec(text);
  if (!match) return null;
  const [node, ...path] = match[2]!.split('.');
  return { sign: match[1] as '@', node: node!, path, text };
}

function signsIn(value: unknown): Sign[] {
  const signs: Sign[] = [];
  fill(value, (sign) => void signs.push(sign));
  return signs;
}

/** The value with every sign replaced, in order of appearance. */
function fill(value: unknown, by: (sign: Sign) => unknown): unknown {
  if (typeof value === 'string') {
    const sign = signOf(value);
    return sign ? by(sign) : value;
  }
  if (Array.isArray(value)) return value.map((one) => fill(one, by));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, by)]));
}

function listOf({ sign, node, path, text }: Sign, flowInput: unknown, done: Map<string, Done>): unknown[] {
  let found: unknown;
  if (sign === '#[') {
    const inner = text.slice(2, -1);
    if (inner === '') return [];
    return inner.split(',').flatMap((part): unknown[] => {
      const [from, to] = part.split('...').map(Number);
      return to === undefined
        ? [part]
        : Array.from({ length: Math.max(0, to - from! + 1) }, (_, n) => from! + n);
    });
  }
  if (node === 'flowInput') found = walk(flowInput, path);
  else {
    const parent = done.get(node)!;
    const missing = (value: unknown) => {
      const there = walk(value, path);
      if (there === undefined) throw new Failed();
      return there;
    };
    const good = parent.items.filter(({ error }) => error === undefined).map(({ value }) => value);
    found = parent.kind === 'single' ? missing(good[0]) : good.map(missing);
  }
  return Array.isArray(found) ? found : [];
}

function wholeOf({ kind, items }: Done, path: string[]): unknown {
  const good = items.filter(({ error }) => error === undefined).map(({ value }) => walk(value, path));
  return kind === 'single' ? good[0] : good;
}

function walk(value: unknown, path: string[]): unknown {
  let here = value as Record<string, unknown> | null | undefined;
  for (const key of path) {
    if (here === null || typeof here !== 'object' || !Object.keys(here).includes(key)) return undefined;
    here = here[key] as typeof here;
  }
  return here;
}

function plain(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}
