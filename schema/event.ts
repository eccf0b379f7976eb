import type { EventType, JobFacts, LoggedEvent, TaskFacts, WebhookFacts } from '../src/event.js';
import { eventId } from '../src/event.js';
import { encodeCursor } from '../src/feed.js';
import { parseJobId } from '../src/job.js';
import { batchId, taskId } from '../src/task.js';
import type { WebhookStatus } from '../src/webhook.js';
import { builder } from './builder.js';
import { described } from './enum.js';
import { JobStatusEnum } from './job.js';
import { JobErrorRef, ProgressRef } from './progress.js';
import { EventRef, JobRef, TaskRef, WebhookRef } from './refs.js';
import { TaskStatusEnum } from './task.js';
import { WebhookStatusEnum } from './webhook.js';

export const EventTypeEnum = builder.enumType('EventType', {
  description: 'What happened. In webhook bodies JOB_COMPLETED is "job.completed".',
  values: described<EventType>({
    JOB_PENDING: 'A job was accepted.',
    JOB_ACTIVE: 'A job has started.',
    JOB_PROGRESS: 'The whole percent of a job has changed: at most 100 events a job.',
    JOB_PAUSED: 'A job was paused.',
    JOB_RESUMED: 'A paused job goes on.',
    JOB_COMPLETED: 'A job has ended well; its results can be read.',
    JOB_FAILED: 'A job has ended by an error.',
    JOB_CANCELLED: 'A job was cancelled.',
    TASK_ACQUIRED: 'A worker has started a task.',
    TASK_PROGRESS: 'A task has reported progress.',
    TASK_RETRIED: 'An attempt of a task has failed, and another one follows.',
    TASK_COMPLETED: 'A task has ended well.',
    TASK_FAILED: 'A task has failed for good.',
    TASK_SKIPPED: 'A task was skipped.',
    TASK_CANCELLED: 'A running task was cancelled.',
    WEBHOOK_PING: 'Somebody asked for a test call of a webhook.',
    WEBHOOK_COOLING: 'A webhook timed out and is left alone for 5 minutes. Not emitted yet.',
    WEBHOOK_DISABLED: 'A webhook was turned off. Not emitted yet.',
    WEBHOOK_RECOVERED: 'A webhook answers again. Not emitted yet.',
    DELIVERY_EXHAUSTED: 'A delivery was given up. Not emitted yet.',
  }),
});

EventRef.implement({
  description:
    'Something that happened. Status, progress, attempt and error are those at the event; `job`, `task` and `webhook` are as they are now.',
  resolveType: ({ facts, type }) => {
    if (facts.of === 'job') return type === 'JOB_PROGRESS' ? 'JobProgressed' : 'JobStatusChanged';
    if (facts.of === 'task') return type === 'TASK_PROGRESS' ? 'TaskProgressed' : 'TaskStatusChanged';
    return 'WebhookStatusChanged';
  },
  fields: (t) => ({
    id: t.id({
      description: 'Its id, "evt_…": also the webhook-id of its deliveries.',
      resolve: (event) => eventId(event),
    }),
    type: t.expose('type', { type: EventTypeEnum, description: 'What happened.' }),
    cursor: t.field({
      type: 'Cursor',
      description: 'Its place in the log of the account: resume with `after` this.',
      resolve: ({ accountId, position }) => encodeCursor(accountId, position),
    }),
    occurredAt: t.expose('occurredAt', { type: 'DateTime', description: 'When it happened.' }),
    jobId: t.id({
      nullable: true,
      description: 'The job it is about; null of events about webhooks.',
      resolve: ({ job }) => job?.id,
    }),
    sequence: t.exposeInt('sequence', {
      nullable: true,
      description: 'Its number in its job: 1, 2, 3, … without gaps; null of events about webhooks.',
    }),
    job: t.field({
      authScopes: { scope: 'READ' },
      type: JobRef,
      nullable: true,
      description: 'The job as it is now; null once erased, and of events about webhooks.',
      resolve: ({ job }, _args, { loaders }) => job && loaders.job.load(job.id),
    }),
  }),
});

/** An event whose facts are known to be of one kind. */
type Of<F> = LoggedEvent & { facts: F };

const concrete = <F>(name: string) => builder.objectRef<Of<F>>(name);

concrete<JobFacts>('JobStatusChanged').implement({
  description: 'A job has changed its status.',
  interfaces: [EventRef],
  fields: (t) => ({
    status: t.field({
      type: JobStatusEnum,
      description: 'The status it has got.',
      resolve: ({ facts }) => facts.status,
    }),
    progress: t.field({
      type: ProgressRef,
      description: 'How far it was.',
      resolve: ({ facts }) => facts.progress,
    }),
    error: t.field({
      type: JobErrorRef,
      nullable: true,
      description: 'Why it failed; null where it did not.',
      resolve: ({ facts }) => facts.error,
    }),
    reason: t.string({
      nullable: true,
      description: 'Why it was cancelled; null where it was not, or nobody said.',
      resolve: ({ facts }) => facts.reason,
    }),
  }),
});

concrete<JobFacts>('JobProgressed').implement({
  description: 'The whole percent of a job has changed.',
  interfaces: [EventRef],
  fields: (t) => ({
    progress: t.field({
      type: ProgressRef,
      description: 'How far it was.',
      resolve: ({ facts }) => facts.progress,
    }),
  }),
});

function taskIdOf({ job, facts }: Of<TaskFacts>): string {
  return taskId(parseJobId(job?.id ?? '')?.uuid ?? '', facts);
}

/** What both kinds of task events say. */
const TaskEventRef = builder.interfaceRef<Of<TaskFacts>>('TaskEvent').implement({
  description: 'An event about a task.',
  interfaces: [EventRef],
  fields: (t) => ({
    task: t.field({
      authScopes: { scope: 'READ' },
      type: TaskRef,
      nullable: true,
      description: 'The task as it is now; null once erased.',
      resolve: (event, _args, { store, viewer }) => store.task(viewer.account.id, taskIdOf(event)),
    }),
    taskId: t.id({ description: 'The task it is about.', resolve: taskIdOf }),
    nodeName: t.string({ description: 'The node of the task.', resolve: ({ facts }) => facts.nodeName }),
    batchId: t.string({
      nullable: true,
      description: '"<node>#<item>"; null outside a batch.',
      resolve: ({ facts }) => batchId(facts.nodeName, facts.item),
    }),
  }),
});

concrete<TaskFacts>('TaskStatusChanged').implement({
  description: 'A task has changed its status.',
  interfaces: [TaskEventRef, EventRef],
  fields: (t) => ({
    status: t.field({
      type: TaskStatusEnum,
      description: 'The status it has got.',
      resolve: ({ facts }) => facts.status,
    }),
    attempt: t.int({
      description: 'How many times it had been started.',
      resolve: ({ facts }) => facts.attempt,
    }),
    worker: t.string({
      nullable: true,
      description: 'Who held its lease; null: nobody.',
      resolve: ({ facts }) => facts.worker,
    }),
    leaseExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its lease was to end; null where it had none.',
      resolve: ({ facts }) => facts.leaseExpiresAt,
    }),
    error: t.field({
      type: JobErrorRef,
      nullable: true,
      description: 'Why the attempt failed; null where it did not.',
      resolve: (event) => {
        const { error, nodeName } = event.facts;
        return error && { ...error, nodeName, taskId: taskIdOf(event) };
      },
    }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the next attempt may start; null where none follows.',
      resolve: ({ facts }) => facts.retryAt,
    }),
  }),
});

concrete<TaskFacts>('TaskProgressed').implement({
  description: 'A task has reported progress.',
  interfaces: [TaskEventRef, EventRef],
  fields: (t) => ({
    percent: t.float({
      nullable: true,
      description: 'As the algorithm reported it, 0 to 100; null where it gave a message alone.',
      resolve: ({ facts }) => facts.percent,
    }),
    message: t.string({
      nullable: true,
      description: 'What the algorithm said; null: nothing.',
      resolve: ({ facts }) => facts.message,
    }),
  }),
});

concrete<WebhookFacts>('WebhookStatusChanged').implement({
  description: 'A webhook was pinged, or has changed its status.',
  interfaces: [EventRef],
  fields: (t) => ({
    webhook: t.field({
      authScopes: { scope: 'READ' },
      type: WebhookRef,
      nullable: true,
      description: 'The webhook as it is now; null once deleted.',
      resolve: ({ facts }, _args, { loaders }) => loaders.webhook.load(facts.webhookId),
    }),
    webhookId: t.id({ description: 'The webhook it is about.', resolve: ({ facts }) => facts.webhookId }),
    status: t.field({
      type: WebhookStatusEnum,
      description: 'The status it had then.',
      resolve: ({ facts }) => facts.status as WebhookStatus,
    }),
    reason: t.string({
      nullable: true,
      description: 'Why; null where there is nothing to say.',
      resolve: ({ facts }) => facts.reason,
    }),
  }),
});
