import { createHash } from 'node:crypto';
import { type Descriptor, parseDescriptor } from '../descriptor.js';
import { checkUrl } from '../destination.js';
import { type Problem, ProblemError, problem, StaleCauseError, shown } from '../errors.js';
import { type Graph, graphOf } from '../graph.js';
import { MAX_PROBLEMS, type Wording } from '../issue.js';
import { type Job, type JobType, RAW } from '../job.js';
import { limitReached } from '../limits.js';
import type { IdempotencyKey, JobTarget } from '../store.js';
import { ourWording } from '../wording.js';
import type { SubmitInput } from './engine.js';
import { unknownPipelines } from './known-pipelines.js';
import { newJob } from './new-job.js';
import type { Parts } from './parts.js';
import { publish } from './publish.js';

const MAX_IDEMPOTENCY_KEY = 255;
const TYPE_OF: Record<SubmitInput['operation'], JobType> = {
  submitPipeline: 'raw',
  submitDescriptor: 'raw',
  runAlgorithm: 'algorithm',
  runPipeline: 'stored',
  rerunJob: 'rerun',
};

/** Submits a pipeline: idempotency first, then the checks, then one transaction. */
export function submit(parts: Parts, accountId: string, input: SubmitInput): Promise<Job> {
  return submitWith(parts, accountId, input, async () => input.descriptor);
}

/** The same with a descriptor that has to be found: only once no earlier submission answers. */
export async function submitWith(
  parts: Parts,
  accountId: string,
  input: Omit<SubmitInput, 'descriptor'>,
  describe: () => Promise<unknown>,
): Promise<Job> {
  const idempotency = idempotencyOf(input);
  const earlier = await submittedBefore(parts, accountId, input);
  if (earlier) return earlier;
  const prefix = input.operation === 'submitDescriptor' ? ['descriptor'] : [];
  const wording = input.wording ?? ourWording;
  const { descriptor, graph } = await check(parts, accountId, await describe(), prefix, wording, input.kept);
  const targets = targetsOf(parts, descriptor, prefix, wording);
  const at = parts.clock.now();
  const origin = input.origin ?? { ...RAW, types: [TYPE_OF[input.operation]] };
  const job = newJob(parts.ids.uuid(), descriptor, graph, origin, at, input.kept);
  const { limits } = parts;
  const { cause } = input;
  const submitted = await parts.store.submit({ accountId, job, targets, idempotency, limits, cause, at });
  if ('stale' in submitted) throw new StaleCauseError();
  if ('noRoom' in submitted) throw limitReached(submitted.noRoom);
  if ('tooMany' in submitted) {
    throw problem(
      'LIMIT_REACHED',
      `maximum number [${submitted.tooMany}] of concurrent pipelines has been reached`,
      [...prefix, 'options', 'concurrentPipelines'],
    );
  }
  if ('committed' in submitted) publish(parts.bus, submitted.committed);
  return answer(parts, accountId, submitted, idempotency);
}

/** The job of an earlier submission with the same key. */
export async function submittedBefore(
  parts: Parts,
  accountId: string,
  input: Pick<SubmitInput, 'operation' | 'idempotencyKey' | 'received'>,
): Promise<Job | null> {
  const idempotency = idempotencyOf(input);
  const earlier = idempotency && (await parts.store.findIdempotent(accountId, idempotency));
  return earlier && answer(parts, accountId, earlier, idempotency);
}

async function answer(
  parts: Parts,
  accountId: string,
  found: { jobId: string } | { conflict: true },
  idempotency: IdempotencyKey | null,
): Promise<Job> {
  if ('conflict' in found) {
    throw problem(
      'IDEMPOTENCY_CONFLICT',
      `idempotencyKey ${shown(idempotency?.key)} was used before with another input; send the same input, or another key`,
      ['idempotencyKey'],
    );
  }
  const job = await parts.store.job(accountId, found.jobId);
  if (!job)
    throw problem('NOT_FOUND', `the job of this idempotencyKey has been removed; use another key`, [
      'idempotencyKey',
    ]);
  return job;
}

/** The hash is of the input as it was received, so that a default that changes later makes no conflict. */
function idempotencyOf({
  operation,
  idempotencyKey,
  received,
}: Pick<SubmitInput, 'operation' | 'idempotencyKey' | 'received'>): IdempotencyKey | null {
  if (idempotencyKey === null) return null;
  if (
    idempotencyKey.length < 1 ||
    idempotencyKey.length > MAX_IDEMPOTENCY_KEY ||
    idempotencyKey.includes('\0')
  ) {
    throw problem(
      'INVALID',
      `idempotencyKey must be 1 to ${MAX_IDEMPOTENCY_KEY} characters without NUL, got ${idempotencyKey.length}`,
      ['idempotencyKey'],
    );
  }
  const hash = createHash('sha256')
    .update(JSON.stringify(received) ?? '')
    .digest('base64url');
  return { operation, key: idempotencyKey, hash };
}

/** A descriptor that can be stored: what its runs bring and what they are run by need not be there. */
export function checkStored(
  parts: Parts,
  value: unknown,
  prefix: string[],
  wording: Wording = ourWording,
): Descriptor {
  const descriptor = parsed(value, prefix, wording);
  const { problems } = graphOf(descriptor, { stored: true });
  if (problems.length > 0) throw refusal(problems, prefix);
  targetsOf(parts, descriptor, prefix, wording);
  return descriptor;
}

/** HKube's order, step by step: problems of a later step are told once the earlier ones find none. */
async function check(
  parts: Parts,
  accountId: string,
  value: unknown,
  prefix: string[],
  wording: Wording,
  kept: SubmitInput['kept'],
): Promise<{ descriptor: Descriptor; graph: Graph }> {
  const descriptor = parsed(value, prefix, wording);
  const unknown = [
    ...(await unknownPipelines(parts.store, accountId, descriptor, kept)),
    ...algorithmProblems(parts, descriptor, wording, kept),
  ];
  if (unknown.length > 0) throw refusal(unknown, prefix);
  const { graph, problems } = graphOf(descriptor);
  if (problems.length > 0) throw refusal(problems, prefix);
  return { descriptor, graph };
}

function parsed(value: unknown, prefix: string[], wording: Wording): Descriptor {
  const parsed = parseDescriptor(value, wording);
  if ('problems' in parsed) throw refusal(parsed.problems, prefix);
  return parsed.descriptor;
}

function refusal(problems: Problem[], prefix: string[]): ProblemError {
  const told = problems.slice(0, MAX_PROBLEMS);
  return new ProblemError(told.map((one) => ({ ...one, path: [...prefix, ...one.path] })));
}

function algorithmProblems(
  parts: Parts,
  { nodes }: Descriptor,
  wording: Wording,
  kept: SubmitInput['kept'],
): Problem[] {
  return nodes.flatMap(({ nodeName, kind, algorithmName }, index) => {
    // Of what is kept whole nothing runs.
    if (kind !== 'algorithm' || kept?.get(nodeName)?.whole) return [];
    if (algorithmName === undefined || parts.algorithms.has(algorithmName)) return [];
    const path = ['nodes', String(index), 'algorithmName'];
    const rule = { kind: 'algorithm', known: [...parts.algorithms.keys()].sort().slice(0, 10) } as const;
    const code = 'NOT_FOUND';
    return [{ code, message: wording({ code, path, value: algorithmName, rule }), path }];
  });
}

/** The URLs given with the job, checked without asking DNS: a name that does not resolve today may do so tomorrow. */
function targetsOf(
  parts: Parts,
  { webhooks, options }: Descriptor,
  prefix: string[],
  wording: Wording,
): JobTarget[] {
  const targets: JobTarget[] = [];
  const problems: Problem[] = [];
  const refuse = (code: Problem['code'], path: string[], value: string, says: string) =>
    problems.push({ code, message: wording({ code, path, value, rule: { kind: 'clause', says } }), path });
  for (const kind of ['progress', 'result'] as const) {
    const url = webhooks[kind];
    if (url === undefined) continue;
    const verdict = checkUrl(url, parts.policy);
    if ('problem' in verdict) {
      refuse('FORBIDDEN_DESTINATION', ['webhooks', kind], url, verdict.problem);
      continue;
    }
    targets.push({
      source: kind === 'progress' ? 'JOB_PROGRESS' : 'JOB_RESULT',
      ...verdict,
      format: webhooks.format,
      verbosity: options.progressVerbosityLevel,
    });
  }
  if (targets.length > 0 && !parts.formats.has(webhooks.format)) {
    const { format } = webhooks;
    refuse('NOT_SUPPORTED', ['webhooks', 'format'], format, notSupported(format, parts));
  }
  if (problems.length > 0) throw refusal(problems, prefix);
  return targets;
}

export function unsupportedFormat(field: string, format: string, parts: Parts): string {
  return `${field} ${notSupported(format, parts)}`;
}

function notSupported(format: string, parts: Parts): string {
  return `${format} is not supported yet: use one of ${[...parts.formats].join(', ')}`;
}
