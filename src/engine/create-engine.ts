import { createHash } from 'node:crypto';
import { advance } from '../advance.js';
import { checkUrl } from '../destination.js';
import { problem, shown } from '../errors.js';
import { isEnded, type Job, parseJobId } from '../job.js';
import type { Engine } from './engine.js';
import { createFeedReader } from './feed-reader.js';
import type { Parts } from './parts.js';
import { publish } from './publish.js';
import { submit, unsupportedFormat } from './submit.js';
import {
  deleteWebhook,
  newSecret,
  pingWebhook,
  registerWebhook,
  rotateWebhookSecret,
  updateWebhook,
} from './webhooks.js';

const MAX_REASON = 1_000;

/** The use-cases over one set of parts. */
export function createEngine(parts: Parts): Engine {
  const { store, bus, clock, ids } = parts;
  return {
    submit: (accountId, input) => submit(parts, accountId, input),
    cancelJob: (accountId, jobId, reason) => cancelJob(parts, accountId, jobId, reason),
    registerWebhook: (accountId, input) => registerWebhook(parts, accountId, input),
    updateWebhook: (accountId, id, input) => updateWebhook(parts, accountId, id, input),
    deleteWebhook: (accountId, id) => deleteWebhook(parts, accountId, id),
    rotateWebhookSecret: (accountId, id, secret) => rotateWebhookSecret(parts, accountId, id, secret),
    pingWebhook: (accountId, id) => pingWebhook(parts, accountId, id),

    async resendDelivery(accountId, id) {
      const delivery = await store.resend(accountId, id, clock.now());
      if (delivery === null) throw problem('NOT_FOUND', `delivery ${shown(id)} was not found`, ['id']);
      if (delivery === 'IN_FLIGHT') {
        throw problem(
          'NOT_ALLOWED_IN_STATE',
          'this delivery is being sent right now; wait for its attempt to end',
          ['id'],
        );
      }
      bus.publish([{ kind: 'deliveries' }]);
      return delivery;
    },

    async updateAccount(accountId, input) {
      const { defaultWebhookUrl: url, defaultWebhookFormat: format } = input;
      if (format !== undefined && !parts.formats.has(format)) {
        throw problem('NOT_SUPPORTED', unsupportedFormat('defaultWebhookFormat', format, parts), [
          'defaultWebhookFormat',
        ]);
      }
      const patch: Parameters<typeof store.updateAccount>[1] =
        format === undefined ? {} : { defaultWebhookFormat: format };
      if (url === null) Object.assign(patch, { defaultWebhookUrl: null, defaultWebhookUrlKey: null });
      if (typeof url === 'string') {
        const verdict = checkUrl(url, parts.policy);
        if ('problem' in verdict) {
          throw problem('FORBIDDEN_DESTINATION', `defaultWebhookUrl ${verdict.problem}`, [
            'defaultWebhookUrl',
          ]);
        }
        Object.assign(patch, { defaultWebhookUrl: verdict.url, defaultWebhookUrlKey: verdict.urlKey });
      }
      return (await store.updateAccount(accountId, patch, clock.now()))!;
    },

    async rotateAccountWebhookSecret(accountId) {
      const secret = newSecret(parts);
      await store.rotateAccountSecret(accountId, secret);
      return secret;
    },

    async createApiKey(accountId, { name, scopes, expiresAt }) {
      const key = ids.random('car');
      const hash = hashKey(key);
      const prefix = key.slice(0, 10);
      const apiKey = await store.createApiKey(accountId, {
        name,
        prefix,
        hash,
        scopes,
        expiresAt,
        at: clock.now(),
      });
      return { apiKey, key };
    },

    algorithms: () =>
      [...parts.algorithms.keys()].sort().map((name) => ({ name, kind: 'MODULE', queue: name })),

    feed: createFeedReader(parts),
  };
}

/** What is stored of a key. It has 124 bits of its own, so a fast hash is enough. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

async function cancelJob(
  { store, bus, clock }: Parts,
  accountId: string,
  id: string,
  given: string | null,
): Promise<Job> {
  const reason = given ?? 'stopped due to request';
  if (reason.length > MAX_REASON) {
    throw problem('INVALID', `reason must be at most ${MAX_REASON} characters long, got ${reason.length}`, [
      'reason',
    ]);
  }
  const job = await store.job(accountId, id);
  if (!job) throw problem('NOT_FOUND', `job ${shown(id)} was not found`, ['id']);
  const jobUuid = parseJobId(id)!.uuid;
  const settled = await store.settle(
    { jobUuid, outcomes: [{ kind: 'cancel', at: clock.now(), reason }] },
    advance,
  );
  publish(bus, settled.committed);
  const now = (await store.job(accountId, id)) ?? job;
  if (settled.accepted[0]) return now;
  const why = isEnded(now.status) ? 'has ended and never changes' : 'cannot be cancelled';
  throw problem('NOT_ALLOWED_IN_STATE', `job ${shown(id)} is ${now.status}: it ${why}`, ['id']);
}
