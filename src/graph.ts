import type { Descriptor } from './descriptor.js';
import { type Problem, shown } from './errors.js';
import {
  at,
  MAX_BATCH_ITEMS,
  MAX_BATCH_REFERENCES,
  parseList,
  type Reference,
  referencesIn,
} from './reference.js';

const RESERVED_NODE_NAMES = ['flowInput', 'dataSource'];

/** What the graph of a descriptor comes to: for each node its references and the indexes of its parents. */
export interface Graph {
  nodes: { parents: number[]; batches: Reference[]; references: Reference[] }[];
}

/**
 * Checks the graph in HKube's order: nodes as they come (duplicates, reserved names, flowInput paths, references),
 * cycles last. The sentences of HKube's own checks are HKube's. What is only stored may have its flowInput from its runs.
 */
export function graphOf(
  descriptor: Descriptor,
  { stored = false }: { stored?: boolean } = {},
): { graph: Graph; problems: Problem[] } {
  const problems: Problem[] = [];
  const indexes = new Map(descriptor.nodes.map((node, index) => [node.nodeName, index]));
  const seen = new Set<string>();
  let items = 0;
  const nodes = descriptor.nodes.map((node, index) => {
    const refuse = (message: string, field = 'nodeName', code: Problem['code'] = 'INVALID') =>
      problems.push({ code, message, path: ['nodes', String(index), field] });
    if (seen.has(node.nodeName)) refuse(`found duplicate node "${node.nodeName}"`);
    seen.add(node.nodeName);
    if (RESERVED_NODE_NAMES.includes(node.nodeName)) {
      refuse(`pipeline "${descriptor.name}" has invalid reserved name "${node.nodeName}"`);
    }
    const references = referencesIn(node.input);
    const parents = new Set<number>();
    const batches = references.filter((one) => one.batch);
    if (batches.length > MAX_BATCH_REFERENCES) {
      refuse(
        `node "${node.nodeName}" must have at most ${MAX_BATCH_REFERENCES} batch references, got ${batches.length}`,
        'input',
      );
    }
    for (const reference of references) {
      if (reference.kind === 'unsupported') {
        refuse(
          `node "${node.nodeName}" uses ${shown(reference.text)}, which is not supported`,
          'input',
          'NOT_SUPPORTED',
        );
      } else if (reference.kind === 'flowInput') {
        if (!stored && at(descriptor.flowInput, reference.path) === undefined) {
          refuse(`unable to find ${['flowInput', ...reference.path].join('.')}`, 'input');
        }
      } else if (reference.kind === 'list') {
        items += parseList(reference.text).length;
        if (items > MAX_BATCH_ITEMS) {
          const bound = `with the lists before it stands for ${items} items, at most ${MAX_BATCH_ITEMS} are allowed in a pipeline`;
          refuse(`node "${node.nodeName}": ${shown(reference.text)} ${bound}`, 'input');
        }
      } else {
        const parent = indexes.get(reference.node);
        if (parent === undefined) {
          refuse(
            `node "${node.nodeName}" is depend on node "${reference.node}" which is not exists`,
            'input',
          );
        } else parents.add(parent);
      }
    }
    return { parents: [...parents], references, batches };
  });
  if (problems.length === 0 && isCyclic(nodes.map((node) => node.parents))) {
    problems.push({
      code: 'INVALID',
      message: 'cyclic nodes are not allowed on batch pipeline',
      path: ['nodes'],
    });
  }
  return { graph: { nodes }, problems };
}

/** Kahn's algorithm: what is left when nothing without open parents is left is a cycle. */
function isCyclic(parents: number[][]): boolean {
  const open = parents.map((list) => list.length);
  const children = childrenOf(parents);
  const ready = open.flatMap((count, index) => (count === 0 ? [index] : []));
  let done = 0;
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done++;
    for (const child of children[index]!) if (--open[child]! === 0) ready.push(child);
  }
  return done < parents.length;
}

/** The edges the other way round. */
export function childrenOf(parents: readonly number[][]): number[][] {
  const children: number[][] = parents.map(() => []);
  parents.forEach((list, index) => {
    for (const parent of list) children[parent]!.push(index);
  });
  return children;
}
