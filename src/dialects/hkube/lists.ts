import type { Call, Reply, Route } from '../../dialect.js';
import type { Job, JobType } from '../../job.js';
import type { JobFilter } from '../../store.js';
import { checkedQuery } from './checks.js';
import {
  askedShape,
  ENDED,
  type HkubeParts,
  jobNow,
  jobsThat,
  notFound,
  type Shapes,
  started,
  turn,
} from './jobs.js';
import { resultText, statusOf } from './reading.js';

const MAX_LIMIT = 100_000;

/** Results and states of the runs of one pipeline, newest first: all of its runs, or those by the clock. */
export function listRoutes(parts: HkubeParts, shapes: Shapes): Route[] {
  const get = (path: string, what: string, filter: JobFilter, show: Show): Route => ({
    method: 'GET',
    path,
    scope: 'READ',
    run: (call) => list(parts, call, what, filter, (job) => show(job, call)),
  });
  const cron: JobType = 'cron';
  const result: Show = async function* (job, { query }) {
    yield* resultText(parts.store, job, await jobNow(parts, job), await shapes.of(job, query));
  };
  const status: Show = async function* (job, { query }) {
    yield JSON.stringify(await statusOf(parts, job, await shapes.of(job, query)));
  };
  return [
    get('/pipelines/results', 'pipeline results', { statuses: ENDED }, result),
    get('/pipelines/status', 'pipeline status', {}, status),
    get('/cron/results', 'cron results', { statuses: ENDED, type: cron }, result),
    get('/cron/status', 'cron status', { type: cron }, status),
  ];
}

/** The JSON of one item, in pieces. */
type Show = (job: Job, call: Call) => AsyncGenerator<string>;

async function list(
  parts: HkubeParts,
  { accountId, query }: Call,
  what: string,
  filter: JobFilter,
  show: (job: Job) => AsyncGenerator<string>,
): Promise<Reply> {
  const given = checkedQuery(query, {
    required: ['name'],
    fields: {
      name: { type: 'string', minLength: 1 },
      experimentName: { type: 'string', minLength: 1, maxLength: 32 },
      sort: { type: 'string', oneOf: ['asc', 'desc'] },
      limit: { type: 'integer', min: 1, max: MAX_LIMIT },
    },
  }) as { name: string; experimentName?: string; sort?: string; limit?: number };
  askedShape(query);
  const { name, experimentName: experiment = 'main', sort = 'desc', limit = 1 } = given;
  const page = { limit, inverted: sort === 'asc' };
  const jobs = await started(jobsThat(parts, accountId, { ...filter, pipelines: [name], experiment }, page));
  if (!jobs) throw notFound(what, name);
  return { text: textOf(jobs, show) };
}

/** One item may be larger than all the others: none of them is held as a whole. */
async function* textOf(
  jobs: AsyncIterable<Job>,
  show: (job: Job) => AsyncIterable<string>,
): AsyncGenerator<string> {
  let before = '[';
  for await (const job of jobs) {
    yield before;
    yield* show(job);
    before = ',';
    await turn();
  }
  yield ']';
}
