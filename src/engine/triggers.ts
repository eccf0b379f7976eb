import { problem } from '../errors.js';
import { Loop } from '../loop.js';
import { resultItemJson } from '../result.js';
import type { DueTrigger } from '../store.js';
import { MAX_TRIGGER_DEPTH } from '../triggers.js';
import { allOf } from './all-of.js';
import { refusalOf } from './cron.js';
import type { Parts } from './parts.js';
import { runPipeline } from './pipelines.js';
import { Warnings } from './warnings.js';

/** Runs submitted at once, of about 1 ms each: they share a commit. */
const AT_ONCE = 8;
/** Results that are handed on, as text; what is submitted at once has about as much together. */
export const MAX_PARENT_BYTES = 4 * 1024 * 1024;
const PAGE_ITEMS = 1_000;
const PAGE_BYTES = 512 * 1024;

/**
 * Submits the runs that stored pipelines are owed by the runs they follow. Each is taken off in the transaction that
 * writes its job: it is submitted exactly once, whatever dies. One that is refused is remembered and owed no more.
 */
export function createTriggers(parts: Parts): Loop {
  const warnings = new Warnings(parts);
  return new Loop(parts.clock, parts.log, 'triggers', async () => {
    const due = await parts.store.dueTriggers(AT_ONCE, MAX_PARENT_BYTES);
    await allOf(due, (one) => submitRun(parts, warnings, one));
    return due.length > 0 ? 0 : null;
  });
}

async function submitRun(parts: Parts, warnings: Warnings, due: DueTrigger): Promise<void> {
  const { key, accountId, pipelineName: name, jobId: parentId } = due;
  const depth = due.depth + 1;
  try {
    if (depth > MAX_TRIGGER_DEPTH) throw tooDeep(parentId);
    await runPipeline(parts, accountId, {
      ...{ name, version: null, received: null, idempotencyKey: null },
      overrides: { flowInput: { parent: await resultsOf(parts, due) } },
      flowInputMode: 'assign',
      origin: { types: ['stored', 'trigger'], parentId, rerunOfId: null, depth },
      cause: { kind: 'trigger', key },
    });
  } catch (error) {
    const refusal = refusalOf(parts, error, { accountId, pipeline: name, parentId });
    if (refusal === null) return;
    await parts.store.dropTrigger(key, refusal);
    warnings.warn({ accountId, pipeline: name, parentId }, `a triggered run was refused: ${refusal}`);
  }
}

/** The results of the job that triggers, as HKube hands them on: in pages, between which others get their turns. */
async function resultsOf(
  { store }: Parts,
  { accountId, jobId, resultBytes }: DueTrigger,
): Promise<unknown[]> {
  if (resultBytes > MAX_PARENT_BYTES) throw tooLarge(jobId);
  const results: unknown[] = [];
  for (let bytes = 0; ; ) {
    const page = await store.results(accountId, jobId, results.length, PAGE_ITEMS, PAGE_BYTES);
    if (page.length === 0) return results;
    const texts = page.map(resultItemJson);
    bytes += texts.reduce((sum, text) => sum + text.length + 1, 0);
    if (bytes > MAX_PARENT_BYTES) throw tooLarge(jobId);
    for (const text of texts) results.push(JSON.parse(text));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function tooLarge(jobId: string) {
  return problem(
    'LIMIT_REACHED',
    `the results of job ${jobId} are longer than ${MAX_PARENT_BYTES} characters of JSON, which is as much as can be handed on as flowInput.parent`,
  );
}

function tooDeep(jobId: string) {
  return problem(
    'LIMIT_REACHED',
    `job ${jobId} is run ${MAX_TRIGGER_DEPTH} of a chain of runs that started each other, and a chain ends there: see that no pipeline triggers itself, by whatever way`,
  );
}
