import { endedParentReason, MAX_CHILD_INPUT_BYTES } from '../child.js';
import { messageOf, ProblemError, StaleCauseError, UnavailableError } from '../errors.js';
import type { TaskErrorCode } from '../job.js';
import { jsonBytes } from '../json-bytes.js';
import { LEASE_MS, type LeasedTask } from '../lease.js';
import { Loop } from '../loop.js';
import { PIPELINE_QUEUE } from '../node-kind.js';
import { resolveInput, sourceBytes, TooManyItemsError } from '../reference.js';
import type { Outcome } from '../state.js';
import type { OwedLink } from '../store.js';
import { parseLeaseToken } from '../task.js';
import { Turns } from '../turns.js';
import { childEnd, originOf } from './children.js';
import type { Parts } from './parts.js';
import { runPipeline } from './pipelines.js';
import { settleJob } from './settle.js';

/** Links looked at, and tasks leased, in one step. */
const AT_ONCE = 64;
/** In which inputs are read. */
const turns = new Turns();
/** Done at the same time, so that they share commits: each may hold a result of 4 MiB, or an input of 2. */
const TOGETHER = 8;

/**
 * Runs the nodes of kind "pipeline", and keeps jobs and the tasks that have started them together: a job ends with
 * its task, and the task of a pipeline node with its job. Nothing is kept here: what is to be done is read from the
 * store each time, and done by commits that change nothing when they come twice.
 */
export function createSubPipelines(parts: Parts, { worker }: { worker: string }): Loop {
  const { store, clock } = parts;
  let place: string | null = null;
  return new Loop(clock, parts.log, 'sub-pipelines', async () => {
    const owed = await store.owedLinks(place, AT_ONCE);
    place = owed.length < AT_ONCE ? null : owed.at(-1)!.place;
    const followed = await inTurns(parts, owed, (link) => follow(parts, link));
    const queues = [PIPELINE_QUEUE];
    const claim = { queues, max: AT_ONCE, worker, leaseMs: LEASE_MS, at: clock.now() };
    const leased = await store.claim(claim);
    const started = await inTurns(parts, leased, (task) => start(parts, task));
    // What has failed waits for the next poll: it would fail again at once.
    if (!followed || !started) return null;
    return place !== null || leased.length === AT_ONCE ? 0 : null;
  });
}

/** Whether all went well. One that fails keeps no other from its turn. */
async function inTurns<T>(parts: Parts, all: T[], run: (one: T) => Promise<void>): Promise<boolean> {
  let well = true;
  for (let from = 0; from < all.length; from += TOGETHER) {
    const some = all.slice(from, from + TOGETHER).map(async (one) => {
      try {
        await run(one);
      } catch (error) {
        well = false;
        if (!(error instanceof UnavailableError))
          parts.log.error(
            { err: error },
            'a job and the task that has started it could not be kept together',
          );
      }
    });
    await Promise.all(some);
  }
  return well;
}

async function follow(parts: Parts, { todo, child, token, failure, timeoutMs }: OwedLink): Promise<void> {
  const at = parts.clock.now();
  if (todo === 'CANCEL') {
    await settleJob(parts, child.uuid, [{ kind: 'cancel', at, reason: endedParentReason(failure) }]);
    return;
  }
  const end = await childEnd(parts.store, child, timeoutMs);
  await settleTask(
    parts,
    token,
    'results' in end
      ? { kind: 'succeeded', at, result: end.results }
      : { kind: 'failed', at, ...end, crash: false },
  );
}

/** Starts the run that a task stands for; what it is refused for is what the task fails with. */
async function start(parts: Parts, task: LeasedTask): Promise<void> {
  const { accountId, algorithmName: name, token } = task;
  const fail = (code: TaskErrorCode, message: string) =>
    settleTask(parts, token, { kind: 'failed', at: parts.clock.now(), code, message, crash: false });
  await turns.wait(sourceBytes(task.source));
  const input = inputOf(task);
  if ('code' in input) return fail(input.code, input.message);
  const origin = await originOf(parts.store, task, ['stored', 'sub-pipeline']);
  if (typeof origin === 'string') return fail('INPUT_INVALID', origin);
  try {
    await runPipeline(parts, accountId, {
      name,
      version: null,
      overrides: { ...(input.flowInput && { flowInput: input.flowInput }), ...ttlOf(task) },
      flowInputMode: 'merge',
      origin,
      cause: { kind: 'task', token, awaited: true },
      idempotencyKey: null,
      received: null,
    });
  } catch (error) {
    // The task is over: nobody waits for this run.
    if (error instanceof StaleCauseError) return;
    if (!(error instanceof ProblemError)) throw error;
    const [first] = error.problems;
    return fail(first!.code === 'NOT_FOUND' ? 'ALGORITHM_NOT_FOUND' : 'INPUT_INVALID', error.message);
  }
}

type End<K> = Omit<Extract<Outcome, { kind: K }>, 'ref' | 'token'>;

async function settleTask(parts: Parts, token: string, end: End<'succeeded'> | End<'failed'>): Promise<void> {
  const { jobUuid, ...ref } = parseLeaseToken(token)!;
  await settleJob(parts, jobUuid, [{ ...end, ref, token }]);
}

/** One object is the flowInput; any other arguments are its `input`. Null: none were given. */
function inputOf({
  source,
  nodeName,
}: LeasedTask): { flowInput: object | null } | { code: TaskErrorCode; message: string } {
  const tooLarge = (bytes: string) => ({
    code: 'INPUT_TOO_LARGE' as const,
    message: `what node "${nodeName}" hands to its pipeline must be at most ${MAX_CHILD_INPUT_BYTES} bytes of JSON, got ${bytes}; hand over less, or a reference to where it is stored`,
  });
  const bytes = source.oversize ?? sourceBytes(source);
  if (bytes > MAX_CHILD_INPUT_BYTES) return tooLarge(String(bytes));
  let input: unknown[];
  try {
    // Written, an item takes two bytes at least.
    input = resolveInput(source, MAX_CHILD_INPUT_BYTES / 2);
  } catch (error) {
    if (error instanceof TooManyItemsError) return tooLarge('more');
    return { code: 'INPUT_INVALID', message: `the input could not be resolved: ${messageOf(error)}` };
  }
  if (jsonBytes(input, MAX_CHILD_INPUT_BYTES) > MAX_CHILD_INPUT_BYTES) return tooLarge('more');
  if (input.length === 0) return { flowInput: null };
  const [first] = input;
  const single = input.length === 1 && typeof first === 'object' && first !== null && !Array.isArray(first);
  return { flowInput: single ? first : { input } };
}

/** The bound on a task is its run's, in place of what the pipeline says itself. */
function ttlOf({ timeoutMs }: LeasedTask): object {
  return timeoutMs === null ? {} : { options: { ttl: timeoutMs / 1_000 } };
}
