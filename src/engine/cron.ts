import { countRuns, cronProblem, DEFAULT_CRON_PATTERN, DEFAULT_TIME_ZONE, nextRun } from '../cron.js';
import type { Descriptor } from '../descriptor.js';
import { messageOf, ProblemError, problem, StaleCauseError, UnavailableError } from '../errors.js';
import { Loop, POLL_MS } from '../loop.js';
import { notFoundSentence, type Pipeline } from '../pipeline.js';
import type { CronRun, DueCron } from '../store.js';
import { triggersOf } from '../triggers.js';
import { allOf } from './all-of.js';
import type { Parts } from './parts.js';
import { runPipeline, savePipeline } from './pipelines.js';
import { Warnings } from './warnings.js';

/** Runs submitted at once, of about 1 ms each and each of another pipeline: they share a commit. */
const AT_ONCE = 8;
/** Runs of one look: to see that a thousand are due takes 2 ms. */
const LOOKED_AT = 64;
/** A run this late was not missed: the server was busy, or has just been restarted. */
const LATE_MS = 10_000;
/** Counting a run costs about 0.1 ms. */
const COUNTED = 100;
/** Savers of a pipeline that may come in between; each of them got on. */
const TRIES = 10;
const MAX_ERROR = 1_000;

/**
 * Submits the runs that crons owe. Each is taken off in the transaction that writes its job, and the run after it is
 * computed from its own time and not from now: so none is missed or doubled, whatever dies and however clocks are set.
 * Missed runs are made up one by one, those of the last `catchUpMs`.
 */
export function createCron(parts: Parts, catchUpMs: number): Loop {
  const { store, clock, log } = parts;
  const warnings = new Warnings(parts);
  const window = Math.max(catchUpMs, LATE_MS);
  return new Loop(clock, log, 'cron', async () => {
    const at = clock.now();
    const { due, nextAt } = await store.dueCrons(at, LOOKED_AT);
    for (let from = 0; from < due.length; from += AT_ONCE) {
      await allOf(due.slice(from, from + AT_ONCE), (one) =>
        one.scheduledAt < at - window
          ? skipMissed(parts, warnings, one, at - window)
          : submitRun(parts, warnings, one),
      );
    }
    if (due.length > 0) return 0;
    return nextAt === null ? POLL_MS : Math.max(nextAt - clock.now(), 1);
  });
}

async function submitRun(parts: Parts, warnings: Warnings, due: DueCron): Promise<void> {
  const { accountId, pipelineName: name, lastError: known } = due;
  const run = runOf(due, due.scheduledAt);
  try {
    await runPipeline(parts, accountId, {
      ...{ name, version: null, overrides: {}, received: null, idempotencyKey: null },
      origin: { types: ['stored', 'cron'], parentId: null, rerunOfId: null, depth: 0 },
      cause: { kind: 'cron', ...run },
    });
  } catch (error) {
    const refusal = refusalOf(parts, error, { accountId, pipeline: name });
    if (refusal === null || !(await parts.store.skipCron(run, refusal)) || refusal === known) return;
    warnings.warn({ accountId, pipeline: name }, `a run by cron could not be submitted: ${refusal}`);
  }
}

/** Goes on to the first run that is not older than `oldest`. */
async function skipMissed({ store }: Parts, warnings: Warnings, due: DueCron, oldest: number): Promise<void> {
  const { accountId, pipelineName, lastError, scheduledAt } = due;
  if (!(await store.skipCron(runOf(due, oldest - 1), lastError))) return;
  const missed = 1 + countRuns(due, scheduledAt, oldest, COUNTED);
  const count = missed > COUNTED ? `more than ${COUNTED}` : String(missed);
  warnings.warn(
    { accountId, pipeline: pipelineName },
    `runs by cron that were missed too long ago are skipped: ${count}, the first of ${new Date(scheduledAt).toISOString()}`,
  );
}

function runOf({ pipelineId, pattern, timeZone, scheduledAt }: DueCron, after: number): CronRun {
  return { pipelineId, pattern, timeZone, scheduledAt, nextAt: nextRun(pattern, timeZone, after) };
}

/**
 * Why a run could not be submitted and never will be, as it is kept; null where somebody else has seen to it. What may
 * be tried again is thrown on. A fault of ours counts as a refusal: a run that fails for ever would hold up the others.
 */
export function refusalOf({ log }: Parts, error: unknown, facts: object): string | null {
  if (error instanceof StaleCauseError) return null;
  if (error instanceof UnavailableError) throw error;
  if (error instanceof ProblemError) return messageOf(error).slice(0, MAX_ERROR);
  log.error({ err: error, ...facts }, 'a run that was owed failed to be submitted');
  return 'Carillon could not submit this run; its log says why';
}

/** Saves a version with the cron on or off; the same descriptor makes no version. */
export async function setCron(
  parts: Parts,
  accountId: string,
  name: string,
  { pattern, enabled }: { pattern?: string; enabled: boolean },
): Promise<Pipeline> {
  const wrong = pattern === undefined ? null : cronProblem(pattern, DEFAULT_TIME_ZONE);
  if (wrong) throw problem('INVALID', `pattern ${wrong.message}`, ['pattern']);
  for (let tries = 1; ; tries++) {
    const found = await parts.store.pipelineDescriptor(accountId, name, null);
    if (!found) throw problem('NOT_FOUND', notFoundSentence(name), ['name']);
    const stored = JSON.parse(found.descriptor) as Descriptor;
    const known = triggersOf(stored).cron?.pattern ?? DEFAULT_CRON_PATTERN;
    const cron = { ...stored.triggers?.cron, pattern: pattern ?? known, enabled };
    const descriptor = { ...stored, triggers: { ...stored.triggers, cron } };
    try {
      return await savePipeline(parts, accountId, { descriptor, mode: 'update', ifVersion: found.version });
    } catch (error) {
      const moved = error instanceof ProblemError && error.problems[0]?.code === 'CONFLICT';
      if (!moved || tries === TRIES) throw error;
    }
  }
}
