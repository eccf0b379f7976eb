import { begin } from '../advance.js';
import { PIPELINE_QUEUE } from '../child.js';
import { type Descriptor, pipelineOf } from '../descriptor.js';
import type { Graph } from '../graph.js';
import { type Origin, progressOf } from '../job.js';
import type { JobRow, NewJob, NodeRow } from '../state.js';

/** A job as its descriptor describes it: numbered by the store, which is why it has no number here. */
export function newJob(
  uuid: string,
  descriptor: Descriptor,
  graph: Graph,
  origin: Origin,
  at: number,
): NewJob {
  const isParent = new Set(graph.nodes.flatMap((node) => node.parents));
  const rows = descriptor.nodes.map((node, index): NodeRow => {
    const { parents, batches } = graph.nodes[index]!;
    return {
      index,
      name: node.nodeName,
      // Of a pipeline node, what it runs.
      algorithmName: (node.kind === 'pipeline' ? pipelineOf(node) : node.algorithmName)!,
      // Module algorithms have a queue each, of their own name.
      queue: node.kind === 'pipeline' ? PIPELINE_QUEUE : node.algorithmName!,
      batch: batches.length > 0,
      parents,
      retryPolicy: node.retry.policy,
      retryLimit: node.retry.limit,
      status: 'WAITING',
      total: null,
      expanded: 0,
      succeeded: 0,
      failed: 0,
      active: 0,
    };
  });
  const row: JobRow = {
    uuid,
    status: 'PENDING',
    reason: null,
    error: null,
    progress: progressOf([], false, 0),
    batchTolerance: descriptor.options.batchTolerance,
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
    descriptor: JSON.stringify(descriptor),
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
    })),
    newTasks: change.newTasks,
    events: change.events,
  };
}
