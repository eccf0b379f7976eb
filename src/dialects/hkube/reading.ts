import type { Call, Reply, Route } from '../../dialect.js';
import { isEnded, type Job } from '../../job.js';
import type { Store } from '../../store.js';
import { type HkubeJob, hkubeProgress, hkubeStatuses, resultFrame, resultItem } from './bodies.js';
import { checkedQuery, invalid } from './checks.js';
import { hkubeDescriptor } from './descriptors.js';
import {
  ENDED,
  type HkubeParts,
  jobNow,
  jobsThat,
  listed,
  listOf,
  namedJob,
  OPEN,
  type Shapes,
  statusesOf,
  turn,
} from './jobs.js';
import type { HkubeShape } from './shape.js';

/** Jobs that one answer lists at most. */
const MAX_LISTED = 100_000;
const MAX_HISTORY = 1_000;
/** Results are read, and sent, in pages of this size. */
const PAGE_ITEMS = 1_000;
const PAGE_BYTES = 1024 * 1024;

/** `GET /exec/…`: what became of jobs. */
export function readingRoutes(parts: HkubeParts, shapes: Shapes): Route[] {
  const get = (path: string, run: Route['run']): Route => ({ method: 'GET', path, scope: 'READ', run });
  return [
    get('/exec/status/:jobId?', async (call) => {
      const job = await namedJob(parts, call, 'status');
      return { json: await statusOf(parts, job, await shapes.of(job, call.query)) };
    }),
    get('/exec/results/:jobId?', async (call) => {
      const job = await namedJob(parts, call, 'status');
      const shape = await shapes.of(job, call.query);
      if (!isEnded(job.status)) {
        const state = hkubeStatuses[job.status];
        throw invalid(
          `unable to get results for pipeline ${job.pipelineName} because its in ${state} status`,
        );
      }
      return { text: resultText(parts.store, job, await jobNow(parts, job), shape) };
    }),
    get('/exec/pipelines/:jobId?', async (call) => ({
      json: await executed(parts, await namedJob(parts, call, 'pipeline')),
    })),
    get('/exec/pipeline/list', async ({ accountId }) => ({
      text: listOf(running(parts, accountId)),
    })),
    get('/exec/jobs', (call) => listJobs(parts, call)),
    get('/exec/auditTrail/:jobId?', async (call) => {
      const job = await namedJob(parts, call, 'auditTrail');
      return { json: { jobId: job.id, ...(await auditTrail(parts.store, job)) } };
    }),
    get('/exec/flowInput/:jobId?', (call) => flowInput(parts, call)),
  ];
}

/** The body of `GET /exec/status`. */
export async function statusOf(parts: HkubeParts, job: Job, shape: HkubeShape): Promise<object> {
  const level = job.status === 'FAILED' ? 'error' : 'info';
  return hkubeProgress({ ...(await jobNow(parts, job)), level, progress: job.progress }, shape);
}

/** The body of `GET /exec/results`, page by page: everything, whatever its size. */
export async function* resultText(
  store: Store,
  job: Job,
  shown: HkubeJob,
  shape: HkubeShape,
): AsyncGenerator<string> {
  const timeTook = (job.finishedAt! - job.createdAt) / 1_000;
  const [head, tail] = resultFrame(shown, shape, { startTime: job.createdAt, timeTook });
  if (job.status !== 'COMPLETED') {
    yield `${head}null${tail}`;
    return;
  }
  yield `${head}[`;
  for (let from = 0; ; ) {
    const items = await store.results(job.accountId, job.id, from, PAGE_ITEMS, PAGE_BYTES);
    if (items.length === 0) break;
    const texts = items.map((item) => resultItem(item, job.id, shape, Number.POSITIVE_INFINITY));
    yield `${from === 0 ? '' : ','}${texts.join(',')}`;
    from += items.length;
    await turn();
  }
  // Nothing may look like the whole that is not.
  if (!(await store.job(job.accountId, job.id)))
    throw new Error(`job ${job.id} was removed while it was read`);
  yield `]${tail}`;
}

/** The descriptor as it was executed, and what HKube tells beside it. */
async function executed({ store }: HkubeParts, job: Job): Promise<object> {
  const text = await store.descriptor(job.accountId, job.id);
  const earlier = { pipelines: [job.pipelineName], experiment: job.experimentName, statuses: ENDED };
  const page = { limit: 1, after: job.id, before: null, inverted: false };
  const [last] = await store.jobs(job.accountId, earlier, page);
  return {
    ...hkubeDescriptor(JSON.parse(text ?? '{}') as object),
    jobId: job.id,
    startTime: job.createdAt,
    types: job.types,
    ...(job.rerunOfId !== null && { rootJobId: job.rerunOfId }),
    ...(last && {
      lastRunResult: {
        timestamp: last.finishedAt,
        status: hkubeStatuses[last.status],
        timeTook: (last.finishedAt! - last.createdAt) / 1_000,
      },
    }),
  };
}

async function* running(parts: HkubeParts, accountId: string): AsyncGenerator<string> {
  for await (const job of jobsThat(parts, accountId, { statuses: OPEN }, { limit: MAX_LISTED })) {
    const text = await parts.store.descriptor(accountId, job.id);
    const descriptor = hkubeDescriptor(JSON.parse(text ?? '{}') as object);
    yield JSON.stringify({ jobId: job.id, ...descriptor, startTime: job.createdAt, types: job.types });
    await turn();
  }
}

async function listJobs(parts: HkubeParts, { accountId, query }: Call): Promise<Reply> {
  const { status, raw = false } = checkedQuery(query, {
    fields: { status: { type: 'string' }, raw: { type: 'boolean' } },
  });
  const statuses = statusesOf(listed(String(status || 'active,pending')));
  const found = jobsThat(parts, accountId, { statuses }, { limit: MAX_LISTED });
  async function* texts() {
    for await (const { id, status: state, pipelineName } of found)
      yield JSON.stringify(raw ? id : { jobId: id, status: hkubeStatuses[state], pipelineName });
  }
  return { text: listOf(texts()) };
}

const actions: Partial<Record<string, string>> = {
  JOB_PENDING: 'run',
  JOB_PAUSED: 'pause',
  JOB_RESUMED: 'resume',
  JOB_CANCELLED: 'stop',
};

/** Newest first. HKube spreads a list into an object, and clients have learned to read it. */
async function auditTrail(store: Store, job: Job): Promise<object> {
  const events = await store.jobHistory(job.accountId, job.id, MAX_HISTORY);
  return events.map(({ type, occurredAt }) => ({
    timestamp: occurredAt,
    user: 'anonymous',
    action: actions[type],
  }));
}

async function flowInput(parts: HkubeParts, { accountId, params, query }: Call): Promise<Reply> {
  const id = params['jobId'];
  if (id === undefined) throw invalid("data should have required property 'jobId'");
  const text = await parts.store.descriptor(accountId, id);
  const { flowInput: given } = JSON.parse(text ?? '{}') as { flowInput?: unknown };
  if (given === undefined) return { status: 404, empty: true };
  const file = { 'content-disposition': 'attachment; filename="flowInput.json"' };
  return { json: given, ...(query.has('download') && { headers: file }) };
}
