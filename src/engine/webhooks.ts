import type { DeliveryAttempt } from '../delivery.js';
import { checkUrl } from '../destination.js';
import { type Problem, ProblemError, problem, shown } from '../errors.js';
import { jobStatusEvents } from '../event.js';
import { generateSecret, secretProblem } from '../secret.js';
import type { WebhookPatch } from '../store.js';
import { headerProblem, type Webhook } from '../webhook.js';
import type { WebhookInput } from './engine.js';
import type { Parts } from './parts.js';
import { publish } from './publish.js';
import { unsupportedFormat } from './submit.js';

const SECRET_BYTES = 32;
const MIN_TIMEOUT_MS = 100;
/** Twice this, and some, is the lease of a lane: an attempt always ends before its lease does. */
export const MAX_TIMEOUT_MS = 30_000;
const MAX_HEADERS = 20;
const MAX_WEBHOOKS_LIST = 100;
const PING_LEASE_MS = 90_000;

export function newSecret(parts: Parts): string {
  return generateSecret(parts.ids.bytes(SECRET_BYTES));
}

export async function registerWebhook(
  parts: Parts,
  accountId: string,
  input: WebhookInput,
): Promise<{ webhook: Webhook; secret: string }> {
  const { url, urlKey, ...rest } = checked(parts, input);
  const secret = input.secret ?? newSecret(parts);
  const webhook = await parts.store.registerWebhook({
    accountId,
    url: url!,
    urlKey: urlKey!,
    description: rest.description ?? null,
    events: rest.events ?? [...jobStatusEvents],
    pipelines: rest.pipelines ?? [],
    format: rest.format ?? 'STANDARD',
    headers: rest.headers ?? [],
    timeoutMs: rest.timeoutMs ?? input.timeoutMs,
    maxPerSecond: rest.maxPerSecond ?? null,
    enabled: rest.enabled ?? true,
    secret,
    at: parts.clock.now(),
  });
  return { webhook, secret };
}

export async function updateWebhook(
  parts: Parts,
  accountId: string,
  id: string,
  input: Partial<WebhookInput>,
): Promise<Webhook> {
  if (!(await parts.store.webhook(accountId, id))) throw unknown(id);
  const patch = checked(parts, input);
  const webhook = await parts.store.updateWebhook(accountId, id, patch, parts.clock.now());
  if (!webhook) throw unknown(id);
  // Enabling makes what was held due; whoever sends must hear of it.
  parts.bus.publish([{ kind: 'deliveries' }]);
  return webhook;
}

export async function deleteWebhook(parts: Parts, accountId: string, id: string): Promise<void> {
  if (!(await parts.store.deleteWebhook(accountId, id, parts.clock.now()))) throw unknown(id);
}

export async function rotateWebhookSecret(
  parts: Parts,
  accountId: string,
  id: string,
  given: string | null,
): Promise<{ webhook: Webhook; secret: string }> {
  const wrong = given === null ? null : secretProblem(given);
  if (wrong !== null) throw problem('INVALID', `secret ${wrong}`, ['secret']);
  const secret = given ?? newSecret(parts);
  const webhook = await parts.store.rotateWebhookSecret(accountId, id, secret);
  if (!webhook) throw unknown(id);
  return { webhook, secret };
}

/** Sends one WEBHOOK_PING and waits for what becomes of it. */
export async function pingWebhook(parts: Parts, accountId: string, id: string): Promise<DeliveryAttempt> {
  const ping = await parts.store.startPing(accountId, id, PING_LEASE_MS, parts.clock.now());
  if (!ping) throw unknown(id);
  publish(parts.bus, ping.committed);
  const record = await parts.send(ping.due);
  await parts.store.recordAttempt(record, parts.ids.fraction(), parts.clock.now());
  parts.bus.publish([
    { kind: 'attempt', accountId, webhookId: id, deliveryId: record.deliveryId, number: record.number },
  ]);
  const attempts = await parts.store.attempts(accountId, record.deliveryId);
  return attempts.at(-1)!;
}

function unknown(id: string): ProblemError {
  return problem('NOT_FOUND', `webhook ${shown(id)} was not found`, ['id']);
}

/** Every bound of a webhook, for a new one and for a change alike; undefined means: not named. */
function checked(parts: Parts, input: Partial<WebhookInput>): WebhookPatch {
  const problems: Problem[] = [];
  const refuse = (field: string, message: string, code: Problem['code'] = 'INVALID') =>
    problems.push({ code, message: `${field} ${message}`, path: [field] });
  const patch: WebhookPatch = {};

  if (input.url !== undefined) {
    const verdict = checkUrl(input.url, parts.policy);
    if ('problem' in verdict) refuse('url', verdict.problem, 'FORBIDDEN_DESTINATION');
    else Object.assign(patch, verdict);
  }
  if (input.events) {
    if (input.events.length === 0)
      refuse(
        'events',
        'must name at least one event type, got none; leave it out for the status changes of jobs',
      );
    patch.events = [...new Set(input.events)];
  }
  if (input.pipelines) {
    if (input.pipelines.length > MAX_WEBHOOKS_LIST)
      refuse('pipelines', `must be at most ${MAX_WEBHOOKS_LIST} names, got ${input.pipelines.length}`);
    patch.pipelines = input.pipelines;
  }
  if (input.format !== undefined) {
    if (!parts.formats.has(input.format)) {
      problems.push({
        code: 'NOT_SUPPORTED',
        message: unsupportedFormat('format', input.format, parts),
        path: ['format'],
      });
    }
    patch.format = input.format;
  }
  if (input.description !== undefined) {
    if ((input.description?.length ?? 0) > 1_000)
      refuse('description', `must be at most 1000 characters long, got ${input.description?.length}`);
    patch.description = input.description;
  }
  if (input.headers !== undefined) {
    if (input.headers.length > MAX_HEADERS)
      refuse('headers', `must be at most ${MAX_HEADERS}, got ${input.headers.length}`);
    for (const header of input.headers) {
      const wrong = headerProblem(header);
      if (wrong !== null) refuse('headers', wrong);
    }
    patch.headers = input.headers;
  }
  if (input.secret) {
    const wrong = secretProblem(input.secret);
    if (wrong !== null) refuse('secret', wrong);
  }
  if (input.timeoutMs !== undefined) {
    if (input.timeoutMs < MIN_TIMEOUT_MS || input.timeoutMs > MAX_TIMEOUT_MS) {
      refuse('timeoutMs', `must be from ${MIN_TIMEOUT_MS} to ${MAX_TIMEOUT_MS}, got ${input.timeoutMs}`);
    }
    patch.timeoutMs = input.timeoutMs;
  }
  if (input.maxPerSecond !== undefined) {
    // A limit that is kept but not held would be worse than none.
    if (input.maxPerSecond !== null)
      refuse('maxPerSecond', 'is not supported yet; leave it out', 'NOT_SUPPORTED');
    patch.maxPerSecond = input.maxPerSecond;
  }
  if (input.enabled !== undefined) patch.enabled = input.enabled;
  if (problems.length > 0) throw new ProblemError(problems);
  return patch;
}
