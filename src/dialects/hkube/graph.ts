import type { Route } from '../../dialect.js';
import type { Job, JobNode, NodeStatus } from '../../job.js';
import { referencesIn } from '../../reference.js';
import type { Task, TaskStatus } from '../../task.js';
import { type HkubeParts, jobNow, namedJob, turn } from './jobs.js';

/** Items of a batch that are shown one by one; `batchInfo` counts all of them. */
const MAX_BATCH = 1_000;
/** They are read in pages: a thousand at once hold others up for some 20 ms. */
const PAGE = 250;

/** HKube's words for the state of a node or task. */
const words: Record<NodeStatus | TaskStatus, string> = {
  WAITING: 'creating',
  READY: 'creating',
  ACTIVE: 'active',
  SUCCEEDED: 'succeed',
  FAILED: 'failed',
  SKIPPED: 'skipped',
  CANCELLED: 'stopped',
};

/** `GET /graph/raw` and `/graph/parsed`: one answer, which has all that either of HKube's two has. */
export function graphRoutes(parts: HkubeParts): Route[] {
  return ['raw', 'parsed'].map((kind) => ({
    method: 'GET',
    path: `/graph/${kind}/:jobId?`,
    scope: 'READ',
    run: async (call) => {
      const job = await namedJob(parts, call, 'graph');
      const { timestamp } = await jobNow(parts, job);
      return { text: graphText(parts, job, timestamp) };
    },
  }));
}

interface DescribedNode {
  nodeName: string;
  input?: unknown[];
}

async function* graphText(parts: HkubeParts, job: Job, timestamp: string | number): AsyncGenerator<string> {
  const { accountId, id } = job;
  const text = await parts.store.descriptor(accountId, id);
  const { nodes: described = [] } = JSON.parse(text ?? '{}') as { nodes?: DescribedNode[] };
  const nodes = await parts.store.nodes(accountId, id);
  const levels = levelsOf(nodes);
  yield `${JSON.stringify({ jobId: id, timestamp }).slice(0, -1)},"nodes":[`;
  for (const [index, node] of nodes.entries()) {
    const tasks = await firstTasks(parts, job, node);
    const shown = nodeOf(node, described[index]?.input ?? [], tasks, levels.get(node.name)!);
    yield `${index === 0 ? '' : ','}${JSON.stringify(shown)}`;
    await turn();
  }
  yield `],"edges":${JSON.stringify(edgesOf(described))}}`;
}

async function firstTasks({ store }: HkubeParts, { accountId, id }: Job, node: JobNode): Promise<Task[]> {
  const tasks: Task[] = [];
  for (let after: string | null = null; tasks.length < MAX_BATCH; ) {
    const page = { limit: PAGE, after, before: null, inverted: false };
    const found: Task[] = await store.tasks(accountId, id, { node: node.index }, page);
    tasks.push(...found);
    if (found.length < PAGE) break;
    after = found.at(-1)!.id;
    await turn();
  }
  return tasks;
}

function nodeOf(node: JobNode, input: unknown[], tasks: Task[], level: number): object {
  const { total, succeeded, failed, skipped, active } = node.progress;
  const completed = succeeded + failed + skipped;
  // A node is ACTIVE from when it has tasks on; HKube's is once one of them runs.
  const status = node.status === 'ACTIVE' && active + completed === 0 ? 'creating' : words[node.status];
  const head = { nodeName: node.name, algorithmName: node.algorithmName };
  const tail = { input, status, level };
  const [task] = tasks;
  if (task?.item === 0) return { ...head, ...taskOf(task), ...tail };
  if (!task) return { ...head, ...tail };
  return {
    ...head,
    ...tail,
    batch: tasks.map((one) => ({ batchIndex: one.item, ...taskOf(one), status: words[one.status] })),
    batchInfo: { idle: total - completed - active, completed, errors: failed, running: active, total },
  };
}

function taskOf({ id, attempt, error, startedAt, finishedAt }: Task): object {
  return {
    taskId: id,
    ...(error && { error: error.message }),
    retries: Math.max(attempt - 1, 0),
    ...(startedAt !== null && { startTime: startedAt }),
    ...(finishedAt !== null && { endTime: finishedAt }),
  };
}

/** How far a node is from where the graph begins; nodes are in any order, and there is no cycle. */
function levelsOf(nodes: readonly JobNode[]): Map<string, number> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const levels = new Map<string, number>();
  const stack = nodes.map(({ name }) => name);
  while (stack.length > 0) {
    const name = stack.at(-1)!;
    const parents = byName.get(name)?.dependsOn ?? [];
    const open = parents.filter((parent) => !levels.has(parent));
    if (open.length === 0) {
      levels.set(
        name,
        parents.reduce((most, parent) => Math.max(most, levels.get(parent)! + 1), 0),
      );
      stack.pop();
    } else stack.push(...open);
  }
  return levels;
}

interface Edge {
  from: string;
  to: string;
  value: { types: string[] };
}

/** One edge for each two nodes, with each way in which the second takes what the first gives. */
function edgesOf(nodes: readonly DescribedNode[]): Edge[] {
  return nodes.flatMap(({ nodeName: to, input = [] }) => {
    const types = new Map<string, Set<string>>();
    for (const reference of referencesIn(input)) {
      if (reference.kind !== 'node') continue;
      const known = types.get(reference.node) ?? new Set();
      types.set(reference.node, known.add(typeOf(reference.text)));
    }
    return [...types].map(([from, set]) => ({ from, to, value: { types: [...set] } }));
  });
}

function typeOf(text: string): string {
  if (text.startsWith('*')) return 'waitAny';
  return text.startsWith('#') ? 'waitBatch' : 'waitNode';
}
