import type { Route } from '../../dialect.js';
import type { Job } from '../../job.js';
import { invalid } from './checks.js';
import { type HkubeParts, namedJob, notFound, turn } from './jobs.js';

/** Entries of one tree: what hangs below several others is written below each of them. */
const MAX_ENTRIES = 10_000;
const PAGE = 500;

/** What starts what: jobs that others have started, and stored pipelines that run after others. */
export function treeRoutes(parts: HkubeParts): Route[] {
  return [
    {
      method: 'GET',
      path: '/exec/tree/:jobId?',
      scope: 'READ',
      run: async (call) => ({ json: await jobTree(parts, await namedJob(parts, call, 'tree')) }),
    },
    {
      method: 'GET',
      path: '/pipelines/triggers/tree',
      scope: 'READ',
      run: async ({ accountId, query }) => {
        const edges = await parts.store.triggerEdges(accountId);
        return { json: pipelineTree(edges, query.get('name')) };
      },
    },
  ];
}

interface JobEntry {
  name: string;
  jobId: string;
  children: JobEntry[];
}

/** The jobs below one, breadth first: of a tree that is too large the deepest are left out. */
async function jobTree({ store }: HkubeParts, root: Job): Promise<JobEntry> {
  const entryOf = ({ pipelineName: name, id: jobId }: Job): JobEntry => ({ name, jobId, children: [] });
  const tree = entryOf(root);
  const open = [tree];
  let entries = 1;
  for (const parent of open) {
    for (let after: string | null = null; entries < MAX_ENTRIES; ) {
      const limit = Math.min(PAGE, MAX_ENTRIES - entries);
      const page = { limit, after, before: null, inverted: false };
      const jobs: Job[] = await store.children(root.accountId, parent.jobId, page);
      parent.children.push(...jobs.map(entryOf));
      entries += jobs.length;
      await turn();
      if (jobs.length < limit) break;
      after = jobs.at(-1)!.id;
    }
    open.push(...parent.children);
  }
  return tree;
}

interface PipelineEntry {
  name: string;
  children: PipelineEntry[];
}

/** The pipelines that none runs before, each with those that run after it; or one of them by name. */
function pipelineTree(
  edges: readonly { source: string; pipelineName: string }[],
  name: string | null,
): PipelineEntry[] {
  if (edges.length === 0) throw invalid('unable to find any pipeline with triggers');
  const after = new Map<string, string[]>();
  for (const { source, pipelineName } of edges) {
    for (const one of [source, pipelineName]) if (!after.has(one)) after.set(one, []);
    after.get(source)!.push(pipelineName);
  }
  if (isCyclic(after)) throw invalid('the pipelines triggers is cyclic');
  const followers = new Set(edges.map(({ pipelineName }) => pipelineName));
  if (name && !after.has(name)) throw notFound('triggers tree', name);
  const roots = name ? [name] : [...after.keys()].filter((one) => !followers.has(one));
  let entries = 0;
  const entryOf = (one: string): PipelineEntry => {
    if (++entries > MAX_ENTRIES)
      throw invalid(`the triggers tree has more than ${MAX_ENTRIES} entries: ask for a part of it by name`);
    return { name: one, children: after.get(one)!.map(entryOf) };
  };
  return roots.map(entryOf);
}

/** Takes away what nothing is before, again and again: what stays is a cycle. */
function isCyclic(after: ReadonlyMap<string, readonly string[]>): boolean {
  const before = new Map([...after.keys()].map((name) => [name, 0]));
  for (const names of after.values()) for (const name of names) before.set(name, before.get(name)! + 1);
  const free = [...before].flatMap(([name, count]) => (count === 0 ? [name] : []));
  for (const name of free) {
    for (const next of after.get(name)!) {
      before.set(next, before.get(next)! - 1);
      if (before.get(next) === 0) free.push(next);
    }
  }
  return free.length < after.size;
}
