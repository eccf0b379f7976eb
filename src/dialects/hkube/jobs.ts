import { type Call, Refused } from '../../dialect.js';
import type { Engine } from '../../engine/engine.js';
import { isEnded, type Job, type JobStatus } from '../../job.js';
import type { JobFilter, Store } from '../../store.js';
import { type HkubeJob, hkubeStatuses } from './bodies.js';
import { checkedQuery, invalid } from './checks.js';
import { type HkubeShape, SEED, V2 } from './shape.js';

/** What the routes are made of. */
export interface HkubeParts {
  engine: Engine;
  store: Store;
  /** Milliseconds since 1970. */
  now(): number;
}

/** HKube's sentence for what is not there; the name is the caller's own. */
export function notFound(what: string, name: string): Refused {
  return new Refused(404, `${what} ${name.slice(0, 200)} Not Found`);
}

/** The parameter of a route that HKube leaves optional, to say that it is missing. */
export function required(value: string | undefined, name: string): string {
  if (value === undefined) throw invalid(`data should have required property '${name}'`);
  return value;
}

/** The job that a route names; `what` is not found otherwise. */
export async function namedJob(parts: HkubeParts, call: Call, what: string): Promise<Job> {
  return jobOf(parts, call.accountId, required(call.params['jobId'], 'jobId'), what);
}

export async function jobOf(
  { store }: HkubeParts,
  accountId: string,
  id: string,
  what: string,
): Promise<Job> {
  const job = await store.job(accountId, id);
  if (!job) throw notFound(what, id);
  return job;
}

/** A job as bodies of routes show it: with the time of its newest event. */
export async function jobNow({ store }: HkubeParts, job: Job): Promise<HkubeJob> {
  return { ...jobAt(job, job.finishedAt ?? (await newestEventAt(store, job))) };
}

function jobAt(job: Job, timestamp: number): HkubeJob {
  const { id, pipelineName, status, error, reason, createdAt, startedAt, finishedAt } = job;
  const word = hkubeStatuses[status];
  return {
    jobId: id,
    timestamp,
    pipeline: pipelineName,
    status: word,
    error,
    reason,
    createdAt,
    startedAt,
    finishedAt,
  };
}

/** A log that was cut off behind it tells no time: then the last that the job itself knows. */
async function newestEventAt(
  store: Store,
  { accountId, position, startedAt, createdAt }: Job,
): Promise<number> {
  const { events } = await store.events(accountId, {}, position - 1, 1);
  const [event] = events;
  return event?.position === position ? event.occurredAt : (startedAt ?? createdAt);
}

/** Jobs whose shape is remembered: a descriptor may have megabytes, and clients ask for a status again and again. */
const REMEMBERED = 1_000;

/** The shape that `?format=` names. Who makes his answer piece by piece asks before the first: then it is too late to refuse. */
export function askedShape(query: URLSearchParams): HkubeShape | null {
  const { format } = checkedQuery(query, {
    fields: { format: { type: 'string', oneOf: [SEED.name, V2.name] } },
  });
  if (format === undefined) return null;
  return format === V2.name ? V2 : SEED;
}

/** Which shape an answer has: `?format=`, or that of the job's webhooks. */
export class Shapes {
  private readonly known = new Map<string, HkubeShape>();

  constructor(private readonly store: Store) {}

  async of(job: Job, query: URLSearchParams): Promise<HkubeShape> {
    const asked = askedShape(query);
    if (asked) return asked;
    const found = this.known.get(job.uuid) ?? (await this.read(job));
    this.known.delete(job.uuid);
    this.known.set(job.uuid, found);
    if (this.known.size > REMEMBERED) this.known.delete(this.known.keys().next().value!);
    return found;
  }

  private async read({ accountId, id }: Job): Promise<HkubeShape> {
    const text = await this.store.descriptor(accountId, id);
    const { webhooks } = JSON.parse(text ?? '{}') as { webhooks?: { format?: string } };
    return webhooks?.format === 'HKUBE_V2' ? V2 : SEED;
  }
}

/** Others get their turn: the store answers at once, and reading on would keep them waiting for all of it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const PAGE = 500;

/** Jobs that match, newest or oldest first, `limit` at most; a page is read when it is needed. */
export async function* jobsThat(
  { store }: HkubeParts,
  accountId: string,
  filter: JobFilter,
  { limit, inverted = false, after = null }: { limit: number; inverted?: boolean; after?: string | null },
): AsyncGenerator<Job> {
  let last = after;
  for (let left = limit; left > 0; ) {
    const count = Math.min(left, PAGE);
    const place = inverted ? { after: null, before: last } : { after: last, before: null };
    const page = await store.jobs(accountId, filter, { limit: count, inverted, ...place });
    yield* page;
    if (page.length < count) return;
    await turn();
    last = page.at(-1)!.id;
    left -= count;
  }
}

const byWord = new Map<string, JobStatus>(
  Object.entries(hkubeStatuses).map(([status, word]) => [word, status as JobStatus]),
);

/** What stands between the commas of a text. */
export function listed(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

/** HKube's words as our states; a word that no job of ours has finds nothing. */
export function statusesOf(words: readonly string[]): JobStatus[] {
  return words.flatMap((word) => byWord.get(word) ?? []);
}

export const ENDED = [...byWord.values()].filter(isEnded);
export const OPEN = [...byWord.values()].filter((status) => !isEnded(status));

/** Pieces of JSON as the list that they make. */
export async function* listOf(items: AsyncIterable<string>): AsyncGenerator<string> {
  let first = true;
  for await (const item of items) {
    yield first ? `[${item}` : `,${item}`;
    first = false;
  }
  yield first ? '[]' : ']';
}

/** The same stream, once it is known whether there is anything in it. */
export async function started<T>(items: AsyncGenerator<T>): Promise<AsyncGenerator<T> | null> {
  const first = await items.next();
  if (first.done) return null;
  return (async function* () {
    yield first.value;
    yield* items;
  })();
}
