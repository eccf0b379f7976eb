import { hkubeDialect } from '../../src/dialects/hkube/routes.js';
import { fake } from '../support/fake.js';
import type { Things } from '../support/tenant.js';
import { type RouteRow, storedName } from './isolation.table.js';

/** Every dialect there is, for its routes alone. */
export const dialects = [
  hkubeDialect(fake<Parameters<typeof hkubeDialect>[0]>('parts of a dialect', { store: {} as never })),
];

const allJobs = ({ jobs }: Things) => Object.values(jobs);
/** Those that may run again: the others would keep every thread busy. */
const short = ({ jobs }: Things) => [jobs.completed, jobs.last];
const ended = ({ jobs }: Things) => [jobs.completed, jobs.failed, jobs.cancelled];
const pipeline = ({ jobs }: Things) => [jobs.completed.split(':')[0]!];
const stored = ({ jobs }: Things) => [storedName(jobs)];
const algorithm = ({ jobs }: Things) => [jobs.completed.split(':')[0]!.replace(/pipeline$/, 'algorithm')];
const node = (name: string) => ({ nodes: [{ nodeName: 'n', algorithmName: 'noop' }], name });
const CHANGES = 'it would change what others need: its owner is told of in the tests of the routes';
const NEW = 'what is new is told of, and nothing of what was there';

const by = (path: string, x: RouteRow['x'], more: Partial<RouteRow> = {}): RouteRow => ({
  path: (of) => `/api/v1${path}${of}`,
  ...(x && { x }),
  ...more,
});
const list = (path: string): RouteRow => ({ path: () => `/api/v1${path}` });
const post = (path: string, body: (x: string) => object, x?: RouteRow['x'], blind?: string): RouteRow => ({
  path: () => `/api/v1${path}`,
  body,
  ...(x && { x }),
  ...(blind !== undefined && { blind }),
});

export const dialectRows: Record<string, RouteRow> = {
  'POST /api/v1/exec/raw': post('/exec/raw', () => node('p')),
  'POST /api/v1/exec/stored': post('/exec/stored', (name) => ({ name }), stored),
  'POST /api/v1/exec/algorithm': post('/exec/algorithm', (name) => ({ name }), algorithm),
  'POST /api/v1/exec/rerun': post('/exec/rerun', (jobId) => ({ jobId }), short),
  'POST /api/v1/exec/caching': post('/exec/caching', (jobId) => ({ jobId, nodeName: 'n' }), short),
  'POST /api/v1/exec/stop': post(
    '/exec/stop',
    (jobId) => ({ jobId }),
    (of) => [...allJobs(of), ...pipeline(of), of.externalId],
    CHANGES,
  ),
  'POST /api/v1/exec/pause': post('/exec/pause', (jobId) => ({ jobId }), allJobs, CHANGES),
  'POST /api/v1/exec/resume': post('/exec/resume', (jobId) => ({ jobId }), allJobs, CHANGES),
  'GET /api/v1/exec/status/:jobId?': by('/exec/status/', allJobs),
  'GET /api/v1/exec/results/:jobId?': by('/exec/results/', ended),
  'GET /api/v1/exec/pipelines/:jobId?': by('/exec/pipelines/', allJobs),
  'GET /api/v1/exec/pipeline/list': list('/exec/pipeline/list'),
  'GET /api/v1/exec/jobs': list('/exec/jobs?status=pending,active,paused,completed,failed,stopped'),
  'GET /api/v1/exec/auditTrail/:jobId?': by('/exec/auditTrail/', allJobs),
  'GET /api/v1/exec/flowInput/:jobId?': by('/exec/flowInput/', ({ jobs }) => [jobs.completed]),
  'GET /api/v1/exec/tree/:jobId?': by('/exec/tree/', allJobs),
  'GET /api/v1/exec/search': by('/exec/search?fields={"status":true}&cursor=', allJobs),
  'POST /api/v1/exec/search': post(
    '/exec/search',
    (pipelineName) => ({ query: { pipelineName }, fields: { jobId: true } }),
    pipeline,
  ),
  'GET /api/v1/pipelines/results': by('/pipelines/results?name=', pipeline),
  'GET /api/v1/pipelines/status': by('/pipelines/status?name=', pipeline),
  'GET /api/v1/pipelines/triggers/tree': by('/pipelines/triggers/tree?name=', stored, {
    blind: 'a pipeline without triggers is in no tree',
  }),
  'GET /api/v1/cron/results': by('/cron/results?name=', stored, {
    blind: 'nothing of it has run by the clock',
  }),
  'GET /api/v1/cron/status': by('/cron/status?name=', stored, {
    blind: 'nothing of it has run by the clock',
  }),
  'GET /api/v1/cron/list': list('/cron/list'),
  'POST /api/v1/cron/start': post('/cron/start', (name) => ({ name }), stored, CHANGES),
  'POST /api/v1/cron/stop': post('/cron/stop', (name) => ({ name }), stored, CHANGES),
  'GET /api/v1/store/pipelines': list('/store/pipelines'),
  'GET /api/v1/store/pipelines/:name': by('/store/pipelines/', stored),
  'POST /api/v1/store/pipelines': post('/store/pipelines?overwrite=true', node, undefined, NEW),
  'PUT /api/v1/store/pipelines': post('/store/pipelines', node, stored, CHANGES),
  'DELETE /api/v1/store/pipelines/:name': by('/store/pipelines/', stored, { blind: CHANGES }),
  'GET /api/v1/store/algorithms': list('/store/algorithms'),
  'GET /api/v1/store/algorithms/:name': by('/store/algorithms/', algorithm),
  'POST /api/v1/store/algorithms': post(
    '/store/algorithms?overwrite=true',
    () => ({ name: 'mine' }),
    undefined,
    NEW,
  ),
  'PUT /api/v1/store/algorithms': post('/store/algorithms', (name) => ({ name }), algorithm, CHANGES),
  'POST /api/v1/store/algorithms/apply': post(
    '/store/algorithms/apply',
    () => ({ name: 'mine' }),
    undefined,
    NEW,
  ),
  'DELETE /api/v1/store/algorithms/:name': by('/store/algorithms/', algorithm, { blind: CHANGES }),
  'GET /api/v1/graph/raw/:jobId?': by('/graph/raw/', allJobs),
  'GET /api/v1/graph/parsed/:jobId?': by('/graph/parsed/', allJobs),
  'GET /api/v1/webhooks/status/:jobId?': by('/webhooks/status/', ({ jobs }) => [jobs.completed]),
  'GET /api/v1/webhooks/results/:jobId?': by('/webhooks/results/', ({ jobs }) => [jobs.completed]),
  'GET /api/v1/webhooks/list/:jobId?': by('/webhooks/list/', ({ jobs }) => [jobs.completed]),
};
