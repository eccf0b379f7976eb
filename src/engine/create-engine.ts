import { checkUrl } from '../destination.js';
import { ProblemError, problem, shown } from '../errors.js';
import type { Job } from '../job.js';
import { limitProblems } from '../limits.js';
import type { AccountPatch } from '../store.js';
import { saveAlgorithm } from './algorithms.js';
import { createApiKey, revokeApiKey } from './api-keys.js';
import { setCron } from './cron.js';
import type { Engine } from './engine.js';
import { createFeedReader } from './feed-reader.js';
import { controlJob } from './job-control.js';
import type { Parts } from './parts.js';
import { deletePipeline, runPipeline, savePipeline } from './pipelines.js';
import { rerunJob } from './rerun.js';
import { settleJob } from './settle.js';
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
  const { store, bus, clock } = parts;
  return {
    submit: (accountId, input) => submit(parts, accountId, input),
    cancelJob: (accountId, jobId, reason) => cancelJob(parts, accountId, jobId, reason),
    pauseJob: (accountId, jobId) => controlJob(parts, accountId, jobId, 'pause'),
    resumeJob: (accountId, jobId) => controlJob(parts, accountId, jobId, 'resume'),
    rerunJob: (accountId, input) => rerunJob(parts, accountId, input),
    savePipeline: (accountId, input) => savePipeline(parts, accountId, input),
    deletePipeline: (accountId, name) => deletePipeline(parts, accountId, name),
    setCron: (accountId, name, cron) => setCron(parts, accountId, name, cron),
    runPipeline: (accountId, request) => runPipeline(parts, accountId, request),
    saveAlgorithm: (accountId, request) => saveAlgorithm(parts, accountId, request),
    async deleteAlgorithm(accountId, name) {
      if (await store.deleteAlgorithm(accountId, name)) return;
      throw problem('NOT_FOUND', `algorithm ${name} Not Found`, ['name']);
    },
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
      if (delivery === 'WEBHOOK_DELETED') {
        throw problem(
          'NOT_ALLOWED_IN_STATE',
          'the webhook of this delivery was deleted, and its secret with it',
          ['id'],
        );
      }
      bus.publish([{ kind: 'deliveries' }]);
      return delivery;
    },

    async updateAccount(accountId, input) {
      const { defaultWebhookUrl: url, defaultWebhookFormat: format, limits } = input;
      if (format !== undefined && !parts.formats.has(format)) {
        throw problem('NOT_SUPPORTED', unsupportedFormat('defaultWebhookFormat', format, parts), [
          'defaultWebhookFormat',
        ]);
      }
      const problems = limitProblems(limits ?? {}, ['limits']);
      if (problems.length > 0) throw new ProblemError(problems);
      const patch: AccountPatch = {
        ...(format && { defaultWebhookFormat: format }),
        ...(limits && { limits }),
      };
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

    createApiKey: (accountId, input) => createApiKey(parts, accountId, input),
    revokeApiKey: (accountId, id) => revokeApiKey(parts, accountId, id),

    algorithms: () =>
      [...parts.algorithms.keys()].sort().map((name) => ({ name, kind: 'MODULE', queue: name })),

    feed: createFeedReader(parts),
  };
}

async function cancelJob(parts: Parts, accountId: string, id: string, given: string | null): Promise<Job> {
  const { store, clock } = parts;
  const reason = given ?? 'stopped due to request';
  if (reason.length > MAX_REASON) {
    throw problem('INVALID', `reason must be at most ${MAX_REASON} characters long, got ${reason.length}`, [
      'reason',
    ]);
  }
  const job = await store.job(accountId, id);
  if (!job) throw problem('NOT_FOUND', `job ${shown(id)} was not found`, ['id']);
  const [accepted] = await settleJob(parts, job.uuid, [{ kind: 'cancel', at: clock.now(), reason }]);
  const now = (await store.job(accountId, id)) ?? job;
  if (accepted) return now;
  throw problem(
    'NOT_ALLOWED_IN_STATE',
    `job ${shown(id)} is ${now.status}: a job that has ended never changes`,
    ['id'],
  );
}
