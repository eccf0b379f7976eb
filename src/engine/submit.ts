import { createHash } from 'node:crypto';
import { type Descriptor, fieldName, parseDescriptor } from '../descriptor.js';
import { checkUrl } from '../destination.js';
import { type Problem, ProblemError, problem, StaleCauseError, shown } from '../errors.js';
import { type Graph, graphOf } from '../graph.js';
import { type Job, type JobType, RAW } from '../job.js';
import { limitReached } from '../limits.js';
import type { IdempotencyKey, JobTarget } from '../store.js';
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
  if (idempotency) {
    const earlier = await parts.store.findIdempotent(accountId, idempotency);
    if (earlier) return answer(parts, accountId, earlier, idempotency);
  }
  const prefix = input.operation === 'submitDescriptor' ? ['descriptor'] : [];
  const { descriptor, graph } = check(parts, await describe(), prefix);
  const unknown = await unknownPipelines(parts.store, accountId, descriptor);
  if (unknown.length > 0) throw refusal(unknown, prefix);
  const targets = targetsOf(parts, descriptor, prefix);
  const at = parts.clock.now();
  const origin = input.origin ?? { ...RAW, types: [TYPE_OF[input.operation]] };
  const job = newJob(parts.ids.uuid(), descriptor, graph, origin, at);
  const { limits } = parts;
  const { cause } = input;
  const submitted = await parts.store.submit({ accountId, job, targets, idempotency, limits, cause, at });
  if ('stale' in submitted) throw new StaleCauseError();
  if ('noRoom' in submitted) throw limitReached(submitted.noRoom);
  if ('committed' in submitted) publish(parts.bus, submitted.committed);
  return answer(parts, accountId, submitted, idempotency);
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
}: Omit<SubmitInput, 'descriptor'>): IdempotencyKey | null {
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
export function checkStored(parts: Parts, value: unknown, prefix: string[]): Descriptor {
  const { descriptor } = parsed(value, prefix);
  const { problems } = graphOf(descriptor, { stored: true });
  if (problems.length > 0) throw refusal(problems, prefix);
  targetsOf(parts, descriptor, prefix);
  return descriptor;
}

function refusal(problems: Problem[], prefix: string[]): ProblemError {
  return new ProblemError(problems.map((one) => ({ ...one, path: [...prefix, ...one.path] })));
}

function parsed(value: unknown, prefix: string[]): { descriptor: Descriptor } {
  const parsed = parseDescriptor(value);
  if ('problems' in parsed) throw refusal(parsed.problems, prefix);
  return parsed;
}

function check(parts: Parts, value: unknown, prefix: string[]): { descriptor: Descriptor; graph: Graph } {
  const { descriptor } = parsed(value, prefix);
  const { graph, problems } = graphOf(descriptor);
  descriptor.nodes.forEach((node, index) => {
    if (node.kind !== 'algorithm' || parts.algorithms.has(node.algorithmName!)) return;
    const known = [...parts.algorithms.keys()].sort().slice(0, 10).join(', ');
    problems.push({
      code: 'NOT_FOUND',
      message: `algorithm ${node.algorithmName} Not Found; known are: ${known || 'none'}`,
      path: ['nodes', String(index), 'algorithmName'],
    });
  });
  if (problems.length > 0) throw refusal(problems, prefix);
  return { descriptor, graph };
}

/** The URLs given with the job, checked without asking DNS: a name that does not resolve today may do so tomorrow. */
function targetsOf(parts: Parts, { webhooks, options }: Descriptor, prefix: string[]): JobTarget[] {
  const targets: JobTarget[] = [];
  const problems: Problem[] = [];
  for (const kind of ['progress', 'result'] as const) {
    const url = webhooks[kind];
    if (url === undefined) continue;
    const verdict = checkUrl(url, parts.policy);
    const path = ['webhooks', kind];
    if ('problem' in verdict) {
      problems.push({
        code: 'FORBIDDEN_DESTINATION',
        message: `${fieldName(path)} ${verdict.problem}`,
        path: [...prefix, ...path],
      });
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
    const path = ['webhooks', 'format'];
    problems.push({
      code: 'NOT_SUPPORTED',
      message: unsupportedFormat('webhooks.format', webhooks.format, parts),
      path: [...prefix, ...path],
    });
  }
  if (problems.length > 0) throw new ProblemError(problems);
  return targets;
}

export function unsupportedFormat(field: string, format: string, parts: Parts): string {
  return `${field} ${format} is not supported yet: use one of ${[...parts.formats].join(', ')}`;
}
