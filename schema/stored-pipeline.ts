import type { Job } from '../src/job.js';
import {
  MAX_PIPELINES,
  MAX_VERSIONS,
  type Pipeline,
  type PipelineVersion,
  type SaveMode,
} from '../src/pipeline.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';
import { connection, emptyConnection, keyedConnection } from './connection.js';
import type { Context } from './context.js';
import { PipelineOptionsInput } from './descriptor.js';
import { given } from './input.js';
import { JobConnection, JobFilterInput } from './job.js';
import { IDEMPOTENCY_KEY, optionsOf, submitted, withoutNulls } from './pipeline.js';
import { JobRef, PipelineRef, PipelineVersionRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';
import { WebhookFormatEnum } from './webhook.js';

/** The descriptor of a version; it may be gone since its pipeline was read. */
async function descriptorOf(
  { name, version }: { name: string; version: number },
  { store, viewer, content }: Context,
): Promise<unknown> {
  const found = await content.read(
    () => store.pipelineDescriptor(viewer.account.id, name, version),
    (read) => read?.descriptor.length ?? 0,
  );
  if (!found) throw apiError('NOT_FOUND', `version ${version} of the pipeline "${name}" is gone`);
  return JSON.parse(found.descriptor) as unknown;
}

PipelineVersionRef.implement({
  description: "One state of a stored pipeline's descriptor.",
  fields: (t) => ({
    version: t.exposeInt('version', { description: 'Counts the versions of the pipeline, from 1.' }),
    descriptor: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      description: 'The descriptor, with defaults filled in.',
      resolve: ({ pipelineName: name, version }, _args, context) => descriptorOf({ name, version }, context),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was saved.' }),
  }),
});

builder.node(PipelineRef, {
  description: 'A descriptor that is stored under its name, to be run again and again.',
  id: { resolve: (pipeline) => pipeline.id },
  loadOne: (id, { store, viewer }) => store.pipelineById(viewer.account.id, id),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name in the descriptor.' }),
    version: t.exposeInt('version', {
      description:
        'Counts what was saved under this name, from 1; saving what is there already is no version.',
    }),
    descriptor: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      description: 'The newest descriptor, with defaults filled in.',
      resolve: (pipeline, _args, context) => descriptorOf(pipeline, context),
    }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for, as its descriptor says; null where it does not.',
    }),
    tags: t.exposeStringList('tags', { description: 'Words to find its jobs by.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first saved.' }),
    modifiedAt: t.expose('modifiedAt', {
      type: 'DateTime',
      description: 'When its newest version was saved.',
    }),
    versions: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: PipelineVersionRef,
        description: `Its versions, newest first: the last ${MAX_VERSIONS}, or fewer where they are large.`,
        resolve: ({ name }, args, { store, viewer }) =>
          keyedConnection(
            args,
            ({ version }: PipelineVersion) => String(version),
            (page) => store.pipelineVersions(viewer.account.id, name, page),
          ),
      },
      { name: 'PipelineVersionConnection', description: 'A page of versions.' },
      { name: 'PipelineVersionEdge', description: 'A version and its place.' },
    ),
    jobs: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: JobRef,
        description: 'Every job of this name, newest first, however it came about.',
        args: { filter: t.arg({ type: JobFilterInput, description: 'Only jobs that match.' }) },
        resolve: ({ name }, { filter, ...args }, { store, viewer }) => {
          const wanted = given(filter);
          if (wanted.pipelines && !wanted.pipelines.includes(name)) return emptyConnection<Job>(args);
          return connection(args, (page) =>
            store.jobs(viewer.account.id, { ...wanted, pipelines: [name] }, page),
          );
        },
      },
      JobConnection,
    ),
  }),
});

builder.queryFields((t) => ({
  pipeline: t.field({
    type: PipelineRef,
    nullable: true,
    description: 'The stored pipeline of this name; null where there is none.',
    authScopes: { scope: 'READ' },
    args: { name: t.arg.string({ required: true, description: 'Its name, exactly.' }) },
    resolve: (_root, { name }, { store, viewer }) => store.pipeline(viewer.account.id, name),
  }),
  pipelines: t.connection(
    {
      type: PipelineRef,
      description: 'Stored pipelines, by name.',
      authScopes: { scope: 'READ' },
      resolve: (_root, args, { store, viewer }) =>
        keyedConnection(
          args,
          ({ name }: Pipeline) => name,
          (page) => store.pipelines(viewer.account.id, page),
        ),
    },
    { name: 'PipelineConnection', description: 'A page of stored pipelines.' },
    { name: 'PipelineEdge', description: 'A stored pipeline and its place.' },
  ),
}));

const SavePipelineModeEnum = builder.enumType('SavePipelineMode', {
  description: 'What may be there before.',
  values: {
    CREATE: { value: 'create', description: 'Nothing: CONFLICT where the name is taken.' },
    UPDATE: { value: 'update', description: 'An earlier version: NOT_FOUND where there is none.' },
    EITHER: { value: 'either', description: 'One or the other.' },
  } satisfies Record<string, { value: SaveMode; description: string }>,
});

const SavePipelineInput = builder.inputType('SavePipelineInput', {
  description: 'A descriptor to be stored under its name.',
  fields: (t) => ({
    descriptor: t.field({
      type: 'JSON',
      required: true,
      description:
        'The descriptor, unknown keys ignored. It is checked as at a submission, but for its algorithms and the paths of its flowInput, which every run may bring.',
    }),
    mode: t.field({
      type: SavePipelineModeEnum,
      required: true,
      defaultValue: 'either',
      description: 'What may be there before.',
    }),
    ifVersion: t.int({
      description:
        'The version that this one is to follow: CONFLICT where another was saved meanwhile. Left out: any.',
    }),
  }),
});

const SavePipelinePayload = payloadType<{ pipeline: Pipeline }>(
  'SavePipelinePayload',
  'What became of savePipeline.',
  (t) => ({
    pipeline: t.field({
      type: PipelineRef,
      nullable: true,
      description: 'The pipeline as it is now; null where nothing was saved.',
      resolve: (payload) => payload.pipeline,
    }),
  }),
);

const DeletePipelineInput = builder.inputType('DeletePipelineInput', {
  description: 'Which stored pipeline to delete.',
  fields: (t) => ({ name: t.string({ required: true, description: 'Its name.' }) }),
});

const DeletePipelinePayload = payloadType<{ deletedPipelineName: string; stoppedJobs: number }>(
  'DeletePipelinePayload',
  'What became of deletePipeline.',
  (t) => ({
    deletedPipelineName: t.string({
      nullable: true,
      description: 'The name that is free now; null where nothing was changed.',
      resolve: (payload) => payload.deletedPipelineName,
    }),
    stoppedJobs: t.int({
      nullable: true,
      description: 'How many jobs of it were cancelled; null where nothing was changed.',
      resolve: (payload) => payload.stoppedJobs,
    }),
  }),
);

const RunWebhooksInput = builder.inputType('RunWebhooksInput', {
  description: 'URLs to call about this job alone; what is left out is what is stored.',
  fields: (t) => ({
    progress: t.field({ type: 'URL', description: 'Called with progress and status changes.' }),
    result: t.field({ type: 'URL', description: 'Called when the job has ended.' }),
    format: t.field({ type: WebhookFormatEnum, description: 'How the bodies are written.' }),
  }),
});

const RunPipelineInput = builder.inputType('RunPipelineInput', {
  description:
    'A stored pipeline, and what this run has of its own. It is merged over what is stored: objects key by key, lists place by place.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Name of the stored pipeline.' }),
    version: t.int({ description: 'Which version to run; the newest where not given.' }),
    flowInput: t.field({
      type: 'JSON',
      description: 'An object that takes the place of the stored flowInput, whole.',
    }),
    options: t.field({ type: PipelineOptionsInput, description: 'How it is run.' }),
    webhooks: t.field({ type: RunWebhooksInput, description: 'URLs to call about this job.' }),
    priority: t.int({ description: '1 to 5; 5 goes first.' }),
    tags: t.stringList({ description: 'Words to find it by; the first takes the place of the first.' }),
    nodes: t.field({
      type: ['JSON'],
      description: 'Parts of nodes, as objects: the first is merged over the first, and so on.',
    }),
    externalId: t.string({
      description: 'What you call it, 1 to 255 characters; `jobs` can be filtered by it.',
    }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
});

const RunPipelinePayload = submitted('RunPipelinePayload', 'What became of runPipeline.');

builder.mutationFields((t) => ({
  savePipeline: t.field({
    type: SavePipelinePayload,
    description: `Stores a descriptor under its name, at most ${MAX_PIPELINES} of an account. Needs the scope SUBMIT.`,
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: SavePipelineInput, required: true, description: 'What to store.' }) },
    resolve: (_root, { input: { descriptor, mode, ifVersion } }, { engine, viewer }) =>
      attempt(async () => ({
        pipeline: await engine.savePipeline(viewer.account.id, {
          descriptor,
          mode,
          ifVersion: ifVersion ?? null,
        }),
      })),
  }),
  deletePipeline: t.field({
    type: DeletePipelinePayload,
    description:
      'Deletes a stored pipeline with its versions, and cancels its jobs that have not ended: those that were made of it, not of a descriptor of the same name. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: DeletePipelineInput, required: true, description: 'Which pipeline.' }) },
    resolve: (_root, { input: { name } }, { engine, viewer }) =>
      attempt(async () => {
        const { stoppedJobs } = await engine.deletePipeline(viewer.account.id, name);
        return { deletedPipelineName: name, stoppedJobs };
      }),
  }),
  runPipeline: t.field({
    type: RunPipelinePayload,
    description: 'Runs a stored pipeline; the job is durable when this returns. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: RunPipelineInput, required: true, description: 'What to run.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => {
        const { name, version, idempotencyKey, options, webhooks, ...rest } = input;
        const job = await engine.runPipeline(viewer.account.id, {
          name,
          version: version ?? null,
          overrides: {
            ...withoutNulls(rest),
            ...(options && { options: optionsOf(options) }),
            ...(webhooks && { webhooks: withoutNulls(webhooks) }),
          },
          received: input,
          idempotencyKey: idempotencyKey ?? null,
        });
        return { job };
      }),
  }),
}));
