import { type Progress, progressDetails } from '../src/job.js';
import { builder } from './builder.js';

export const ProgressRef = builder.objectRef<Progress>('Progress').implement({
  description: 'How far a job or a node is. A unit is one item of a batch, or a node that is none.',
  fields: (t) => ({
    percent: t.exposeFloat('percent', {
      description: '0 to 100 with two decimals; never goes back, and is 100 only when every unit has ended.',
    }),
    details: t.string({
      description: 'The same for people: "66.67% completed, 2 succeed, 1 active".',
      resolve: (progress) => progressDetails(progress),
    }),
    total: t.exposeInt('total', { description: 'Number of units known so far.' }),
    succeeded: t.exposeInt('succeeded', { description: 'Units that have succeeded.' }),
    failed: t.exposeInt('failed', { description: 'Units that have failed.' }),
    skipped: t.exposeInt('skipped', { description: 'Units that were skipped.' }),
    active: t.exposeInt('active', { description: 'Units that are running.' }),
  }),
});

interface Failure {
  code: string;
  message: string;
  nodeName: string | null;
  taskId: string | null;
}

export const JobErrorRef = builder.objectRef<Failure>('JobError').implement({
  description: 'Why a job or a task has failed.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'What the algorithm said, or one clear sentence.' }),
    nodeName: t.exposeString('nodeName', {
      nullable: true,
      description: 'The node it happened in; null where it was none.',
    }),
    taskId: t.exposeID('taskId', {
      nullable: true,
      description: 'The task it happened in; null where it was none.',
    }),
    code: t.exposeString('code', {
      description:
        'ALGORITHM_ERROR, ALGORITHM_NOT_FOUND, BATCH_TOLERANCE, EXITED, INPUT_INVALID, INPUT_TOO_LARGE, INTERNAL, LEASE_LOST, NOT_JSON, OUT_OF_MEMORY, RESULT_TOO_LARGE or TIMEOUT.',
    }),
  }),
});
