import type { Call, Reply, Route } from '../../dialect.js';
import { isEnded, type Job, jobTypes } from '../../job.js';
import type { JobFilter } from '../../store.js';
import { hkubeStatuses } from './bodies.js';
import { checked, invalid, isObject } from './checks.js';
import { datesOf } from './control.js';
import { hkubeDescriptor } from './descriptors.js';
import { type HkubeParts, jobsThat, listOf, statusesOf, turn } from './jobs.js';
import { statusOf } from './reading.js';
import { V2 } from './shape.js';

const MAX_HITS = 100;
/** Pages that may be skipped by number: behind them the cursor goes on. */
const MAX_PAGE = 100;
const FIELDS = ['jobId', 'pipeline', 'status', 'result'] as const;

/** `GET` and `POST /exec/search`. */
export function searchRoutes(parts: HkubeParts): Route[] {
  return [
    {
      method: 'POST',
      path: '/exec/search',
      scope: 'READ',
      run: ({ accountId, body }) => search(parts, accountId, body),
    },
    {
      method: 'GET',
      path: '/exec/search',
      scope: 'READ',
      run: (call) => search(parts, call.accountId, fromQuery(call)),
    },
  ];
}

/** The same in a query: what is no text is written as JSON, and the fields of `query` may stand beside the others. */
function fromQuery({ query }: Call): object {
  const given: Record<string, unknown> = {};
  const within: Record<string, unknown> = {};
  for (const [key, value] of query) {
    if (key === 'query' || key === 'fields' || key === 'datesRange') {
      const json = jsonOf(value, key);
      if (key === 'query') Object.assign(within, objectOf(json, key));
      else if (key === 'datesRange') within['datesRange'] = json;
      else given[key] = json;
    } else if (key in QUERY.fields && key !== 'tags') within[key] = value;
    else if (key === 'tags') within['tags'] = value.split(',');
    else given[key] = value;
  }
  return { ...given, query: within };
}

function jsonOf(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(`data.${key} should be object`);
  }
}

function objectOf(json: unknown, key: string): object {
  if (!isObject(json)) throw invalid(`data.${key} should be object`);
  return json;
}

const QUERY = {
  fields: {
    experimentName: { type: 'string' },
    pipelineName: { type: 'string' },
    pipelineType: { type: 'string' },
    algorithmName: { type: 'string' },
    pipelineStatus: { type: 'string' },
    datesRange: { type: 'object' },
    tags: { type: 'strings' },
  },
} as const;

async function search(parts: HkubeParts, accountId: string, body: unknown): Promise<Reply> {
  const began = parts.now();
  const given = checked(body, {
    fields: {
      query: { type: 'object' },
      cursor: { type: 'string' },
      pageNum: { type: 'integer', min: 0, max: MAX_PAGE },
      sort: { type: 'string', oneOf: ['asc', 'desc'] },
      limit: { type: 'integer', min: 0, max: MAX_HITS },
      fields: { type: 'object' },
      exists: { type: 'any' },
      tags: { type: 'strings' },
    },
  }) as {
    query?: object;
    cursor?: string;
    pageNum?: number;
    sort?: string;
    limit?: number;
    fields?: object;
    tags?: string[];
  };
  if ('exists' in given) throw invalid('data.exists is not supported: leave it out');
  const filter = filterOf({ ...(given.tags && { tags: given.tags }), ...given.query });
  const wanted = fieldsOf(given.fields);
  const { limit = MAX_HITS, cursor, pageNum = 0, sort = 'desc' } = given;
  if (cursor && !(await parts.store.job(accountId, cursor)))
    throw invalid('data.cursor should be one that a search has answered, and its job must still be there');
  const skipped = cursor ? 0 : pageNum * limit;
  const page = { limit: skipped + limit, inverted: sort === 'asc', after: cursor || null };
  let last = cursor || null;
  // A hit may have megabytes: none waits for the others.
  async function* hits() {
    let place = 0;
    for await (const job of jobsThat(parts, accountId, filter, page)) {
      if (place++ < skipped) continue;
      yield JSON.stringify(await hitOf(parts, job, wanted));
      last = job.id;
      await turn();
    }
  }
  async function* text() {
    yield '{"hits":';
    yield* listOf(hits());
    yield `,${JSON.stringify({ cursor: last, timeTook: parts.now() - began }).slice(1)}`;
  }
  return { text: text() };
}

function filterOf(query: object): JobFilter {
  const { experimentName, pipelineName, pipelineType, algorithmName, pipelineStatus, datesRange, tags } =
    checked(query, QUERY, 'data.query') as { [K in keyof typeof QUERY.fields]?: never };
  const dates = datesRange === undefined ? null : datesOf(datesRange, 'data.query.datesRange');
  return {
    ...(experimentName !== undefined && { experiment: experimentName }),
    ...(pipelineName !== undefined && { pipelines: [pipelineName] }),
    ...(algorithmName !== undefined && { algorithm: algorithmName }),
    ...(pipelineStatus !== undefined && { statuses: statusesOf([pipelineStatus]) }),
    ...(pipelineType !== undefined && ofType(pipelineType)),
    ...(dates?.from !== undefined && { createdAfter: dates.from - 1 }),
    ...(dates?.to !== undefined && { createdBefore: dates.to + 1 }),
    ...(tags !== undefined && { allTags: tags }),
  };
}

/** HKube's types that no job has here. */
const OTHER_TYPES: readonly string[] = ['internal', 'debug', 'dev-mode', 'tensorboard'];

function ofType(word: string): JobFilter {
  const type = jobTypes.find((one) => one === word);
  if (type) return { type };
  // An empty list of states finds nothing.
  if (OTHER_TYPES.includes(word)) return { statuses: [] };
  const known = [...jobTypes, ...OTHER_TYPES].join(',');
  throw invalid(`data.query.pipelineType should be equal to one of the allowed values (${known})`);
}

/** Keys of a hit that are wanted: those that are true, or all. */
function fieldsOf(fields: object | undefined): readonly string[] {
  const named = Object.entries(fields ?? {}).flatMap(([key, value]) => (value ? key : []));
  return named.length > 0 ? named : FIELDS;
}

async function hitOf(parts: HkubeParts, job: Job, wanted: readonly string[]): Promise<object> {
  const parsed = async () => {
    const text = await parts.store.descriptor(job.accountId, job.id);
    const { flowInput: _flowInput, ...descriptor } = hkubeDescriptor(JSON.parse(text ?? '{}') as object);
    return { ...descriptor, startTime: job.createdAt, types: job.types };
  };
  const result = () => ({
    timestamp: job.finishedAt,
    status: hkubeStatuses[job.status],
    timeTook: (job.finishedAt! - job.createdAt) / 1_000,
  });
  return {
    jobId: job.id,
    ...(wanted.includes('pipeline') && { pipeline: await parsed() }),
    ...(wanted.includes('status') && { status: await statusOf(parts, job, V2) }),
    ...(wanted.includes('result') && isEnded(job.status) && { result: result() }),
  };
}
