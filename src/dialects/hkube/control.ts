import type { Call, Reply, Route } from '../../dialect.js';
import { Refused } from '../../dialect.js';
import { ProblemError } from '../../errors.js';
import type { Job } from '../../job.js';
import type { JobFilter } from '../../store.js';
import { checked, invalid, isObject } from './checks.js';
import { type HkubeParts, jobOf, jobsThat, listed, OPEN, statusesOf } from './jobs.js';

/** Jobs that one request stops at most. */
const MAX_STOPPED = 10_000;
/** How many are cancelled together: they share commits. */
const AT_ONCE = 50;
const DEFAULT_STATUSES = ['active', 'pending', 'paused'];

interface Dates {
  from?: number;
  to?: number;
  /** As they were given. */
  shown: string;
}

interface Wanted {
  jobId?: string;
  pipelineName?: string;
  dates: Dates | null;
  statuses: string[];
  reason: string | null;
}

/** `POST /exec/stop`: one job, or all that match; `pause` and `resume`: one. */
export function controlRoutes(parts: HkubeParts): Route[] {
  const post = (path: string, run: (call: Call) => Promise<Reply>): Route => ({
    method: 'POST',
    path,
    scope: 'SUBMIT',
    run,
  });
  return [
    post('/exec/stop', (call) => stop(parts, call)),
    post('/exec/pause', (call) => control(parts, call, 'pauseJob')),
    post('/exec/resume', (call) => control(parts, call, 'resumeJob')),
  ];
}

/** Where its state does not allow it, the engine says so in HKube's sentence. */
async function control(
  parts: HkubeParts,
  { accountId, body }: Call,
  verb: 'pauseJob' | 'resumeJob',
): Promise<Reply> {
  const { jobId } = checked(body, { required: ['jobId'], fields: { jobId: { type: 'string' } } });
  const { id } = await jobOf(parts, accountId, String(jobId), 'jobId');
  await parts.engine[verb](accountId, id);
  return { json: { message: 'OK' } };
}

async function stop(parts: HkubeParts, { accountId, body }: Call): Promise<Reply> {
  const wanted = wantedOf(body);
  const stoppedJobIds: string[] = [];
  let found = 0;
  let batch: Job[] = [];
  const stopBatch = async () => {
    const ended = await Promise.all(batch.map((job) => stopJob(parts, accountId, job, wanted.reason)));
    stoppedJobIds.push(...batch.filter((_, index) => ended[index]).map((job) => job.id));
    batch = [];
  };
  for await (const job of matching(parts, accountId, wanted)) {
    found++;
    if (batch.push(job) === AT_ONCE) await stopBatch();
  }
  await stopBatch();
  if (found === 0) throw new Refused(404, `No jobs found matching criteria (${criteria(wanted)})`);
  return { json: { stoppedJobIds } };
}

/** False where it had ended by itself meanwhile. */
async function stopJob(
  { engine }: HkubeParts,
  accountId: string,
  job: Job,
  reason: string | null,
): Promise<boolean> {
  try {
    await engine.cancelJob(accountId, job.id, reason);
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.problems[0]?.code === 'NOT_ALLOWED_IN_STATE') return false;
    throw error;
  }
}

/** An id names one job; what is none may be an external id, or the name of a pipeline. */
async function* matching(parts: HkubeParts, accountId: string, wanted: Wanted): AsyncGenerator<Job> {
  const { jobId, pipelineName, dates } = wanted;
  const statuses = statusesOf(wanted.statuses).filter((status) => OPEN.includes(status));
  const filter: JobFilter = {
    statuses,
    ...(pipelineName !== undefined && { pipelines: [pipelineName] }),
    ...(dates?.from !== undefined && { createdAfter: dates.from - 1 }),
    ...(dates?.to !== undefined && { createdBefore: dates.to + 1 }),
  };
  const page = { limit: MAX_STOPPED };
  if (jobId === undefined) {
    yield* jobsThat(parts, accountId, filter, page);
    return;
  }
  const job = await parts.store.job(accountId, jobId);
  if (job) {
    if (fits(job, filter)) yield job;
    return;
  }
  yield* jobsThat(parts, accountId, { ...filter, externalId: jobId }, page);
  if (pipelineName === undefined || pipelineName === jobId)
    yield* jobsThat(parts, accountId, { ...filter, pipelines: [jobId] }, page);
}

function fits(job: Job, { statuses, pipelines, createdAfter, createdBefore }: JobFilter): boolean {
  return (
    statuses!.includes(job.status) &&
    (!pipelines || pipelines.includes(job.pipelineName)) &&
    job.createdAt > (createdAfter ?? Number.NEGATIVE_INFINITY) &&
    job.createdAt < (createdBefore ?? Number.POSITIVE_INFINITY)
  );
}

function wantedOf(body: unknown): Wanted {
  const { jobId, pipelineName, startTime, statusToStop, reason } = checked(body, {
    fields: {
      jobId: { type: 'string', minLength: 1 },
      pipelineName: { type: 'string', minLength: 1 },
      startTime: { type: 'object' },
      statusToStop: { type: 'any' },
      reason: { type: 'string' },
    },
  }) as {
    jobId?: string;
    pipelineName?: string;
    startTime?: unknown;
    statusToStop?: unknown;
    reason?: string;
  };
  const dates = startTime === undefined ? null : datesOf(startTime, 'data.startTime');
  // Nobody means all of his jobs by a range that has no end.
  if (jobId === undefined && pipelineName === undefined && dates === null)
    throw invalid("data should have required property 'jobId'");
  return {
    ...(jobId !== undefined && { jobId }),
    ...(pipelineName !== undefined && { pipelineName }),
    dates,
    statuses: wordsOf(statusToStop),
    reason: reason || null,
  };
}

function wordsOf(given: unknown): string[] {
  if (given === undefined || given === null || given === '') return DEFAULT_STATUSES;
  const words = typeof given === 'string' ? listed(given) : given;
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
    throw invalid('data.statusToStop should be string,array');
  return words;
}

/** Dates as JavaScript reads them, or milliseconds since 1970; null where neither is given. */
export function datesOf(given: unknown, place: string): Dates | null {
  if (!isObject(given)) throw invalid(`${place} should be object`);
  const at = (key: 'from' | 'to') => {
    const value = given[key];
    if (value === undefined || value === null || value === '') return undefined;
    const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
    if (!Number.isFinite(ms)) throw invalid(`${place}.${key} should match format "date-time"`);
    return ms;
  };
  const [from, to] = [at('from'), at('to')];
  if (from === undefined && to === undefined) return null;
  const shown = (key: 'from' | 'to') => String(given[key] ?? '').slice(0, 100);
  return {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    shown: `${shown('from')} to ${shown('to')}`,
  };
}

function criteria({ jobId, pipelineName, dates, statuses }: Wanted): string {
  const parts = [
    jobId === undefined ? [] : `jobId: ${jobId.slice(0, 200)}`,
    pipelineName === undefined ? [] : `pipelineName: ${pipelineName.slice(0, 200)}`,
    dates === null ? [] : `datesRange: ${dates.shown}`,
    `statuses: ${statuses.join(',').slice(0, 200)}`,
  ];
  return parts.flat().join(', ');
}
