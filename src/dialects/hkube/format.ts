import { type EventType, type LoggedEvent, levelOf, type Verbosity, wireType } from '../../event.js';
import { type BodySource, type Encode, MAX_BODY_BYTES } from '../../format.js';
import { type JobError, type JobStatus, type Progress, progressDetails } from '../../job.js';
import type { ResultItem, ResultList } from '../../result.js';
import { batchId } from '../../task.js';

/** HKube's words for a job's state. */
export const hkubeStatuses = {
  PENDING: 'pending',
  ACTIVE: 'active',
  PAUSED: 'paused',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'stopped',
} as const satisfies Record<JobStatus, string>;

/** A result from this size on is replaced by `info`. */
export const BIG_RESULT_BYTES = 100 * 1024;

/** What both bodies say of a job. `timestamp` is written as given: ISO 8601 in webhooks. */
export interface HkubeJob {
  jobId: string | null;
  timestamp: string | number;
  pipeline: string | null;
  /** One of HKube's words; see `hkubeStatuses`, and `resumed`. */
  status: string;
  error: JobError | null;
  reason: string | null;
}

/** The progress body, its keys in the order to send. */
export interface HkubeProgress {
  jobId: string | null;
  timestamp: string | number;
  pipeline: string | null;
  level: Verbosity;
  status: string;
  /** Absent while the job is pending. */
  data?: { progress: string; details: string };
  error?: string;
  nodeName?: string;
  reason?: string;
}

/** The body of the progress webhook and of `GET /exec/status`. */
export function hkubeProgress(
  job: HkubeJob & { level: Verbosity; progress: Progress | null },
): HkubeProgress {
  const { jobId, timestamp, pipeline, level, status, progress } = job;
  return {
    jobId,
    timestamp,
    pipeline,
    level,
    status,
    ...(progress === null || status === 'pending' ? {} : { data: dataOf(progress) }),
    ...endOf(job),
  };
}

function dataOf(progress: Progress): { progress: string; details: string } {
  return { progress: progress.percent.toFixed(2), details: progressDetails(progress) };
}

/** What only failed and stopped jobs carry. */
function endOf({ status, error, reason }: HkubeJob): { error?: string; nodeName?: string; reason?: string } {
  if (status === 'failed' && error !== null)
    return { error: error.message, ...(error.nodeName === null ? {} : { nodeName: error.nodeName }) };
  return status === 'stopped' && reason !== null ? { reason } : {};
}

/** How much a result body may carry. A webhook's default; a route that is itself the way to the results lifts both. */
export interface HkubeLimits {
  itemBytes: number;
  bodyBytes: number;
}
const WEBHOOK_LIMITS: HkubeLimits = { itemBytes: BIG_RESULT_BYTES, bodyBytes: MAX_BODY_BYTES };

/**
 * The body of the result webhook and of `GET /exec/results`, as JSON text: results go in as they are stored. What is
 * too large to carry is replaced by an `info` that says where it can be read.
 */
export function hkubeResult(
  job: HkubeJob & { results: ResultList | null },
  limits: HkubeLimits = WEBHOOK_LIMITS,
): string {
  const { jobId, timestamp, pipeline, status, results } = job;
  const head = JSON.stringify({ jobId, timestamp, pipeline, status }).slice(0, -1);
  if (status !== 'completed') {
    const end = JSON.stringify(endOf(job)).slice(1);
    return `${head},"data":null${end === '}' ? end : `,${end}`}`;
  }
  if (results?.items) {
    const items = results.items.map((item) => itemOf(item, jobId, limits.itemBytes));
    const body = `${head},"data":[${items.join(',')}]}`;
    if (Buffer.byteLength(body) <= limits.bodyBytes) return body;
  }
  return `${head},"data":[{"info":${infoOf(jobId, results?.bytes ?? 0)}}]}`;
}

function itemOf(item: ResultItem, jobId: string | null, bigBytes: number): string {
  const { nodeName, batchIndex, algorithmName, resultJson, error } = item;
  const batch = batchIndex !== null && batchIndex > 0 ? { batchID: batchId(nodeName, batchIndex) } : {};
  const head = JSON.stringify({ nodeName, ...batch, algorithmName }).slice(0, -1);
  if (error !== null) return `${head},"error":${JSON.stringify(error)}}`;
  // A skipped leaf has neither.
  if (resultJson === null) return `${head}}`;
  const bytes = Buffer.byteLength(resultJson);
  return bytes < bigBytes ? `${head},"result":${resultJson}}` : `${head},"info":${infoOf(jobId, bytes)}}`;
}

function infoOf(jobId: string | null, size: number): string {
  return JSON.stringify({
    path: `/api/v1/exec/results/${encodeURI(jobId ?? '')}`,
    size,
    isBigData: true,
    message: `data too large (${Math.round(size / 1000)} kB), use the results route`,
  });
}

/** The format `hkube`: the progress body for part EVENT, the result body for part RESULT. */
export const encodeHkube: Encode = ({ event, part, results }: BodySource) => {
  const facts = event.facts.of === 'job' ? event.facts : null;
  const job: HkubeJob = {
    jobId: event.job?.id ?? null,
    timestamp: new Date(event.occurredAt).toISOString(),
    pipeline: event.job?.pipelineName ?? null,
    status: statusOf(event),
    error: facts?.error ?? null,
    reason: facts?.reason ?? null,
  };
  if (part === 'RESULT') return hkubeResult({ ...job, results });
  const progress = facts?.progress ?? null;
  return JSON.stringify(hkubeProgress({ ...job, level: levelOf(event.type), progress }));
};

/** Events of tasks show as their job being active; HKube has no words for those without a job: they keep ours. */
function statusOf({ type, facts, job }: Pick<LoggedEvent, 'type' | 'facts' | 'job'>): string {
  if (job === null) return wireType(type);
  if (facts.of !== 'job') return hkubeStatuses.ACTIVE;
  const spoken: Partial<Record<EventType, string>> = { JOB_PROGRESS: 'active', JOB_RESUMED: 'resumed' };
  return spoken[type] ?? hkubeStatuses[facts.status];
}
