import { problem } from '../src/errors.js';
import type { Job } from '../src/job.js';
import type { RerunFrom } from '../src/rerun.js';
import { builder } from './builder.js';
import { described } from './enum.js';
import { IDEMPOTENCY_KEY } from './pipeline.js';
import { JobRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';

const RerunFromEnum = builder.enumType('RerunFrom', {
  description: 'Where a job begins when it is run again.',
  values: described<RerunFrom['kind']>({
    START: 'Everything runs.',
    FAILED:
      'Tasks that succeeded are kept, with their results; what failed or did not finish runs, and what depends on it.',
    NODE: 'One node and all that depends on it run, with the results of the job for what else they need; nothing else runs.',
  }),
});

const RerunJobInput = builder.inputType('RerunJobInput', {
  description: 'Which job to run again, and where to begin.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The job: ended, but for START.' }),
    from: t.field({ type: RerunFromEnum, defaultValue: 'START', description: 'Where to begin.' }),
    nodeName: t.string({ description: 'For NODE, and for it alone: the node.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
});

const RerunJobPayload = payloadType<{ job: Job }>('RerunJobPayload', 'What became of rerunJob.', (t) => ({
  job: t.field({
    type: JobRef,
    nullable: true,
    description: 'The new job, or the one that an earlier call with the same key made; null where refused.',
    resolve: (payload) => payload.job,
  }),
}));

const INPUTS = ['id', 'from', 'nodeName', 'idempotencyKey'];

function placeOf({ from, nodeName }: typeof RerunJobInput.$inferInput): RerunFrom {
  const kind = from ?? 'START';
  if (kind === 'NODE') {
    if (typeof nodeName === 'string') return { kind, nodeName };
    throw problem('INVALID', 'nodeName must name the node to begin at where from is NODE, got nothing', [
      'nodeName',
    ]);
  }
  if (typeof nodeName !== 'string') return { kind };
  const message = `nodeName must not be given where from is ${kind}; leave it out, or begin from NODE`;
  throw problem('INVALID', message, ['nodeName']);
}

builder.mutationField('rerunJob', (t) =>
  t.field({
    type: RerunJobPayload,
    description:
      'Runs a job again, as a new job with the same descriptor, webhooks, tags and priority. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: RerunJobInput, required: true, description: 'Which, and from where.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(
        async () => ({
          job: await engine.rerunJob(viewer.account.id, {
            jobId: input.id,
            from: placeOf(input),
            idempotencyKey: input.idempotencyKey ?? null,
            received: input,
          }),
        }),
        // What the checks of a submission refuse lies in the descriptor of the job.
        (path) => (INPUTS.includes(path[0] ?? '') ? path : ['id']),
      ),
  }),
);
