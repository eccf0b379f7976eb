import { STATUS_CODES } from 'node:http';
import type { AttemptOutcome, Delivery, DeliverySource } from '../../delivery.js';
import type { Call, Route } from '../../dialect.js';
import type { LoggedEvent } from '../../event.js';
import { hkubeStatuses } from './bodies.js';
import { type HkubeParts, notFound, required } from './jobs.js';

/** `GET /webhooks/…`: what became of the last call to each of a job's two URLs. */
export function webhookRoutes(parts: HkubeParts): Route[] {
  const get = (path: string, run: (call: Call, jobId: string) => Promise<object>): Route => ({
    method: 'GET',
    path: `${path}/:jobId?`,
    scope: 'READ',
    run: async (call) => ({ json: await run(call, required(call.params['jobId'], 'jobId')) }),
  });
  const one = (source: DeliverySource) => async (call: Call, jobId: string) => {
    const record = await recordOf(parts, call.accountId, jobId, source);
    if (!record) throw notFound('webhook', jobId);
    return record;
  };
  return [
    get('/webhooks/status', one('JOB_PROGRESS')),
    get('/webhooks/results', one('JOB_RESULT')),
    get('/webhooks/list', async ({ accountId }, jobId) => {
      const [result, progress] = await Promise.all([
        recordOf(parts, accountId, jobId, 'JOB_RESULT'),
        recordOf(parts, accountId, jobId, 'JOB_PROGRESS'),
      ]);
      if (!result && !progress) throw notFound('webhook', jobId);
      return { jobId, result, progress };
    }),
  ];
}

/** The delivery that was tried last, or else the newest that waits; null where the job names no such URL. */
async function recordOf(
  { store, now }: HkubeParts,
  accountId: string,
  jobId: string,
  source: DeliverySource,
): Promise<object | null> {
  const newest = { limit: 1, after: null, before: null, inverted: true };
  const find = async (attempted: boolean) => {
    const filter = { jobId, sources: [source], ...(attempted && { attempted }) };
    return (await store.deliveries(accountId, filter, newest, now()))[0];
  };
  const delivery = (await find(true)) ?? (await find(false));
  if (!delivery) return null;
  const attempt = (await store.attempts(accountId, delivery.id)).at(-1);
  const { events } = await store.events(accountId, {}, delivery.eventPosition - 1, 1);
  const head = { jobId, url: delivery.url, pipelineStatus: statusOf(events[0], delivery) };
  if (!attempt) return { ...head, status: 'pending', timestamp: events[0]?.occurredAt ?? null };
  return {
    ...head,
    status: OPEN.includes(delivery.status) ? 'pending' : 'completed',
    responseStatus: attempt.outcome === 'DELIVERED' ? 'succeed' : 'failed',
    httpResponse: answerOf(attempt),
    timestamp: attempt.startedAt + attempt.durationMs,
  };
}

/** Still to be tried. */
const OPEN: readonly string[] = ['PENDING', 'IN_FLIGHT', 'RETRYING', 'HELD'];

function statusOf(event: LoggedEvent | undefined, { eventPosition }: Delivery): string | null {
  if (event?.position !== eventPosition || event.facts.of !== 'job') return null;
  return event.type === 'JOB_RESUMED' ? 'resumed' : hkubeStatuses[event.facts.status];
}

/** Without an answer HKube gives the code of the error of its client. */
const codes: Partial<Record<AttemptOutcome, [code: string, text: string]>> = {
  TIMEOUT: ['ETIMEDOUT', 'the receiver did not answer in time'],
  DNS_ERROR: ['ENOTFOUND', "the receiver's name was not found"],
  CONNECTION_ERROR: ['ECONNREFUSED', 'the receiver could not be reached'],
  TLS_ERROR: ['EPROTO', 'no secure connection to the receiver could be made'],
  BLOCKED_DESTINATION: ['EHOSTUNREACH', 'calls to this address are not allowed'],
};

function answerOf({ statusCode, outcome }: { statusCode: number | null; outcome: AttemptOutcome }): object {
  if (statusCode !== null) return { statusCode, statusMessage: STATUS_CODES[statusCode] ?? '' };
  const [code, text] = codes[outcome] ?? [outcome, 'the call failed'];
  return { statusCode: code, statusMessage: text };
}
