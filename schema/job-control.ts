import type { Job } from '../src/job.js';
import { builder } from './builder.js';
import { JobRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';

// What its owner does to a job that runs, beside cancelJob.

const payload = (name: string, description: string) =>
  payloadType<{ job: Job }>(name, description, (t) => ({
    job: t.field({
      type: JobRef,
      nullable: true,
      description: 'The job as it is now; null where nothing was changed.',
      resolve: ({ job }) => job,
    }),
  }));

const PauseJobInput = builder.inputType('PauseJobInput', {
  description: 'Which job to pause.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of a job that is PENDING or ACTIVE.' }) }),
});

const ResumeJobInput = builder.inputType('ResumeJobInput', {
  description: 'Which job to resume.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Id of a job that is PAUSED.' }) }),
});

const PauseJobPayload = payload('PauseJobPayload', 'What became of pauseJob.');
const ResumeJobPayload = payload('ResumeJobPayload', 'What became of resumeJob.');

builder.mutationFields((t) => ({
  pauseJob: t.field({
    type: PauseJobPayload,
    description:
      'Holds a job: nothing new of it starts until it is resumed, running tasks go on and end. Its time limits stand still. A job that is PAUSED or has ended is NOT_ALLOWED_IN_STATE. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: PauseJobInput, required: true, description: 'Which job.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({ job: await engine.pauseJob(viewer.account.id, input.id) })),
  }),
  resumeJob: t.field({
    type: ResumeJobPayload,
    description:
      'Lets a paused job go on where it was: it is ACTIVE again, or PENDING where nothing of it had started. A job that is not PAUSED is NOT_ALLOWED_IN_STATE. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: ResumeJobInput, required: true, description: 'Which job.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({ job: await engine.resumeJob(viewer.account.id, input.id) })),
  }),
}));
