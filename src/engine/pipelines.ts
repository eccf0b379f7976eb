import { depthProblem } from '../descriptor.js';
import { ProblemError, problem } from '../errors.js';
import type { Job } from '../job.js';
import { limitReached } from '../limits.js';
import { mergeDescriptor, type Overrides } from '../merge.js';
import { notFoundSentence, type Pipeline } from '../pipeline.js';
import { savedTriggers } from '../triggers.js';
import { A_TURN_CHARS, Turns } from '../turns.js';
import type { DeletedPipeline, RunPipelineRequest, SavePipelineRequest } from './engine.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';
import { checkStored, submitWith } from './submit.js';

/** In which stored descriptors are read: many runs may be due at once. */
const turns = new Turns();

const DELETED = 'pipeline has been deleted';

/** Stores a descriptor with its defaults filled in; keys that no descriptor has are dropped. */
export async function savePipeline(
  parts: Parts,
  accountId: string,
  { descriptor: given, mode, ifVersion, wording }: SavePipelineRequest,
): Promise<Pipeline> {
  if (mode === 'create' && ifVersion !== null) {
    throw problem('INVALID', 'ifVersion names a version that is there: leave it out to create a pipeline', [
      'ifVersion',
    ]);
  }
  const descriptor = checkStored(parts, given, ['descriptor'], wording);
  const { name } = descriptor;
  const at = parts.clock.now();
  const saved = await parts.store.savePipeline({
    accountId,
    name,
    description: descriptor.description ?? null,
    tags: descriptor.tags,
    descriptor: JSON.stringify(descriptor),
    triggers: savedTriggers(descriptor, at),
    mode,
    ifVersion,
    limits: parts.limits,
    at,
  });
  const place = ['descriptor', 'name'];
  if ('pipeline' in saved) return saved.pipeline;
  if ('exists' in saved) throw problem('CONFLICT', `pipeline ${name} already exists`, place);
  if ('missing' in saved) throw problem('NOT_FOUND', notFoundSentence(name), place);
  if ('noRoom' in saved) throw limitReached(saved.noRoom);
  if ('full' in saved) {
    throw problem(
      'LIMIT_REACHED',
      `an account can store ${saved.full} pipelines, and has so many: delete one that is not needed`,
      place,
    );
  }
  throw problem(
    'CONFLICT',
    `pipeline ${name} is at version ${saved.version}, not ${ifVersion}: read it again, and save what is to follow that version`,
    ['ifVersion'],
  );
}

/**
 * Cancels first, so that who is cut off in between finds the pipeline still there and asks again; and once more
 * afterwards, for what was started meanwhile: who has read the descriptor by then has handed its job to the store.
 */
export async function deletePipeline(
  parts: Parts,
  accountId: string,
  name: string,
): Promise<DeletedPipeline> {
  if (!(await parts.store.pipeline(accountId, name)))
    throw problem('NOT_FOUND', notFoundSentence(name), ['name']);
  const before = await cancelRuns(parts, accountId, name);
  const pipeline = await parts.store.deletePipeline(accountId, name);
  if (!pipeline) throw problem('NOT_FOUND', notFoundSentence(name), ['name']);
  const after = await cancelRuns(parts, accountId, name);
  return {
    pipeline,
    runningJobs: before.found + after.found,
    stoppedJobs: before.stopped + after.stopped,
  };
}

/** A look's worth at once: they share commits, which are cut short so that others get their turns. */
async function cancelRuns(
  parts: Parts,
  accountId: string,
  name: string,
): Promise<{ found: number; stopped: number }> {
  let [found, stopped] = [0, 0];
  let place: string | null = null;
  do {
    const { jobUuids, next } = await parts.store.storedRuns(accountId, name, place);
    const at = parts.clock.now();
    const accepted = await Promise.all(
      jobUuids.map((uuid) => settleJob(parts, uuid, [{ kind: 'cancel', at, reason: DELETED }])),
    );
    found += jobUuids.length;
    stopped += accepted.flat().filter(Boolean).length;
    place = next;
  } while (place !== null);
  return { found, stopped };
}

/** Finds, merges, and submits as any descriptor is; see merge.ts for the rules. */
export async function runPipeline(
  parts: Parts,
  accountId: string,
  { name, version, overrides, flowInputMode = 'replace', ...request }: RunPipelineRequest,
): Promise<Job> {
  // The merge goes as deep as what it is given.
  const tooDeep = depthProblem(overrides);
  if (tooDeep) throw new ProblemError(tooDeep);
  try {
    return await submitWith(parts, accountId, { ...request, operation: 'runPipeline' }, async () => {
      const stored = await descriptorOf(parts, accountId, name, version);
      return { ...mergeDescriptor(stored, overrides, flowInputMode), name };
    });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw new ProblemError(error.problems.map((one) => ({ ...one, path: placeOf(one.path, overrides) })));
  }
}

async function descriptorOf(
  parts: Parts,
  accountId: string,
  name: string,
  version: number | null,
): Promise<Overrides> {
  const read = () => parts.store.pipelineDescriptor(accountId, name, version);
  let found = await read();
  if (found && found.descriptor.length > A_TURN_CHARS) {
    await turns.wait(found.descriptor.length);
    // Who deletes it counts on it: what was read before is in the store's hands by then.
    found = await read();
  }
  if (found) return JSON.parse(found.descriptor) as Overrides;
  const pipeline = await parts.store.pipeline(accountId, name);
  if (!pipeline) throw problem('NOT_FOUND', notFoundSentence(name), ['name']);
  throw problem(
    'NOT_FOUND',
    `pipeline ${name} has no version ${version}: the newest is ${pipeline.version}, and old ones are removed`,
    ['version'],
  );
}

/** Fields of the request that are no part of a descriptor. */
const OWN_FIELDS = ['name', 'version', 'idempotencyKey'];

/** Where a problem of the merged descriptor lies: in what was given, or else in what the name stands for. */
function placeOf(path: string[], overrides: Overrides): string[] {
  if (path.length === 0 || OWN_FIELDS.includes(path[0]!)) return path;
  let value: unknown = overrides;
  const within = path.every((key, index) => {
    if (typeof value !== 'object' || value === null) return false;
    if (!Object.hasOwn(value, key)) return index > 0 && index === path.length - 1;
    value = (value as Record<string, unknown>)[key];
    return true;
  });
  return within ? path : ['name'];
}
