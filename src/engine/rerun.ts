import { problem, shown } from '../errors.js';
import { isEnded, type Job, type JobStatus, type Origin } from '../job.js';
import {
  type Before,
  isDone,
  type Kept,
  planRerun,
  type RerunFrom,
  type StoredDescriptor,
} from '../rerun.js';
import type { RerunInput } from './engine.js';
import type { Parts } from './parts.js';
import { submit, submittedBefore } from './submit.js';

/** Submits what an earlier job was again, with all the checks of a submission. */
export async function rerunJob(parts: Parts, accountId: string, input: RerunInput): Promise<Job> {
  const { jobId, from, idempotencyKey, received } = input;
  const operation = 'rerunJob';
  const earlier = await submittedBefore(parts, accountId, { operation, idempotencyKey, received });
  if (earlier) return earlier;
  const job = await parts.store.job(accountId, jobId);
  if (!job) throw problem('NOT_FOUND', `job ${shown(jobId)} was not found`, ['id']);
  if (from.kind !== 'START' && !isEnded(job.status)) throw stillOpen(job);
  const { descriptor, kept } = planRerun(await read(parts, job), from);
  return submit(parts, accountId, {
    operation,
    descriptor,
    received,
    idempotencyKey,
    origin: originOf(job, from),
    kept,
  });
}

function stillOpen({ pipelineName, status }: Job): Error {
  const words: Partial<Record<JobStatus, string>> = {
    PENDING: 'pending',
    ACTIVE: 'active',
    PAUSED: 'paused',
  };
  const message = `unable to rerun pipeline ${pipelineName} because its in ${words[status]} status; wait for its end, cancel it, or run it again from START`;
  return problem('NOT_ALLOWED_IN_STATE', message, ['id']);
}

/** Whatever has started the first job: a client has asked for this one. */
function originOf({ id, types }: Job, from: RerunFrom): Origin {
  const others = types.filter((type) => type !== 'rerun' && type !== 'node');
  return {
    types: [...others, from.kind === 'NODE' ? 'node' : 'rerun'],
    parentId: null,
    rerunOfId: id,
    depth: 0,
  };
}

async function read(parts: Parts, job: Job): Promise<Before> {
  const { store } = parts;
  const descriptor = JSON.parse((await store.descriptor(job.accountId, job.id))!) as StoredDescriptor;
  const nodes = await store.nodeRows(job.accountId, job.id);
  const given = new Map<string, Kept>();
  for (const [index, { nodeName, cacheJobId }] of descriptor.nodes.entries()) {
    if (cacheJobId === undefined) continue;
    // A job that was ended early may not have got its copies: then they are taken from where they were made.
    const found = isDone(nodes[index]!)
      ? { jobId: job.id, of: nodes[index]! }
      : { jobId: cacheJobId, of: await nodeOf(parts, job.accountId, cacheJobId, nodeName) };
    given.set(nodeName, { ...found, whole: true, given: cacheJobId });
  }
  return { id: job.id, descriptor, nodes, given };
}

async function nodeOf({ store }: Parts, accountId: string, jobId: string, nodeName: string) {
  const node = (await store.nodeRows(accountId, jobId)).find(({ name }) => name === nodeName);
  if (node && isDone(node)) return node;
  const message = `the result of node ${shown(nodeName)} was removed with job ${shown(jobId)}; run the whole pipeline`;
  throw problem('NOT_ALLOWED_IN_STATE', message, ['id']);
}
