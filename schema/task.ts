import { resolveInput, sourceBytes } from '../src/reference.js';
import { batchId, type TaskStatus } from '../src/task.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';
import { jsonLength } from './content.js';
import { described } from './enum.js';
import { JobErrorRef } from './progress.js';
import { JobRef, TaskRef } from './refs.js';

/** Parsing and printing more would hold up everybody else for longer than 10 ms. */
const MAX_SHOWN_BYTES = 1024 * 1024;

function tooLong(got: number | 'more'): Error {
  return apiError('LIMIT_REACHED', `input is shown up to ${MAX_SHOWN_BYTES} bytes of JSON, got ${got}`);
}

export const TaskStatusEnum = builder.enumType('TaskStatus', {
  description: 'Where a task stands.',
  values: described<TaskStatus>({
    WAITING: 'Waits for its node, or for the time of its next attempt.',
    READY: 'Can be leased.',
    ACTIVE: 'Under lease.',
    SUCCEEDED: 'Ended well.',
    FAILED: 'Ended by an error, with no attempt left.',
    SKIPPED: 'Its node had nothing to do.',
    CANCELLED: 'The job ended before it did.',
  }),
});

builder.node(TaskRef, {
  description: 'One execution unit of a node: one item of its batch, or the node itself.',
  id: { resolve: (task) => task.id },
  loadOne: (id, { store, viewer }) => store.task(viewer.account.id, id),
  fields: (t) => ({
    job: t.field({
      authScopes: { scope: 'READ' },
      type: JobRef,
      description: 'The job it belongs to.',
      resolve: async ({ jobId }, _args, { loaders }) => {
        const job = await loaders.job.load(jobId);
        if (!job) throw apiError('NOT_FOUND', `the job "${jobId}" is gone`);
        return job;
      },
    }),
    nodeName: t.exposeString('nodeName', { description: 'The node it is of.' }),
    algorithmName: t.exposeString('algorithmName', {
      description: 'The algorithm it runs; of a node of kind pipeline, the stored pipeline.',
    }),
    batchIndex: t.int({
      nullable: true,
      description: 'Its item in the batch, from 1; null outside a batch.',
      resolve: ({ item }) => (item === 0 ? null : item),
    }),
    batchId: t.string({
      nullable: true,
      description: '"<node>#<item>", such as "green#1"; null outside a batch.',
      resolve: ({ nodeName, item }) => batchId(nodeName, item),
    }),
    status: t.expose('status', { type: TaskStatusEnum, description: 'Where it stands.' }),
    attempt: t.exposeInt('attempt', { description: 'How many times it has been started: 0, 1, 2, …' }),
    input: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      nullable: true,
      description:
        'What the algorithm gets: an array, with references resolved; null where it is not known yet. Above 1 MiB of JSON it is not shown: LIMIT_REACHED.',
      resolve: async ({ id }, _args, { store, viewer, content }) => {
        const read = async () => {
          const source = await store.inputSource(viewer.account.id, id);
          if (!source) return { input: null, length: 0 };
          const bytes = source.oversize ?? sourceBytes(source);
          if (bytes > MAX_SHOWN_BYTES) throw tooLong(bytes);
          const input = resolveInput(source);
          // One result may be referred to a thousand times.
          const length = jsonLength(input, MAX_SHOWN_BYTES);
          if (length > MAX_SHOWN_BYTES) throw tooLong('more');
          return { input, length };
        };
        return (await content.read(read, ({ length }) => length)).input;
      },
    }),
    result: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      nullable: true,
      description: 'What the algorithm returned; null where it has not succeeded, or returned null.',
      resolve: async ({ id, status }, _args, { store, viewer, content }) => {
        if (status !== 'SUCCEEDED') return null;
        const text = await content.read(
          () => store.taskResult(viewer.account.id, id),
          (read) => read?.length ?? 0,
        );
        return text === null ? null : (JSON.parse(text) as unknown);
      },
    }),
    error: t.field({
      type: JobErrorRef,
      nullable: true,
      description: 'Why its last attempt failed; null where it did not.',
      resolve: ({ error, nodeName, id }) => error && { ...error, nodeName, taskId: id },
    }),
    percent: t.exposeFloat('percent', {
      nullable: true,
      description: 'As the algorithm reported it, 0 to 100; null where it did not.',
    }),
    worker: t.exposeString('worker', {
      nullable: true,
      description:
        'Who holds, or last held, its lease; null: nobody yet. Of a node of kind pipeline, the id of the job that it runs.',
    }),
    leaseExpiresAt: t.expose('leaseExpiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its lease ends unless it is extended; null where it has none.',
    }),
    queuedAt: t.expose('queuedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was made.',
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its current or last attempt started; null: not yet.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null: not yet.',
    }),
  }),
});

export const TaskConnection = builder.connectionObject(
  { type: TaskRef, name: 'TaskConnection', description: 'A page of tasks.' },
  { name: 'TaskEdge', description: 'A task and its place.' },
);

export const TaskFilterInput = builder.inputType('TaskFilter', {
  description: 'Which tasks: those that match every field given.',
  fields: (t) => ({
    statuses: t.field({ type: [TaskStatusEnum], description: 'In one of these states.' }),
    nodeNames: t.stringList({ description: 'Of one of these nodes.' }),
  }),
});
