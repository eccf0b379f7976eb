import type { Job } from '../src/job.js';
import { builder } from './builder.js';
import {
  JobWebhooksInput,
  NodeInput,
  PipelineKindEnum,
  PipelineOptionsInput,
  TriggersInput,
} from './descriptor.js';
import { JobRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';

export const IDEMPOTENCY_KEY =
  '1 to 255 characters, kept 24 hours at least: the same key with the same input gives the same job, with another one IDEMPOTENCY_CONFLICT.';

const SubmitPipelineInput = builder.inputType('SubmitPipelineInput', {
  description: 'An HKube descriptor, typed: an unknown key is an error that names it.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'Name of the pipeline: letters, digits, dash, dot, colon or underscore, 1 to 200.',
    }),
    nodes: t.field({ type: [NodeInput], required: true, description: 'Its nodes, 1 to 1,000.' }),
    flowInput: t.field({ type: 'JSON', description: 'An object that "@flowInput" refers to.' }),
    options: t.field({ type: PipelineOptionsInput, description: 'How it is run.' }),
    webhooks: t.field({ type: JobWebhooksInput, description: 'URLs to call about this job alone.' }),
    priority: t.int({ defaultValue: 3, description: '1 to 5; 5 goes first.' }),
    tags: t.stringList({ description: 'Words to find it by: at most 100 of 1 to 32 characters.' }),
    triggers: t.field({ type: TriggersInput, description: 'Kept in the descriptor; triggers nothing here.' }),
    experimentName: t.string({
      description: "HKube's experiment, 1 to 32 characters; main where not given.",
    }),
    description: t.string({ description: 'What it is for, for people: at most 10,000 characters.' }),
    kind: t.field({ type: PipelineKindEnum, defaultValue: 'batch', description: 'What kind it is.' }),
    externalId: t.string({
      description: 'What you call it, 1 to 255 characters; `jobs` can be filtered by it.',
    }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
});

const SubmitDescriptorInput = builder.inputType('SubmitDescriptorInput', {
  description: 'An HKube descriptor as it is.',
  fields: (t) => ({
    descriptor: t.field({
      type: 'JSON',
      required: true,
      description: 'The descriptor; unknown keys are ignored, as HKube does.',
    }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
});

const RunAlgorithmInput = builder.inputType('RunAlgorithmInput', {
  description: 'An algorithm and what it is given.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'The algorithm; pipeline and node are named after it.',
    }),
    input: t.field({
      type: ['JSON'],
      required: { list: false, items: false },
      description: 'Its arguments, as in NodeInput; none where not given.',
    }),
    webhooks: t.field({ type: JobWebhooksInput, description: 'URLs to call about this job alone.' }),
    priority: t.int({ defaultValue: 3, description: '1 to 5; 5 goes first.' }),
    tags: t.stringList({ description: 'Words to find it by: at most 100 of 1 to 32 characters.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY }),
  }),
});

/** The payload of a mutation that makes a job. */
export const submitted = (name: string, description: string) =>
  payloadType<{ job: Job }>(name, description, (t) => ({
    job: t.field({
      type: JobRef,
      nullable: true,
      description: 'The job, or the one that an earlier call with the same key made; null where refused.',
      resolve: (payload) => payload.job,
    }),
  }));

const SubmitPipelinePayload = submitted(
  'SubmitPipelinePayload',
  'What became of submitPipeline or submitDescriptor.',
);
const RunAlgorithmPayload = submitted('RunAlgorithmPayload', 'What became of runAlgorithm.');

/** A typed input as a descriptor: null means "not given" there, but is a value within JSON. */
function descriptorOf(input: typeof SubmitPipelineInput.$inferInput): Record<string, unknown> {
  const { idempotencyKey: _key, nodes, options, webhooks, triggers, ...rest } = input;
  return {
    ...withoutNulls(rest),
    nodes: nodes.map(({ retry, ...node }) => ({
      ...withoutNulls(node),
      ...(retry && { retry: withoutNulls(retry) }),
    })),
    ...(options && { options: optionsOf(options) }),
    ...(webhooks && { webhooks: withoutNulls(webhooks) }),
    ...(triggers && { triggers: withoutNulls(triggers) }),
  };
}

export function optionsOf({ concurrentPipelines, ...rest }: typeof PipelineOptionsInput.$inferInput) {
  return {
    ...withoutNulls(rest),
    ...(concurrentPipelines && { concurrentPipelines: withoutNulls(concurrentPipelines) }),
  };
}

export function withoutNulls(input: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

builder.mutationFields((t) => ({
  submitPipeline: t.field({
    type: SubmitPipelinePayload,
    description: 'Submits a pipeline; the job is durable when this returns. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: SubmitPipelineInput, required: true, description: 'The pipeline.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({
        job: await engine.submit(viewer.account.id, {
          operation: 'submitPipeline',
          descriptor: descriptorOf(input),
          received: input,
          idempotencyKey: input.idempotencyKey ?? null,
        }),
      })),
  }),
  submitDescriptor: t.field({
    type: SubmitPipelinePayload,
    description:
      "Submits a descriptor's JSON as it is, unknown keys ignored; the job is durable when this returns. Needs the scope SUBMIT.",
    authScopes: { scope: 'SUBMIT' },
    args: { input: t.arg({ type: SubmitDescriptorInput, required: true, description: 'The descriptor.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({
        job: await engine.submit(viewer.account.id, {
          operation: 'submitDescriptor',
          descriptor: input.descriptor,
          received: input,
          idempotencyKey: input.idempotencyKey ?? null,
        }),
      })),
  }),
  runAlgorithm: t.field({
    type: RunAlgorithmPayload,
    description: 'Runs one algorithm: a pipeline of one node. Needs the scope SUBMIT.',
    authScopes: { scope: 'SUBMIT' },
    args: {
      input: t.arg({ type: RunAlgorithmInput, required: true, description: 'What to run with what.' }),
    },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(
        async () => {
          const { name, input: given, idempotencyKey, webhooks, ...rest } = input;
          const job = await engine.submit(viewer.account.id, {
            operation: 'runAlgorithm',
            descriptor: {
              ...withoutNulls(rest),
              name,
              nodes: [{ nodeName: name, algorithmName: name, input: given ?? [] }],
              ...(webhooks && { webhooks: withoutNulls(webhooks) }),
            },
            received: input,
            idempotencyKey: idempotencyKey ?? null,
          });
          return { job };
        },
        // The one node is made of the input's own fields.
        (path) => {
          if (path[0] !== 'nodes') return path;
          return path[2] === 'input' ? path.slice(2) : ['name'];
        },
      ),
  }),
}));
