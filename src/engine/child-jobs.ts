import type { ChildJobs, ChildRequest, ChildTask } from '../child.js';
import { ProblemError, StaleCauseError, UnavailableError } from '../errors.js';
import { isEnded, type Job } from '../job.js';
import { Loop } from '../loop.js';
import { childEnd, originOf } from './children.js';
import type { SubmitInput } from './engine.js';
import type { Parts } from './parts.js';
import { runPipeline } from './pipelines.js';
import { submit } from './submit.js';

const ENDED = 'the task that has asked for this job has ended';
const BROKEN = 'Carillon could not start this job, or read its results; its log says why';

interface Waiting {
  child: Job;
  resolve(job: Job): void;
}

/**
 * Starts jobs for the code of tasks, and waits for their ends. What keeps the two together is in the store: a task
 * that is gone takes its jobs with it, whatever is remembered here.
 */
export function createChildJobs(parts: Parts): { jobs: ChildJobs; loop: Loop } {
  const { store, bus, clock, log } = parts;
  const waiting = new Map<string, Waiting>();

  const look = async ({ child, resolve }: Waiting) => {
    const now = await store.job(child.accountId, child.id);
    if (!now || !isEnded(now.status)) return;
    waiting.delete(child.id);
    resolve(now);
  };
  const loop = new Loop(clock, log, 'child-jobs', async () => {
    for (const one of [...waiting.values()]) await look(one);
    return null;
  });
  bus.listen('events', ({ events }) => {
    for (const { job, facts } of events) {
      const one = job && facts.of === 'job' && isEnded(facts.status) && waiting.get(job.id);
      // A failure here costs latency only: the loop looks again.
      if (one) look(one).catch(() => {});
    }
  });
  const ended = (child: Job) =>
    new Promise<Job>((resolve, reject) => {
      const one = { child, resolve };
      waiting.set(child.id, one);
      // It may have ended before anybody listened.
      look(one).catch(reject);
    });

  return {
    loop,
    jobs: {
      async run(task, request, withResults) {
        try {
          const child = await ended(await start(parts, task, request));
          if (child.status === 'COMPLETED' && !withResults) return null;
          const end = await childEnd(store, child);
          if ('results' in end) return end.results;
          throw new Refusal(end.message);
        } catch (error) {
          throw refusalOf(error) ?? broken(parts, task, error);
        }
      },
    },
  };
}

/** An end that the algorithm is told of. */
class Refusal extends Error {}

function refusalOf(error: unknown): Error | null {
  if (error instanceof StaleCauseError) return new Refusal(ENDED);
  const told = [Refusal, ProblemError, UnavailableError].some((kind) => error instanceof kind);
  return told ? (error as Error) : null;
}

function broken({ log }: Parts, { jobId, token }: ChildTask, error: unknown): Error {
  log.error({ err: error, jobId, taskId: token.split('.')[0] }, 'a job could not be started for a task');
  return new Refusal(BROKEN);
}

async function start(parts: Parts, task: ChildTask, request: ChildRequest): Promise<Job> {
  const { accountId, token } = task;
  const origin = await originOf(parts.store, task, [request.kind, 'sub-pipeline']);
  if (typeof origin === 'string') throw new Refusal(origin);
  const common = {
    origin,
    cause: { kind: 'task', token, awaited: false } as const,
    idempotencyKey: null,
    received: null,
  };
  if (request.kind !== 'stored') return submit(parts, accountId, { ...common, ...descriptorOf(request) });
  const { name, flowInput } = request;
  return runPipeline(parts, accountId, {
    ...common,
    name: String(name),
    version: null,
    overrides: { flowInput },
    flowInputMode: 'merge',
  });
}

function descriptorOf(
  request: Exclude<ChildRequest, { kind: 'stored' }>,
): Pick<SubmitInput, 'operation' | 'descriptor'> {
  const operation = 'submitPipeline';
  if (request.kind === 'raw') {
    const { kind: _kind, ...descriptor } = request;
    return { operation, descriptor };
  }
  const { name } = request;
  if (!Array.isArray(request.input))
    throw new Refusal('the input of startAlgorithm must be an array: the arguments');
  // Arguments are values here: what starts with a sign is no reference.
  const input = request.input.map((_, index) => `@flowInput.input.${index}`);
  const nodes = [{ nodeName: name, algorithmName: name, input }];
  return { operation, descriptor: { name, nodes, flowInput: { input: request.input } } };
}
