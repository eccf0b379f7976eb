import { z } from 'zod';
import { type Problem, shown } from './errors.js';
import { verbosities } from './event.js';
import { retryPolicies } from './task.js';
import { type WebhookFormat, webhookFormats, wireFormat } from './webhook.js';

/**
 * An HKube pipeline descriptor with its defaults filled in. Keys that are not named here are dropped, as HKube
 * does; the typed GraphQL input refuses them before they get here.
 */
const PIPELINE_NAME = /^[:\-_.A-Za-z0-9]+$/;
const ALGORITHM_NAME = /^[a-z0-9][-a-z0-9.]*[a-z0-9]$/;
export const MAX_NODES = 1_000;
/** Deeper JSON is refused: every reader of it, ours and the receiver's, may be recursive. */
export const MAX_JSON_DEPTH = 128;
// A key of a database index, and of a file name: long enough for any name a person gives.
const MAX_NAME = 200;

const retry = z.object({
  policy: z.enum(retryPolicies).default('OnCrash'),
  limit: z.int().min(1).max(100).default(3),
});

const node = z.object({
  nodeName: z.string().min(1).max(MAX_NAME),
  algorithmName: z
    .string()
    .min(1)
    .max(32)
    .regex(ALGORITHM_NAME, 'must be lower-case letters, digits, dashes or dots, at least 2')
    .optional(),
  input: z.array(z.unknown()).default([]),
  kind: z
    .enum(['algorithm', 'pipeline', 'debug', 'dataSource', 'gateway', 'output', 'hyperparamsTuner'])
    .default('algorithm'),
  /** What kinds other than `algorithm` need: `name`, of a stored pipeline. */
  spec: z.record(z.string(), z.unknown()).optional(),
  batchOperation: z.enum(['indexed', 'cartesian']).default('indexed'),
  retry: retry.prefault({}),
  /** Seconds a task may run; 0: as long as it likes. */
  ttl: z.int().min(0).max(31_536_000).default(0),
  includeInResult: z.boolean().optional(),
  includeInResults: z.boolean().optional(),
  extraData: z.record(z.string(), z.unknown()).optional(),
});

const webhookUrl = z.string().min(1).max(2_048);
const formats = new Map<string, WebhookFormat>(
  webhookFormats.flatMap((format) => [
    [format, format],
    [wireFormat(format), format],
  ]),
);

const schema = z.object({
  name: z
    .string()
    .min(1)
    .max(MAX_NAME)
    .regex(PIPELINE_NAME, 'must contain only letters, digits, dash, dot, colon or underscore'),
  kind: z.enum(['batch', 'stream']).default('batch'),
  experimentName: z.string().min(1).max(32).default('main'),
  description: z.string().max(10_000).optional(),
  nodes: z.array(node).min(1).max(MAX_NODES),
  flowInput: z.record(z.string(), z.unknown()).nullish(),
  webhooks: z
    .object({
      progress: webhookUrl.optional(),
      result: webhookUrl.optional(),
      format: z
        .string()
        .refine(
          (name) => formats.has(name),
          `must be one of ${[...new Set([...formats.values()].map(wireFormat))].join(', ')}`,
        )
        .transform((name) => formats.get(name)!)
        .default('HKUBE'),
    })
    .prefault({}),
  options: z
    .object({
      /** Seconds, from submission; 0 and less: none. */
      ttl: z.int().default(3_600),
      activeTtl: z.int().min(1).nullish(),
      batchTolerance: z.int().min(0).max(100).default(80),
      progressVerbosityLevel: z.preprocess(
        (level) => (level === 'warning' ? 'warn' : level),
        z.enum(verbosities).default('info'),
      ),
      concurrentPipelines: z
        .object({ amount: z.int().min(1).max(10_000), rejectOnFailure: z.boolean().default(true) })
        .optional(),
      debugOverride: z.array(z.string()).optional(),
    })
    .prefault({}),
  priority: z.int().min(1).max(5).default(3),
  triggers: z.unknown().optional(),
  tags: z.array(z.string().min(1).max(32)).max(100).default([]),
  externalId: z.string().min(1).max(255).optional(),
});

export type Descriptor = z.infer<typeof schema>;

/** Checks shape and bounds and fills in the defaults; the graph is checked by graph.ts. */
export function parseDescriptor(value: unknown): { descriptor: Descriptor } | { problems: Problem[] } {
  const tooDeep = depthProblem(value);
  if (tooDeep) return { problems: [tooDeep] };
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) return { problems: problemsOf(parsed.error.issues, value) };
  const problems = [...textProblems(parsed.data), ...supportProblems(parsed.data)];
  return problems.length > 0 ? { problems } : { descriptor: parsed.data };
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

/** One problem a field, the first: what follows from it would only hide it. */
function problemsOf(issues: readonly z.core.$ZodIssue[], root: unknown): Problem[] {
  const byPath = new Map<string, Problem>();
  for (const issue of issues) {
    // zod says of a huge number first that it is no safe integer; the field's own bound says more.
    if (issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER) continue;
    const place = issue.path.join('.');
    if (!byPath.has(place)) byPath.set(place, problemOf(issue, root));
  }
  return [...byPath.values()];
}

/** One sentence: the field, the bound, the value. */
function problemOf(issue: z.core.$ZodIssue, root: unknown): Problem {
  const path = issue.path.map(String);
  const field = path.length === 0 ? 'descriptor' : fieldName(path);
  const got = `got ${shown(valueAt(root, issue.path))}`;
  return { code: 'INVALID', message: `${field} ${rule(issue)}, ${got}`, path };
}

function rule(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`;
    case 'too_small':
      return `must be at least ${issue.minimum}${sizeUnit(issue.origin)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${sizeUnit(issue.origin)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    default:
      return issue.message;
  }
}

function sizeUnit(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items long' : '';
}

/** "nodes[0].nodeName" */
export function fieldName(path: readonly string[]): string {
  return path.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`)).join('');
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  );
}

/** NUL ends a string in half the systems a name passes through: PostgreSQL refuses it, C libraries cut there. */
function textProblems(descriptor: Descriptor): Problem[] {
  const texts: [string[], string | undefined][] = [
    [['description'], descriptor.description],
    [['externalId'], descriptor.externalId],
    ...descriptor.tags.map((tag, index): [string[], string] => [['tags', String(index)], tag]),
    ...descriptor.nodes.map((one, index): [string[], string] => [
      ['nodes', String(index), 'nodeName'],
      one.nodeName,
    ]),
  ];
  return texts
    .filter(([, text]) => text?.includes('\0'))
    .map(([path, text]) => ({
      code: 'INVALID',
      message: `${fieldName(path)} must not contain NUL characters, got ${shown(text)}`,
      path,
    }));
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
    } else if (one.algorithmName === undefined) {
      problems.push({
        code: 'INVALID',
        message: 'please provide algorithm name',
        path: [...path, 'algorithmName'],
      });
    }
  });
  return problems;
}
