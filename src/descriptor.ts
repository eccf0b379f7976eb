import { z } from 'zod';
import { coerced } from './coercion.js';
import { cronProblem, DEFAULT_CRON_PATTERN, DEFAULT_TIME_ZONE } from './cron.js';
import { fieldName, type Problem, shown } from './errors.js';
import { verbosities } from './event.js';
import { array, list, object, set, text, whole, word } from './fields.js';
import { type DescriptorIssue, issuesOf, MAX_PROBLEMS, type Wording } from './issue.js';
import { retryPolicies } from './task.js';
import { type WebhookFormat, webhookFormats, wireFormat } from './webhook.js';
import { ourWording } from './wording.js';

const PIPELINE_NAME = /^[:\-_.A-Za-z0-9]+$/;
const ALGORITHM_NAME = /^[a-z0-9][-a-z0-9.]*[a-z0-9]$/;
export const MAX_NODES = 1_000;
/** Deeper JSON is refused: every reader of it, ours and the receiver's, may be recursive. */
export const MAX_JSON_DEPTH = 128;
/** Keys of a descriptor, two levels deep: a thousand nodes of twenty. */
const MAX_KEYS = 20_000;
/** Pipelines that one may run after. */
export const MAX_TRIGGERS = 100;
// A key of a database index, and of a file name: long enough for any name a person gives.
export const MAX_NAME = 200;
// Of what HKube keeps for itself in descriptors.
const MAX_INTERNAL = 1_000;
/** Where HKube has no bound: what GraphQL's Int can say. As seconds it is 68 years. */
const MAX_INT = 2_147_483_647;

/** The check of a format by a pattern. */
const matches = (pattern: RegExp, says: string) => (value: string) =>
  pattern.test(value) ? null : `${says}, got ${shown(value)}`;
const nameLike = matches(PIPELINE_NAME, 'must contain only letters, digits, dash, dot, colon or underscore');

const name = text({ min: 1, max: MAX_NAME, format: 'pipeline-name', check: nameLike });
const internal = text({ max: MAX_INTERNAL });
const webhookUrl = text({
  min: 1,
  max: 2_048,
  format: 'url',
  // Where it may lead is a matter of the server's policy: destination.ts.
  check: (url) =>
    /^https?:\/\//i.test(url)
      ? null
      : `must start with "https://" or "http://", got ${shown(url.slice(0, 24))}`,
});
const wireNames = new Map(webhookFormats.map((format) => [wireFormat(format), format]));

const node = z.object({
  nodeName: text({ min: 1, max: MAX_NAME }),
  algorithmName: text({
    min: 1,
    max: 32,
    format: 'algorithm-name',
    check: matches(ALGORITHM_NAME, 'must be lower-case letters, digits, dashes or dots, at least 2'),
  }).optional(),
  input: array().default([]),
  kind: word([
    'algorithm',
    'pipeline',
    'debug',
    'dataSource',
    'gateway',
    'output',
    'hyperparamsTuner',
  ]).default('algorithm'),
  /** What kinds other than `algorithm` need. */
  spec: object().optional(),
  batchOperation: word(['indexed', 'cartesian']).default('indexed'),
  retry: z
    .object({ policy: word(retryPolicies).default('OnCrash'), limit: whole(1, 100).default(3) })
    .prefault({}),
  /** Seconds a task may run; 0: as long as it likes. */
  ttl: whole(0, 31_536_000).default(0),
  includeInResult: z.boolean().optional(),
  includeInResults: z.boolean().optional(),
  metrics: z.object({ tensorboard: z.boolean().optional() }).optional(),
  extraData: object().optional(),
  stateType: word(['stateless', 'stateful']).optional(),
  minStatelessCount: whole(0, MAX_INT).optional(),
  maxStatelessCount: whole(0, MAX_INT).optional(),
});

const triggers = z.strictObject({
  pipelines: set(text({ min: 1, max: MAX_NAME }), MAX_TRIGGERS).optional(),
  cron: z
    .object({
      pattern: text({
        max: MAX_INTERNAL,
        format: 'cron',
        check: (pattern) => cronProblem(pattern, DEFAULT_TIME_ZONE)?.message ?? null,
      }).optional(),
      enabled: z.boolean().default(false),
      /** An IANA name; not HKube's. */
      timeZone: text({
        max: MAX_INTERNAL,
        format: 'time-zone',
        check: (zone) => cronProblem(DEFAULT_CRON_PATTERN, zone)?.message ?? null,
      }).optional(),
    })
    .optional(),
});

/**
 * An HKube pipeline descriptor with its defaults filled in. Keys that are not named here are dropped, as HKube does, but in
 * the three objects that HKube closes; the typed GraphQL input refuses them before they get here. The order of the fields is
 * HKube's, since its clients are told of the first that is wrong.
 */
const schema = z.object({
  name,
  kind: word(['batch', 'stream']).default('batch'),
  experimentName: text({ min: 1, max: 32, format: 'experiment-name', check: nameLike }).default('main'),
  description: text({ max: 10_000 }).optional(),
  nodes: list(node, MAX_NODES).default([]),
  flowInput: object('null').nullish(),
  webhooks: z
    .strictObject({
      progress: webhookUrl.optional(),
      result: webhookUrl.optional(),
      format: word<WebhookFormat>(webhookFormats, wireNames, [...wireNames.keys()]).default('HKUBE'),
    })
    .prefault({}),
  options: z
    .object({
      /** Seconds, from submission; 0 and less: none. */
      ttl: whole(-MAX_INT - 1, MAX_INT).default(3_600),
      activeTtl: whole(1, MAX_INT).nullish(),
      batchTolerance: whole(0, 100).default(80),
      concurrentPipelines: z
        .strictObject({ amount: whole(1, 10_000).optional(), rejectOnFailure: z.boolean().default(true) })
        .optional(),
      progressVerbosityLevel: word([...verbosities].reverse(), new Map([['warning', 'warn']])).default(
        'info',
      ),
      debugOverride: set(text({ max: MAX_NAME }), MAX_NODES).optional(),
    })
    .prefault({}),
  priority: whole(1, 5).default(3),
  triggers: triggers.optional(),
  tags: list(text({ min: 1, max: 32 }), 100).default([]),
  rootJobId: internal.optional(),
  streaming: z.object({ flows: object().optional(), defaultFlow: internal.optional() }).optional(),
  edges: array().optional(),
  version: internal.optional(),
  externalId: text({ min: 1, max: 255 }).optional(),
  spanId: internal.optional(),
  userName: internal.optional(),
});

export type Descriptor = z.infer<typeof schema>;

/**
 * Checks shape and bounds and fills in the defaults, then checks what a pipeline must have; the graph is checked by graph.ts.
 * The problems are those of the first of these steps that finds any, the one that HKube would tell first.
 */
export function parseDescriptor(
  value: unknown,
  wording: Wording = ourWording,
): { descriptor: Descriptor } | { problems: Problem[] } {
  const tooMuch = depthProblem(value) ?? keysProblem(value);
  if (tooMuch) return { problems: [tooMuch] };
  const parsed = schema.safeParse(coerced(schema, value));
  if (!parsed.success) return { problems: worded(issuesOf(schema, parsed.error.issues, value), wording) };
  const problems = [
    ...supportProblems(parsed.data),
    ...outputProblems(parsed.data),
    ...worded(wholeIssues(parsed.data, value as { nodes?: unknown }), wording),
  ];
  return problems.length > 0 ? { problems: problems.slice(0, MAX_PROBLEMS) } : { descriptor: parsed.data };
}

/**
 * What is wrong in a part of a descriptor, whatever it is merged into: of what stands in it, and that it has a name. Keys
 * that are missing deeper in may come from there.
 */
export function partProblems(value: unknown, wording: Wording): Problem[] {
  const tooDeep = depthProblem(value);
  if (tooDeep) return [tooDeep];
  const parsed = schema.safeParse(coerced(schema, value));
  if (parsed.success) return [];
  const issues = issuesOf(schema, parsed.error.issues, value);
  return worded(
    issues.filter(({ path, rule }) => rule.kind !== 'required' || path.length === 1),
    wording,
  );
}

function worded(issues: DescriptorIssue[], wording: Wording): Problem[] {
  return issues.map((issue) => ({ code: issue.code, message: wording(issue), path: issue.path }));
}

/** What a pipeline must have as a whole. */
function wholeIssues({ nodes, options }: Descriptor, received: { nodes?: unknown }): DescriptorIssue[] {
  if (nodes.length === 0) {
    const rule = { kind: 'min', of: 'items', bound: 1 } as const;
    return [{ code: 'INVALID', path: ['nodes'], value: received.nodes, rule }];
  }
  const names = new Set(nodes.map((one) => one.nodeName));
  return (options.debugOverride ?? []).flatMap((value, index) => {
    const path = ['options', 'debugOverride', String(index)];
    return names.has(value) ? [] : [{ code: 'INVALID', path, value, rule: { kind: 'nodeName' } } as const];
  });
}

function outputProblems({ nodes }: Descriptor): Problem[] {
  if (nodes.filter((one) => one.kind === 'output').length < 2) return [];
  return [{ code: 'INVALID', message: 'pipeline can not have more than one output', path: ['nodes'] }];
}

/** Refuses JSON nested deeper than MAX_JSON_DEPTH and numbers that JSON cannot hold. */
export function depthProblem(root: unknown, path: string[] = []): Problem | null {
  const message = problemWithin(root, 0);
  return message === null ? null : { code: 'INVALID', message, path };
}

/** Recursion as deep as JSON may be. A million numbers are looked at in some 10 ms, so nothing is made for each. */
function problemWithin(value: unknown, depth: number): string | null {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : `a number must be finite, got ${value}`;
  }
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= MAX_JSON_DEPTH) return `JSON must be nested at most ${MAX_JSON_DEPTH} levels deep, got more`;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    const message = problemWithin(inner, depth + 1);
    if (message !== null) return message;
  }
  return null;
}

/** Refuses what would take long to read: each key that is not known costs as much as one that is. */
function keysProblem(value: unknown): Problem | null {
  const { flowInput: _given, nodes, ...rest } = objectOf(value);
  const count = (one: object): number =>
    Object.values(one).reduce<number>(
      (sum, inner) => sum + 1 + (typeof inner === 'object' && inner !== null ? Object.keys(inner).length : 0),
      0,
    );
  const ofNodes = Array.isArray(nodes)
    ? nodes.map((node) => {
        const { input: _input, extraData: _extra, ...fields } = objectOf(node);
        return count(fields);
      })
    : [];
  const keys = ofNodes.reduce((sum, one) => sum + one, count(rest));
  if (keys <= MAX_KEYS) return null;
  const message = `descriptor must have at most ${MAX_KEYS} keys, those of flowInput, input and extraData not counted, got ${keys}`;
  return { code: 'INVALID', message, path: [] };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The stored pipeline that a node of kind "pipeline" names; null where it names none. */
export function pipelineOf({ spec }: Pick<Descriptor['nodes'][number], 'spec'>): string | null {
  const name = spec?.['name'];
  return typeof name === 'string' && name.length > 0 && name.length <= MAX_NAME ? name : null;
}

/** Parts of HKube's language that are understood but not run here. */
function supportProblems(descriptor: Descriptor): Problem[] {
  const problems: Problem[] = [];
  const refuse = (message: string, path: string[]) => problems.push({ code: 'NOT_SUPPORTED', message, path });
  if (descriptor.kind === 'stream')
    refuse('kind "stream" is not supported: only batch pipelines are run', ['kind']);
  descriptor.nodes.forEach((one, index) => {
    const path = ['nodes', String(index)];
    if (one.kind === 'output') return;
    if (one.kind === 'pipeline') {
      if (pipelineOf(one) === null) {
        const message = `node ${one.nodeName} must have spec with name`;
        problems.push({ code: 'INVALID', message, path: [...path, 'spec'] });
      }
      return;
    }
    if (one.kind !== 'algorithm') {
      refuse(
        `${fieldName(path)}.kind "${one.kind}" is not supported: nodes of kind "algorithm", "pipeline" and "output" are run`,
        [...path, 'kind'],
      );
    }
  });
  return problems;
}
