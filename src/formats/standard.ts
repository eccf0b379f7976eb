import { eventId, type JobFacts, type LoggedEvent, type TaskFacts, wireType } from '../event.js';
import { encodeCursor } from '../feed.js';
import type { BodySource, Encode } from '../format.js';
import { type JobError, type Progress, parseJobId, progressDetails } from '../job.js';
import type { ResultItem } from '../result.js';
import { batchId, taskId } from '../task.js';

/** Results above this are left out of the body: a receiver reads them by API. */
export const MAX_INLINE_RESULT_BYTES = 256 * 1024;

/**
 * Standard Webhooks' `{type, timestamp, data}`. `data` has the fields of the event's GraphQL type, with enum values
 * in lower case, and `job` as of the event. `job.completed` adds `results`, or above 256 KiB `"resultsTruncated": true`;
 * there is no link yet to where the results can be read.
 */
export const encodeStandard: Encode = (source) => {
  const { event } = source;
  const head = { type: wireType(event.type), timestamp: iso(event.occurredAt) };
  const data = standardData(source);
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
};

/** The `data` member alone, as JSON text: other native formats put it into an envelope of their own. */
export function standardData({ event, results }: BodySource): string {
  const data = {
    id: eventId(event),
    cursor: encodeCursor(event.accountId, event.position),
    jobId: event.job?.id ?? null,
    sequence: event.sequence,
    job: jobOf(event),
    ...factsOf(event),
  };
  const text = JSON.stringify(data);
  return event.type === 'JOB_COMPLETED' ? `${text.slice(0, -1)},${resultsMember(results)}}` : text;
}

/** The job as the event knows it: a task's event does not carry the state of its job. */
function jobOf({ job, facts }: LoggedEvent): Record<string, unknown> | null {
  if (job === null) return null;
  const { id, pipelineName, externalId, tags } = job;
  const identity = { id, pipelineName, externalId, tags };
  return facts.of === 'job' ? { ...identity, ...jobState(facts) } : identity;
}

function jobState({ status, progress, error, reason }: JobFacts): Record<string, unknown> {
  return {
    status: status.toLowerCase(),
    progress: progressOf(progress),
    error: error && errorOf(error),
    reason,
  };
}

/** The fields that the event's type has beyond those of every event. */
function factsOf({ type, facts, job }: LoggedEvent): Record<string, unknown> {
  switch (facts.of) {
    case 'job':
      return type === 'JOB_PROGRESS' ? { progress: progressOf(facts.progress) } : jobState(facts);
    case 'task':
      return taskOf(facts, type === 'TASK_PROGRESS', job?.id ?? '');
    case 'webhook':
      return { webhookId: facts.webhookId, status: facts.status.toLowerCase(), reason: facts.reason };
  }
}

function taskOf(facts: TaskFacts, progressed: boolean, jobId: string): Record<string, unknown> {
  const uuid = parseJobId(jobId)?.uuid;
  const id = uuid === undefined ? null : taskId(uuid, facts);
  const { nodeName, status, attempt, worker, error } = facts;
  const task = { taskId: id, nodeName, batchId: batchId(nodeName, facts.item) };
  if (progressed) return { ...task, percent: facts.percent, message: facts.message };
  return {
    ...task,
    status: status.toLowerCase(),
    attempt,
    worker,
    leaseExpiresAt: isoOrNull(facts.leaseExpiresAt),
    error: error && errorOf({ ...error, nodeName, taskId: id }),
    retryAt: isoOrNull(facts.retryAt),
  };
}

function progressOf(progress: Progress): Record<string, unknown> {
  const { percent, total, succeeded, failed, skipped, active } = progress;
  return { percent, details: progressDetails(progress), total, succeeded, failed, skipped, active };
}

function errorOf(error: Omit<JobError, 'code'> & { code: string }): Record<string, unknown> {
  return {
    message: error.message,
    nodeName: error.nodeName,
    taskId: error.taskId,
    code: error.code,
  };
}

function resultsMember(results: BodySource['results']): string {
  // What was not loaded is said to be missing, so that it never reads as "no results".
  const items = results?.items;
  if (!items || results.bytes > MAX_INLINE_RESULT_BYTES) return '"resultsTruncated":true';
  const list = `[${items.map(resultOf).join(',')}]`;
  return Buffer.byteLength(list) > MAX_INLINE_RESULT_BYTES ? '"resultsTruncated":true' : `"results":${list}`;
}

/** One item of `Job.results`; the result's own text goes in as it is stored. */
function resultOf({ nodeName, batchIndex, algorithmName, resultJson, error }: ResultItem): string {
  const head = {
    nodeName,
    batchIndex,
    batchId: batchId(nodeName, Math.max(batchIndex ?? 0, 0)),
    algorithmName,
  };
  return `${JSON.stringify(head).slice(0, -1)},"result":${resultJson ?? 'null'},"error":${JSON.stringify(error)}}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
