import type { Descriptor } from './descriptor.js';
import { problem, shown } from './errors.js';
import { childrenOf } from './graph.js';
import type { NodeRow } from './state.js';

/**
 * Where a job begins when it is run again.
 *  - START: everything runs.
 *  - FAILED: what succeeded is kept, so that only what failed or did not finish runs, and what depends on it.
 *  - NODE: the node and all its successors run, and nothing else. The results that they need are kept.
 */
export type RerunFrom = { kind: 'START' } | { kind: 'FAILED' } | { kind: 'NODE'; nodeName: string };

/** Of a node of a new job: the tasks that it keeps of an ended one. */
export interface Kept {
  /** The ended job, and the node as it is there. */
  jobId: string;
  of: NodeRow;
  /** Nothing of the node runs, and what failed stays as it is. Otherwise what did not succeed there runs here. */
  whole: boolean;
  /** The job in which it ran, where the node is here for its results alone: without an input, it could not run. */
  given: string | null;
}

/** A descriptor as it is stored: HKube's cacheJobId names the job in which a given node ran. */
export type StoredDescriptor = Omit<Descriptor, 'nodes'> & {
  nodes: (Descriptor['nodes'][number] & { cacheJobId?: string })[];
};

/** What running a job again looks at. */
export interface Before {
  id: string;
  descriptor: StoredDescriptor;
  /** In the order of the descriptor. */
  nodes: NodeRow[];
  /** Of the nodes that were given there already, by name: where their tasks are to be found now. */
  given: ReadonlyMap<string, Kept>;
}

/** What is to be submitted. */
export interface Rerun {
  descriptor: StoredDescriptor;
  /** By name of the node. */
  kept: ReadonlyMap<string, Kept>;
}

/** What of a job is kept, and what runs. The job must have ended, but for START. */
export function planRerun(before: Before, from: RerunFrom): Rerun {
  switch (from.kind) {
    case 'START':
      return { descriptor: before.descriptor, kept: before.given };
    case 'FAILED':
      return fromFailed(before);
    case 'NODE':
      return fromNode(before, from.nodeName);
  }
}

/**
 * A node is kept whole if nothing of it failed and its parents are kept whole: it would give the same again. So would the
 * items that succeeded of a batch whose parents are.
 */
function fromFailed({ id, descriptor, nodes, given }: Before): Rerun {
  const known: boolean[] = [];
  const isWhole = (index: number): boolean => {
    const node = nodes[index]!;
    known[index] ??=
      given.has(node.name) || (isDone(node) && node.failed === 0 && node.parents.every(isWhole));
    return known[index];
  };
  if (nodes.every(({ index }) => isWhole(index))) {
    const message = `job ${shown(id)} has nothing that failed: all its nodes succeeded; run it again from START, or from a node`;
    throw problem('NOT_ALLOWED_IN_STATE', message, ['id']);
  }
  const kept = new Map(given);
  for (const of of nodes) {
    const whole = isWhole(of.index);
    const inPart = of.batch && of.succeeded > 0 && of.parents.every(isWhole);
    if (!kept.has(of.name) && (whole || inPart)) kept.set(of.name, { jobId: id, of, whole, given: null });
  }
  return { descriptor, kept };
}

/** HKube's "caching": parents of what runs that do not run themselves are given, and everything else is left out. */
function fromNode({ id, descriptor, nodes, given }: Before, nodeName: string): Rerun {
  const refuse = (message: string, code: 'INVALID' | 'NOT_ALLOWED_IN_STATE' = 'INVALID') =>
    problem(code, message, ['nodeName']);
  const first = nodes.find(({ name }) => name === nodeName);
  if (!first) throw refuse(`cant find relations for ${nodeName.slice(0, 200)}`);
  const origin = given.get(nodeName)?.given;
  if (origin) {
    throw refuse(
      `node ${shown(nodeName)} does not run in this job: its result is of job ${shown(origin)}; run that one again from it`,
    );
  }
  const runs = successorsOf(nodes, first.index);
  const kept = new Map<string, Kept>();
  for (const child of runs) {
    for (const of of nodes[child]!.parents.map((parent) => nodes[parent]!)) {
      if (runs.has(of.index)) continue;
      const { name, waits } = nodes[child]!;
      if (waits.includes(of.index)) throw refuse(`relation waitAny for node ${name} is not allowed`);
      if (!isDone(of) && !given.has(of.name)) {
        const message = `node ${shown(name)} needs the result of node ${shown(of.name)}, which did not succeed; run the job again from FAILED, or from that node`;
        throw refuse(message, 'NOT_ALLOWED_IN_STATE');
      }
      kept.set(of.name, given.get(of.name) ?? { jobId: id, of, whole: true, given: id });
    }
  }
  return { descriptor: partOf(descriptor, nodeName, runs, kept), kept };
}

/** A node and all that depends on it, by index. */
function successorsOf(nodes: readonly NodeRow[], first: number): Set<number> {
  const children = childrenOf(nodes.map(({ parents }) => parents));
  const found = new Set([first]);
  // A set hands out what is added while it is gone through.
  for (const index of found) for (const child of children[index]!) found.add(child);
  return found;
}

/** The descriptor of what runs and what is given. What is given needs no parents, and is no result of the new job. */
function partOf(
  descriptor: StoredDescriptor,
  nodeName: string,
  runs: ReadonlySet<number>,
  kept: ReadonlyMap<string, Kept>,
): StoredDescriptor {
  const nodes = descriptor.nodes.flatMap((node, index) => {
    if (runs.has(index)) return [node];
    if (!kept.has(node.nodeName)) return [];
    const { includeInResult: _one, includeInResults: _other, ...rest } = node;
    return [{ ...rest, input: [] }];
  });
  const names = new Set(nodes.map((node) => node.nodeName));
  const { debugOverride, ...options } = descriptor.options;
  return {
    ...descriptor,
    name: nameOfPart(descriptor.name, nodeName),
    options: {
      ...options,
      ...(debugOverride && { debugOverride: debugOverride.filter((name) => names.has(name)) }),
    },
    nodes,
  };
}

/** As long as the name of a pipeline may be; see Descriptor. */
const MAX_NAME = 200;

function nameOfPart(pipelineName: string, nodeName: string): string {
  return `${pipelineName}-${nodeName}`.replace(/[^:\-_.A-Za-z0-9]/g, '-').slice(0, MAX_NAME);
}

export function isDone({ status }: NodeRow): boolean {
  return status === 'SUCCEEDED' || status === 'SKIPPED';
}

/** The descriptor as it is stored: with the jobs in which the given nodes ran. */
export function withCacheJobIds(descriptor: Descriptor, kept: ReadonlyMap<string, Kept>): StoredDescriptor {
  const nodes = descriptor.nodes.map((node) => {
    const keep = kept.get(node.nodeName);
    return keep?.given ? { ...node, cacheJobId: keep.given } : node;
  });
  return { ...descriptor, nodes };
}
