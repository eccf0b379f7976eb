import type { Verbosity } from '../../event.js';
import { MAX_BODY_BYTES } from '../../format.js';
import type { JobError, JobStatus, Progress } from '../../job.js';
import type { ResultItem, ResultList } from '../../result.js';
import { type HkubeShape, SEED, type Times } from './shape.js';

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

/** What both bodies say of a job. `timestamp` is written as given: ISO 8601 in webhooks, milliseconds in routes. */
export interface HkubeJob extends Times {
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
  data?: Record<string, unknown>;
  error?: string;
  nodeName?: string;
  reason?: string;
}

/** The body of the progress webhook and of `GET /exec/status`. */
export function hkubeProgress(
  job: HkubeJob & { level: Verbosity; progress: Progress | null },
  shape: HkubeShape = SEED,
): HkubeProgress {
  const { jobId, timestamp, pipeline, level, status, progress } = job;
  return {
    jobId,
    timestamp,
    pipeline,
    level,
    status,
    ...(progress === null || status === 'pending' ? {} : { data: shape.progress(progress) }),
    ...shape.times(job),
    ...endOf(job),
  };
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

/** The body of the result webhook, as JSON text. What is too large to carry is replaced by an `info` that says so. */
export function hkubeResult(
  job: HkubeJob & { results: ResultList | null },
  shape: HkubeShape = SEED,
  limits: HkubeLimits = WEBHOOK_LIMITS,
): string {
  const { jobId, results } = job;
  const [head, tail] = resultFrame(job, shape);
  if (job.status !== 'completed') return `${head}null${tail}`;
  if (results?.items) {
    const items = results.items.map((item) => resultItem(item, jobId, shape, limits.itemBytes));
    const body = `${head}[${items.join(',')}]${tail}`;
    if (Buffer.byteLength(body) <= limits.bodyBytes) return body;
  }
  return `${head}[{"info":${infoOf(jobId, results?.bytes ?? 0, shape)}}]${tail}`;
}

/** A result body around its `data`: what stands before the list and behind it. `startTime` is a route's. */
export function resultFrame(
  job: HkubeJob,
  shape: HkubeShape,
  more: { startTime?: number; timeTook?: number } = {},
): [head: string, tail: string] {
  const { jobId, timestamp, pipeline, status } = job;
  const { startTime, ...took } = more;
  const head = { jobId, timestamp, ...(startTime !== undefined && { startTime }), pipeline, status };
  const end = JSON.stringify({ ...endOf(job), ...took, ...shape.took(job) }).slice(1);
  return [`${JSON.stringify(head).slice(0, -1)},"data":`, end === '}' ? end : `,${end}`];
}

/** One item of `data`, as JSON text: its result goes in as it is stored. */
export function resultItem(
  { nodeName, batchIndex, algorithmName, resultJson, error }: ResultItem,
  jobId: string | null,
  shape: HkubeShape,
  bigBytes: number,
): string {
  const batch = shape.batch(nodeName, batchIndex);
  const head = JSON.stringify({ nodeName, ...batch, algorithmName }).slice(0, -1);
  if (error !== null) return `${head},"error":${JSON.stringify(error)}}`;
  // A skipped leaf has neither.
  if (resultJson === null) return `${head}}`;
  const bytes = Buffer.byteLength(resultJson);
  return bytes < bigBytes
    ? `${head},"result":${resultJson}}`
    : `${head},"info":${infoOf(jobId, bytes, shape)}}`;
}

function infoOf(jobId: string | null, size: number, shape: HkubeShape): string {
  return JSON.stringify({
    path: `/api/v1/exec/results/${encodeURI(jobId ?? '')}`,
    size,
    isBigData: true,
    message: shape.tooLarge(size),
  });
}
