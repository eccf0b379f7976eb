import { encodeCursor } from '../src/feed.js';
import type { Job, JobStatus, JobType } from '../src/job.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';
import { connection } from './connection.js';
import { DeliveryConnection } from './delivery.js';
import { described } from './enum.js';
import { EventTypeEnum } from './event.js';
import { EventConnection, jobEventPage } from './feed.js';
import { given } from './input.js';
import { JobErrorRef, ProgressRef } from './progress.js';
import { DeliveryRef, JobNodeRef, JobRef, ResultRef, TaskRef } from './refs.js';
import { resultPage } from './result.js';
import { TaskConnection, TaskFilterInput } from './task.js';
import { attempt, payloadType } from './user-error.js';

export const JobStatusEnum = builder.enumType('JobStatus', {
  description:
    'PENDING, then ACTIVE, then one of the three ends; PAUSED in between, as often as its owner likes. An ended job never changes.',
  values: described<JobStatus>({
    PENDING: 'Accepted; nothing of it has started.',
    ACTIVE: 'Running.',
    PAUSED: 'Held by its owner: nothing new of it starts.',
    COMPLETED: 'Ended well; its results can be read.',
    FAILED: 'Ended by an error.',
    CANCELLED: 'Ended by its owner, or by a time limit of its own.',
  }),
});

const JobTypeEnum = builder.enumType('JobType', {
  description: "How a job came about: HKube's types, in capitals.",
  values: {
    RAW: { value: 'raw', description: 'A descriptor was submitted.' },
    STORED: { value: 'stored', description: 'A stored pipeline was run.' },
    ALGORITHM: { value: 'algorithm', description: 'A single algorithm was run.' },
    NODE: { value: 'node', description: 'A job was run again from one of its nodes on.' },
    RERUN: { value: 'rerun', description: 'A job was run again.' },
    CRON: { value: 'cron', description: 'The clock ran a stored pipeline.' },
    TRIGGER: { value: 'trigger', description: 'The end of another job ran a stored pipeline.' },
    SUB_PIPELINE: { value: 'sub-pipeline', description: 'A task of another job has started it.' },
  } satisfies Record<string, { value: JobType; description: string }>,
});

export const JobConnection = builder.connectionObject(
  { type: JobRef, name: 'JobConnection', description: 'A page of jobs.' },
  { name: 'JobEdge', description: 'A job and its place.' },
);

builder.node(JobRef, {
  description: 'One run of a pipeline.',
  id: { resolve: (job) => job.id },
  loadOne: (id, { loaders }) => loaders.job.load(id),
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Counts the jobs of the account, from 1.' }),
    run: t.exposeInt('run', { description: 'Counts the runs of the pipeline of this name, from 1.' }),
    externalId: t.exposeString('externalId', {
      nullable: true,
      description: 'What the client calls it; null where it did not say.',
    }),
    types: t.expose('types', {
      type: [JobTypeEnum],
      description: 'How it came about; one that has several reasons has several types.',
    }),
    pipelineName: t.exposeString('pipelineName', { description: 'The name in the descriptor.' }),
    descriptor: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      description: 'The descriptor as executed, with defaults filled in.',
      resolve: async ({ id }, _args, { store, viewer, content }) => {
        const text = await content.read(
          () => store.descriptor(viewer.account.id, id),
          (read) => read?.length ?? 0,
        );
        if (text === null) throw apiError('NOT_FOUND', `the job "${id}" is gone`);
        return JSON.parse(text) as unknown;
      },
    }),
    rerunOf: t.field({
      authScopes: { scope: 'READ' },
      type: JobRef,
      nullable: true,
      description: 'The job that it runs again; null where it runs none, or that one is gone.',
      resolve: ({ rerunOfId }, _args, { loaders }) =>
        rerunOfId === null ? null : loaders.job.load(rerunOfId),
    }),
    status: t.expose('status', { type: JobStatusEnum, description: 'Where it stands.' }),
    reason: t.exposeString('reason', {
      nullable: true,
      description: 'Why it was cancelled; null where it was not, or nobody said.',
    }),
    error: t.expose('error', {
      type: JobErrorRef,
      nullable: true,
      description: 'Why it failed; null where it did not.',
    }),
    priority: t.exposeInt('priority', { description: '1 to 5; 5 goes first.' }),
    tags: t.exposeStringList('tags', { description: 'Words to find it by.' }),
    progress: t.expose('progress', { type: ProgressRef, description: 'How far it is.' }),
    nodes: t.field({
      authScopes: { scope: 'READ' },
      type: [JobNodeRef],
      description: 'Its nodes, in the order of the descriptor.',
      resolve: ({ id }, _args, { store, viewer }) => store.nodes(viewer.account.id, id),
    }),
    tasks: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: TaskRef,
        description:
          'Its tasks, in the order of nodes and batches. Those of a large batch show up as they are made.',
        args: { filter: t.arg({ type: TaskFilterInput, description: 'Only tasks that match.' }) },
        resolve: ({ id }, { filter, ...args }, { store, viewer }) =>
          connection(args, (page) => store.tasks(viewer.account.id, id, given(filter), page)),
      },
      TaskConnection,
    ),
    results: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: ResultRef,
        description:
          'The results: of each leaf node and each with includeInResults, by node and batch. A page holds at most 1 MiB (or one result), so it may be shorter than asked for: see `pageInfo.hasNextPage`.',
        resolve: ({ id }, args, context) => resultPage(id, args, context),
      },
      { name: 'ResultConnection', description: 'A page of results.' },
      { name: 'ResultEdge', description: 'A result and its place.' },
    ),
    events: t.field({
      authScopes: { scope: 'READ' },
      type: EventConnection,
      description: 'Its events, oldest first.',
      args: {
        first: t.arg.int({ description: 'At most this many: 0 to 100, 50 where not given.' }),
        after: t.arg({ type: 'Cursor', description: 'Only events after this place.' }),
        types: t.arg({ type: [EventTypeEnum], description: 'Only these types; all where not given.' }),
      },
      resolve: (job, args, context) => jobEventPage(job, args, context),
    }),
    deliveries: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: DeliveryRef,
        description: 'Webhook deliveries of its events, oldest first.',
        resolve: ({ id }, args, { store, viewer, now }) =>
          connection(args, (page) => store.deliveries(viewer.account.id, { jobId: id }, page, now())),
      },
      DeliveryConnection,
    ),
    cursor: t.field({
      type: 'Cursor',
      description: 'The place of its newest event: `jobEvents(after:)` goes on from here.',
      resolve: (job) => encodeCursor(job.accountId, job.position),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was submitted.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its first task started; null: not yet.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null: not yet.',
    }),
  }),
});

export const JobFilterInput = builder.inputType('JobFilter', {
  description: 'Which jobs: those that match every field given.',
  fields: (t) => ({
    statuses: t.field({ type: [JobStatusEnum], description: 'In one of these states.' }),
    pipelines: t.stringList({ description: 'Of one of these pipelines, by name.' }),
    tags: t.stringList({ description: 'With one of these tags.' }),
    externalId: t.string({ description: 'With exactly this external id.' }),
    createdAfter: t.field({ type: 'DateTime', description: 'Submitted after this time.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Submitted before this time.' }),
  }),
});

builder.queryFields((t) => ({
  job: t.field({
    type: JobRef,
    nullable: true,
    description: 'The job with this id; null where it does not exist or belongs to another account.',
    authScopes: { scope: 'READ' },
    args: { id: t.arg.id({ required: true, description: 'Its id, "<pipeline>:<uuid>".' }) },
    resolve: (_root, { id }, { loaders }) => loaders.job.load(id),
  }),
  jobs: t.connection(
    {
      type: JobRef,
      description: 'Jobs, newest first.',
      authScopes: { scope: 'READ' },
      args: { filter: t.arg({ type: JobFilterInput, description: 'Only jobs that match.' }) },
      resolve: (_root, { filter, ...args }, { store, viewer }) =>
        connection(args, (page) => store.jobs(viewer.account.id, given(filter), page)),
    },
    JobConnection,
  ),
}));

const CancelJobInput = builder.inputType('CancelJobInput', {
  description: 'Which job to cancel, and why.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Id of a job that has not ended.' }),
    reason: t.string({ description: 'Why, for everyone who reads the job: at most 1,000 characters.' }),
  }),
});

const CancelJobPayload = payloadType<{ job: Job }>('CancelJobPayload', 'What became of cancelJob.', (t) => ({
  job: t.field({
    type: JobRef,
    nullable: true,
    description: 'The job as it is now; null where nothing was changed.',
    resolve: (payload) => payload.job,
  }),
}));

builder.mutationField('cancelJob', (t) =>
  t.field({
    type: CancelJobPayload,
    description:
      'Ends a job: nothing new of it starts, and running tasks are stopped. A job that has ended is NOT_ALLOWED_IN_STATE. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: CancelJobInput, required: true, description: 'Which job, and why.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({
        job: await engine.cancelJob(viewer.account.id, input.id, input.reason ?? null),
      })),
  }),
);

const MAX_INTERVAL_MS = 3_600_000;

builder.subscriptionField('job', (t) =>
  t.field({
    type: JobRef,
    description:
      'The job as it is now and each time it changes: for progress bars. Changes within the interval are shown as one; the final state is always shown, and then it completes. For every single event take `jobEvents`.',
    authScopes: { scope: 'READ' },
    args: {
      id: t.arg.id({ required: true, description: 'Its id; NOT_FOUND where there is no such job.' }),
      intervalMs: t.arg.int({
        required: true,
        defaultValue: 250,
        description: `Least milliseconds between two answers: 0 to ${MAX_INTERVAL_MS}.`,
      }),
    },
    subscribe: (_root, { id, intervalMs }, { engine, viewer }) => {
      if (intervalMs < 0 || intervalMs > MAX_INTERVAL_MS) {
        throw apiError('BAD_USER_INPUT', `intervalMs must be 0 to ${MAX_INTERVAL_MS}, got ${intervalMs}`);
      }
      return engine.feed.job(viewer.account.id, id, intervalMs);
    },
    resolve: (job) => job,
  }),
);
