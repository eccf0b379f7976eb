import { type Descriptor, MAX_NAME } from './descriptor.js';
import { type Problem, shown } from './errors.js';
import { MAX_PROBLEMS } from './issue.js';
import {
  at,
  MAX_BATCH_ITEMS,
  MAX_BATCH_REFERENCES,
  MAX_REFERENCES,
  parseList,
  type Reference,
  referencesIn,
} from './reference.js';

const RESERVED_NODE_NAMES = ['flowInput', 'dataSource'];

/** What the graph of a descriptor comes to. */
export interface Graph {
  nodes: GraphNode[];
}

/** A node's references, and its parents by index. */
export interface GraphNode {
  parents: number[];
  /** Those that must be finished before it starts. */
  needs: number[];
  /** Those that hand over each item as it is done: batches it refers to by "*@". They may be in `needs` as well. */
  waits: number[];
  /** Makes tasks by the item: it has batch references, or waits. */
  batch: boolean;
  batches: Reference[];
  references: Reference[];
}

/**
 * Checks the graph in HKube's order: streams, nodes as they come (algorithm names, duplicates, reserved names, then for each
 * argument flowInput paths before references to nodes), cycles last. The sentences of HKube's own checks are HKube's. What is
 * only stored may have its flowInput from its runs.
 */
export function graphOf(
  descriptor: Descriptor,
  { stored = false }: { stored?: boolean } = {},
): { graph: Graph; problems: Problem[] } {
  const problems: Problem[] = [];
  const indexes = new Map(descriptor.nodes.map((node, index) => [node.nodeName, index]));
  const seen = new Set<string>();
  let items = 0;
  let count = 0;
  if (descriptor.streaming?.flows !== undefined) {
    const path = ['streaming', 'flows'];
    problems.push({ code: 'INVALID', message: 'streaming flow is only allowed in stream pipeline', path });
  }
  const nodes = descriptor.nodes.map((node, index): GraphNode => {
    const refuse = (message: string, field = 'nodeName', code: Problem['code'] = 'INVALID') => {
      if (problems.length < MAX_PROBLEMS)
        problems.push({ code, message, path: ['nodes', String(index), field] });
    };
    if (node.kind === 'algorithm' && node.algorithmName === undefined) {
      refuse('please provide algorithm name', 'algorithmName');
    }
    if (seen.has(node.nodeName)) refuse(`found duplicate node "${node.nodeName}"`);
    seen.add(node.nodeName);
    if (RESERVED_NODE_NAMES.includes(node.nodeName)) {
      refuse(`pipeline "${descriptor.name}" has invalid reserved name "${node.nodeName}"`);
    }
    const byArgument: (readonly Reference[])[] = [];
    for (const argument of node.input) {
      const found = referencesIn(argument, MAX_REFERENCES + 1 - count);
      count += found.length;
      if (found.length > 0) byArgument.push(found);
      if (count <= MAX_REFERENCES) continue;
      refuse(
        `node "${node.nodeName}": a pipeline must have at most ${MAX_REFERENCES} references, got more`,
        'input',
      );
      break;
    }
    const references = byArgument.flat();
    const parents = new Set<number>();
    const batches = references.filter((one) => one.relation === 'batch');
    if (batches.length > MAX_BATCH_REFERENCES) {
      refuse(
        `node "${node.nodeName}" must have at most ${MAX_BATCH_REFERENCES} batch references, got ${batches.length}`,
        'input',
      );
    }
    for (const reference of byArgument.flatMap(flowInputFirst)) {
      // No more are told, and a text may name a hundred thousand nodes that are not there.
      if (problems.length >= MAX_PROBLEMS) break;
      if (reference.kind === 'refused') {
        refuse(...refusal(node.nodeName, reference));
      } else if (reference.kind === 'flowInput') {
        if (!stored && at(descriptor.flowInput, reference.path) === undefined) {
          refuse(`unable to find ${told(['flowInput', ...reference.path].join('.'))}`, 'input');
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
            `node "${node.nodeName}" is depend on node "${told(reference.node)}" which is not exists`,
            'input',
          );
        } else parents.add(parent);
      }
    }
    return {
      parents: [...parents],
      needs: [...parents],
      waits: [],
      batch: batches.length > 0,
      batches,
      references,
    };
  });
  problems.push(...outputProblems(descriptor, nodes));
  if (problems.length > 0) return { graph: { nodes }, problems };
  const order = topological(nodes.map((node) => node.parents));
  if (order.length === nodes.length) for (const index of order) wait(nodes, nodes[index]!, indexes);
  else {
    problems.push({
      code: 'INVALID',
      message: 'cyclic nodes are not allowed on batch pipeline',
      path: ['nodes'],
    });
  }
  return { graph: { nodes }, problems };
}

/** As much of a name as any node may have: what refers to none may be of any length. */
function told(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}

function refusal(
  nodeName: string,
  { problem, text }: Extract<Reference, { kind: 'refused' }>,
): [message: string, field: string, code: Problem['code']] {
  if (problem.of === 'batchOfItems') {
    const message = `node "${nodeName}" uses ${shown(`*#@${problem.node}`)}, which is not supported`;
    return [message, 'input', 'NOT_SUPPORTED'];
  }
  if (!problem.valid) {
    return ['invalid input syntax, ex: @dataSource.<dataSourceName>/<fileName>', 'input', 'INVALID'];
  }
  const message = `node "${nodeName}" uses ${shown(text)}: data sources are not supported; hand the data over in flowInput, or where it is stored`;
  return [message, 'input', 'NOT_SUPPORTED'];
}

/** "*@" of a node that is no batch is "@". Parents come before their children, so they are known to be batches. */
function wait(nodes: readonly GraphNode[], node: GraphNode, indexes: ReadonlyMap<string, number>): void {
  const needs = new Set<number>();
  const waits = new Set<number>();
  for (const reference of node.references) {
    if (reference.kind !== 'node') continue;
    const parent = indexes.get(reference.node)!;
    (reference.relation === 'any' && nodes[parent]!.batch ? waits : needs).add(parent);
  }
  node.needs = [...needs];
  node.waits = [...waits];
  node.batch ||= waits.size > 0;
}

/** HKube's rule of output nodes: they are at the end. */
function outputProblems(descriptor: Descriptor, nodes: readonly GraphNode[]): Problem[] {
  const outputs = descriptor.nodes.flatMap((node, index) => (node.kind === 'output' ? [index] : []));
  const problems: Problem[] = [];
  for (const index of outputs) {
    const name = descriptor.nodes[index]!.nodeName;
    const refuse = (message: string, field: string) =>
      problems.push({ code: 'INVALID', message, path: ['nodes', String(index), field] });
    if (nodes[index]!.references.every((one) => one.kind !== 'node'))
      refuse(`node "${name}" should have parent nodes`, 'input');
    if (nodes.some(({ parents }) => parents.includes(index)))
      refuse(`node "${name}" should not have child nodes`, 'nodeName');
  }
  return problems;
}

/** The references of one argument in the order in which they are checked. */
function flowInputFirst(references: readonly Reference[]): readonly Reference[] {
  const toFlowInput = references.filter((one) => one.kind === 'flowInput');
  if (toFlowInput.length === 0) return references;
  return [...toFlowInput, ...references.filter((one) => one.kind !== 'flowInput')];
}

/** Kahn's algorithm: parents before their children. What is on a cycle, or below one, is left out. */
function topological(parents: number[][]): number[] {
  const open = parents.map((list) => list.length);
  const children = childrenOf(parents);
  const order = open.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let place = 0; place < order.length; place++) {
    for (const child of children[order[place]!]!) if (--open[child]! === 0) order.push(child);
  }
  return order;
}

/** The edges the other way round. */
export function childrenOf(parents: readonly number[][]): number[][] {
  const children: number[][] = parents.map(() => []);
  parents.forEach((list, index) => {
    for (const parent of list) children[parent]!.push(index);
  });
  return children;
}
