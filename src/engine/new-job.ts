import { begin } from '../advance.js';
import { deadlinesOf } from '../deadlines.js';
import { type Descriptor, pipelineOf } from '../descriptor.js';
import type { Graph } from '../graph.js';
import { type Origin, parseJobId, progressOf } from '../job.js';
import { type NodeKind, OUTPUT_QUEUE, PIPELINE_QUEUE } from '../node-kind.js';
import { type Kept, withCacheJobIds } from '../rerun.js';
import type { Concurrency, JobRow, NewJob, NodeRow } from '../state.js';

const QUEUES = { output: OUTPUT_QUEUE, pipeline: PIPELINE_QUEUE };

/** Of one that is run: the others are refused by then. */
function kindOf({ kind }: Descriptor['nodes'][number]): NodeKind {
  return kind === 'output' || kind === 'pipeline' ? kind : 'algorithm';
}

/**
 * A job as its descriptor describes it: numbered by the store, which is why it has no number here. `kept` names the nodes
 * that keep tasks of an ended job.
 */
export function newJob(
  uuid: string,
  descriptor: Descriptor,
  graph: Graph,
  origin: Origin,
  at: number,
  kept: ReadonlyMap<string, Kept> = new Map(),
): NewJob {
  const isParent = new Set(graph.nodes.flatMap((node) => node.parents));
  const rows = descriptor.nodes.map((node, index): NodeRow => {
    const { parents, needs, waits, batch, batches } = graph.nodes[index]!;
    const kind = kindOf(node);
    const algorithmName = (kind === 'pipeline' ? pipelineOf(node) : node.algorithmName) ?? 'output';
    const keep = kept.get(node.nodeName);
    return {
      index,
      name: node.nodeName,
      kind,
      algorithmName,
      // Module algorithms have a queue each, of their own name.
      queue: kind === 'algorithm' ? algorithmName : QUEUES[kind],
      batch: keep?.given ? keep.of.batch : batch,
      parents,
      needs,
      waits,
      fan: keep?.of.fan ?? (waits.length > 0 && batches.length === 0 ? 1 : null),
      scanned: 0,
      retryPolicy: node.retry.policy,
      retryLimit: node.retry.limit,
      // What was skipped has no tasks to copy.
      status: keep?.of.status === 'SKIPPED' ? 'SKIPPED' : 'WAITING',
      total: keep ? keep.of.total : null,
      expanded: 0,
      succeeded: 0,
      failed: 0,
      active: 0,
      keeping: keep && keep.of.status !== 'SKIPPED' ? { whole: keep.whole, next: 0 } : null,
    };
  });
  const row: JobRow = {
    uuid,
    status: 'PENDING',
    reason: null,
    error: null,
    progress: progressOf([], false, 0),
    batchTolerance: descriptor.options.batchTolerance,
    deadlines: deadlinesOf(descriptor.options, at),
    startedAt: null,
    finishedAt: null,
  };
  const change = begin(row, rows, at);
  const changed = new Map(change.nodes.map((node) => [node.index, node]));
  return {
    uuid,
    pipelineName: descriptor.name,
    experimentName: descriptor.experimentName,
    origin,
    externalId: descriptor.externalId ?? null,
    tags: descriptor.tags,
    priority: descriptor.priority,
    concurrency: concurrencyOf(descriptor.options),
    descriptor: JSON.stringify(withCacheJobIds(descriptor, kept)),
    flowInput: descriptor.flowInput === undefined ? null : JSON.stringify(descriptor.flowInput),
    row: change.job,
    nodes: descriptor.nodes.map((node, index) => ({
      ...(changed.get(index) ?? rows[index]!),
      input: JSON.stringify(node.input),
      operation: node.batchOperation,
      timeoutMs: node.ttl === 0 ? null : node.ttl * 1_000,
      includeInResults:
        !isParent.has(index) || node.includeInResults === true || node.includeInResult === true,
      extraData: node.extraData === undefined ? null : JSON.stringify(node.extraData),
      // What was skipped has nothing to keep: a node that waits for it would wait for its copies for ever.
      kept: rows[index]!.keeping && keptFrom(kept.get(node.nodeName)),
    })),
    newTasks: change.newTasks,
    events: change.events,
  };
}

function keptFrom(keep: Kept | undefined): { jobUuid: string; node: number } | null {
  return keep ? { jobUuid: parseJobId(keep.jobId)!.uuid, node: keep.of.index } : null;
}

function concurrencyOf({ concurrentPipelines }: Descriptor['options']): Concurrency | null {
  const { amount, rejectOnFailure: rejects = true } = concurrentPipelines ?? {};
  return amount === undefined ? null : { amount, rejects };
}
