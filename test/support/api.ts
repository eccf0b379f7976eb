import { createSchema } from '../../schema/schema.js';
import { type Scope, scopes } from '../../src/account.js';
import { type Clock, systemClock } from '../../src/clock.js';
import type { Engine, FeedReader } from '../../src/engine/engine.js';
import type { LoggedEvent } from '../../src/event.js';
import { createGraphql, type RequestFacts } from '../../src/http/graphql.js';
import { type Job, RAW } from '../../src/job.js';
import { NO_LIMITS, type Quotas } from '../../src/limits.js';
import type { Log } from '../../src/log.js';
import type { Store } from '../../src/store.js';
import type { Viewer } from '../../src/viewer.js';
import { fake } from './fake.js';

export const ACCOUNT = {
  id: 'acc_1',
  name: 'default',
  defaultWebhookUrl: null,
  defaultWebhookFormat: 'STANDARD',
  limits: NO_LIMITS,
  createdAt: 0,
} as const;

export function viewer(...allowed: Scope[]): Viewer {
  return { account: ACCOUNT, apiKey: null, scopes: allowed.length > 0 ? allowed : scopes };
}

const UUID = '018f0000-0000-7000-8000-00000000000';

/** A job as the store would give it; `n` is one digit. */
export function job(n: number, changes: Partial<Job> = {}): Job {
  return {
    id: `batch:${UUID}${n}`,
    uuid: `${UUID}${n}`,
    accountId: ACCOUNT.id,
    number: n,
    run: n,
    externalId: null,
    pipelineName: 'batch',
    experimentName: 'main',
    ...RAW,
    status: 'ACTIVE',
    reason: null,
    error: null,
    priority: 3,
    tags: [],
    progress: {
      total: 3,
      succeeded: 2,
      failed: 0,
      skipped: 0,
      active: 1,
      percent: 66.67,
      states: [
        ['succeed', 2],
        ['active', 1],
      ],
    },
    sequence: n,
    position: n,
    createdAt: 1_000,
    startedAt: null,
    finishedAt: null,
    ...changes,
  };
}

/** An event of job `job(1)`. */
export function event(position: number, changes: Partial<LoggedEvent> = {}): LoggedEvent {
  const { id, number, pipelineName, externalId, tags, createdAt, status, progress } = job(1);
  return {
    type: 'JOB_ACTIVE',
    occurredAt: 1_000 + position,
    accountId: ACCOUNT.id,
    position,
    sequence: position,
    job: { id, number, pipelineName, externalId, tags, createdAt },
    facts: { of: 'job', status, progress, error: null, reason: null, startedAt: null, finishedAt: null },
    ...changes,
  };
}

export interface Line {
  level: string;
  facts: Record<string, unknown>;
  message: string;
}

/** A log that keeps its lines. */
export function recordingLog(): Log & { lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (facts: object, message: string) =>
    void lines.push({ level, facts: { ...facts }, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string; path?: string[]; extensions?: Record<string, unknown> }[];
}

export interface Backing {
  store?: Partial<Store>;
  engine?: Partial<Omit<Engine, 'feed'>>;
  feed?: Partial<FeedReader>;
  quotas?: Partial<Quotas>;
  clock?: Clock;
}

export function ports({ store = {}, engine = {}, feed = {} }: Backing): { store: Store; engine: Engine } {
  return {
    store: fake<Store>('store', store),
    engine: fake<Engine>('engine', { ...engine, feed: fake<FeedReader>('feed', feed) }),
  };
}

const schema = createSchema();

/** Asks the API as a transport does, without a network. */
export function api(backing: Backing, as: Viewer = viewer()) {
  const log = recordingLog();
  const graphql = createGraphql({
    schema,
    ...ports(backing),
    quotas: fake<Quotas>('quotas', backing.quotas ?? {}),
    clock: backing.clock ?? systemClock,
    log,
  });
  return {
    log,
    /** `variables` may be JSON text, for what JSON.stringify cannot write. */
    async ask(query: string, variables: Record<string, unknown> | string = {}): Promise<Answer> {
      const text = typeof variables === 'string' ? variables : JSON.stringify(variables);
      const facts: RequestFacts = {
        requestId: 'req-1',
        viewer: as,
        body: `{"query":${JSON.stringify(query)},"variables":${text}}`,
      };
      const response = await graphql.fetch(
        'http://localhost/graphql',
        { method: 'POST', headers: { 'content-type': 'application/json' } },
        facts as never,
      );
      // What an operation costs is told with every answer: test/http/cost.test.ts has that.
      const { extensions: _cost, ...answer } = (await response.json()) as Answer & { extensions?: unknown };
      return answer;
    },
  };
}
