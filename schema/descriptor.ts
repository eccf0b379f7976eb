import type { Verbosity } from '../src/event.js';
import type { RetryPolicy } from '../src/task.js';
import { builder } from './builder.js';
import { described } from './enum.js';
import { WebhookFormatEnum } from './webhook.js';

// The parts of an HKube descriptor, typed. Names, values and units are HKube's own.

export const PipelineKindEnum = builder.enumType('PipelineKind', {
  description: "HKube's kinds of pipelines.",
  values: described<'batch' | 'stream'>({
    batch: 'Runs once and ends.',
    stream: 'Runs until it is stopped: not supported.',
  }),
});

type Kind = 'algorithm' | 'pipeline' | 'debug' | 'dataSource' | 'gateway' | 'output' | 'hyperparamsTuner';
const NodeKindEnum = builder.enumType('NodeKind', {
  description:
    "HKube's kinds of nodes. `algorithm`, `pipeline` and `output` are run here; the others are NOT_SUPPORTED.",
  values: described<Kind>({
    algorithm: 'Runs an algorithm.',
    pipeline: 'Runs the stored pipeline that `spec.name` names: each of its tasks is a job of its own.',
    debug: 'Hands its input to a developer.',
    dataSource: 'Reads a data source.',
    gateway: 'Lets requests from outside into a stream.',
    output: 'Runs nothing: its result is its input. A pipeline has one at most, and no node after it.',
    hyperparamsTuner: 'Searches for good parameters.',
  }),
});

const BatchOperationEnum = builder.enumType('BatchOperation', {
  description: 'How several batches of one node are paired.',
  values: described<'indexed' | 'cartesian'>({
    indexed:
      'First with first, second with second, up to the longest; what is missing is null, and left out of objects.',
    cartesian: 'Each with each; the first batch turns slowest.',
  }),
});

const VerbosityEnum = builder.enumType('Verbosity', {
  description: 'Which events the progress webhook of a job gets, from the fewest to the most.',
  values: described<Verbosity>({
    critical: 'None of those known today.',
    error: 'Only that the job has failed.',
    warn: 'The same as error, today.',
    info: 'Status changes of the job.',
    debug: 'Status changes and progress.',
    trace: 'The same as debug, today.',
  }),
});

const RetryPolicyEnum = builder.enumType('RetryPolicy', {
  description: 'Which failures of a task are tried again.',
  values: described<RetryPolicy>({
    Never: 'None.',
    Always: 'All.',
    OnError: 'What the algorithm throws.',
    OnCrash: 'Exits, lost leases and lack of memory.',
  }),
});

const RetryInput = builder.inputType('RetryInput', {
  description: 'What to do when a task fails.',
  fields: (t) => ({
    policy: t.field({
      type: RetryPolicyEnum,
      defaultValue: 'OnCrash',
      description: 'Which failures are tried again.',
    }),
    limit: t.int({ defaultValue: 3, description: 'How many attempts there are at most: 1 to 100.' }),
  }),
});

export const NodeInput = builder.inputType('NodeInput', {
  description: 'A node: one algorithm and what it is given.',
  fields: (t) => ({
    nodeName: t.string({
      required: true,
      description: 'Its name, 1 to 200 characters, unique in the pipeline; not "flowInput" or "dataSource".',
    }),
    algorithmName: t.string({
      description: 'The algorithm of a node of kind `algorithm`, 2 to 32 characters.',
    }),
    input: t.field({
      type: ['JSON'],
      // A null among the arguments is an argument.
      required: { list: false, items: false },
      description:
        'Its arguments. Strings are references where they start with a sign: "@node", "@flowInput.x" hand a value over, "#@node", "#@flowInput.x", "#[1,2,3]" make a task of each element, "*@node" one of each item of a batch as soon as it has ended.',
    }),
    kind: t.field({ type: NodeKindEnum, defaultValue: 'algorithm', description: 'What kind of node it is.' }),
    batchOperation: t.field({
      type: BatchOperationEnum,
      defaultValue: 'indexed',
      description: 'How several batches among its arguments are paired.',
    }),
    retry: t.field({ type: RetryInput, description: 'What to do when a task of it fails.' }),
    ttl: t.int({ description: 'Seconds that one task may run; 0 or not given: as long as it likes.' }),
    spec: t.field({
      type: 'JSON',
      description: 'What kinds other than `algorithm` need: `{ name }` of a stored pipeline for `pipeline`.',
    }),
    includeInResults: t.boolean({
      description: 'Whether its results are results of the job; leaves always are.',
    }),
    includeInResult: t.boolean({ description: 'Another spelling of includeInResults.' }),
    extraData: t.field({ type: 'JSON', description: 'An object handed to the algorithm as it is.' }),
  }),
});

const ConcurrentPipelinesInput = builder.inputType('ConcurrentPipelinesInput', {
  description: 'How many jobs of this pipeline may be open at once, this one included.',
  fields: (t) => ({
    amount: t.int({ required: true, description: '1 to 10,000.' }),
    rejectOnFailure: t.boolean({
      // No default of GraphQL's: a run of a stored pipeline leaves what is stored.
      description:
        'Whether one too many is refused, with LIMIT_REACHED; else it waits as PENDING until another has ended, the highest priority first. True where not given.',
    }),
  }),
});

export const PipelineOptionsInput = builder.inputType('PipelineOptionsInput', {
  description: 'How a pipeline is run.',
  fields: (t) => ({
    ttl: t.int({
      description:
        'Seconds from submission until the job is cancelled, without those in which it is PAUSED; 0 and less: none. 3,600 where not given.',
    }),
    activeTtl: t.int({
      description: 'The same from the start of its first task: 1 and more; none where not given.',
    }),
    batchTolerance: t.int({
      description: 'Percent of a batch that may fail before the job does: 0 to 100. 80 where not given.',
    }),
    progressVerbosityLevel: t.field({
      type: VerbosityEnum,
      description: 'Which events the progress webhook gets; info where not given.',
    }),
    concurrentPipelines: t.field({
      type: ConcurrentPipelinesInput,
      description:
        'How many jobs of this pipeline (of one name and experiment) may be open at once; no limit where not given.',
    }),
    debugOverride: t.stringList({ description: 'Names of nodes to debug: understood, not done.' }),
  }),
});

export const JobWebhooksInput = builder.inputType('JobWebhooksInput', {
  description: 'URLs to call about this job alone.',
  fields: (t) => ({
    progress: t.field({ type: 'URL', description: 'Called with progress and status changes.' }),
    result: t.field({ type: 'URL', description: 'Called when the job has ended.' }),
    format: t.field({
      type: WebhookFormatEnum,
      defaultValue: 'HKUBE',
      description: 'How the bodies are written.',
    }),
  }),
});

const CronInput = builder.inputType('CronInput', {
  description: 'When to run a pipeline by the clock.',
  fields: (t) => ({
    pattern: t.string({
      required: true,
      description:
        'A cron pattern of 5 fields (minute, hour, day, month, weekday), or of 6 with seconds first.',
    }),
    timeZone: t.string({
      description: 'The time zone it is read in, like "Europe/Berlin"; UTC where not given.',
    }),
    enabled: t.boolean({ defaultValue: false, description: 'Whether it is on.' }),
  }),
});

export const TriggersInput = builder.inputType('TriggersInput', {
  description: 'What runs a stored pipeline by itself; a submitted one only keeps it in its descriptor.',
  fields: (t) => ({
    cron: t.field({ type: CronInput, description: 'The clock.' }),
    pipelines: t.stringList({
      description: 'Names of pipelines whose completed runs run this one: at most 100.',
    }),
  }),
});
