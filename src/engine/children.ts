import { MAX_DEPTH, tooDeepSentence } from '../child.js';
import type { Job, JobType, Origin, TaskErrorCode } from '../job.js';
import { type LeasedTask, TIMEOUT_MESSAGE } from '../lease.js';
import { MAX_TASK_RESULT_BYTES, resultItemJson } from '../result.js';
import type { Store } from '../store.js';

/** Read at once: a page of results is one look at the database, and others get their turn after it. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_ITEMS = 1_000;
/** Why a job is stopped whose ttl has ended. */
const EXPIRED = 'pipeline expired';

/** How a job comes about that a task starts; a sentence where it would be too deep, or its parent is gone. */
export async function originOf(
  store: Store,
  { accountId, jobId }: Pick<LeasedTask, 'accountId' | 'jobId'>,
  types: JobType[],
): Promise<Origin | string> {
  const parent = await store.job(accountId, jobId);
  const depth = (parent?.depth ?? 0) + 1;
  const within = depth > MAX_DEPTH ? await nesting(store, parent) : depth;
  return within > MAX_DEPTH ? tooDeepSentence(within) : { types, parentId: jobId, rerunOfId: null, depth };
}

/** How deep a child of this job would lie. Depths count triggers as well, of which a chain may be longer. */
async function nesting(store: Store, parent: Job | null): Promise<number> {
  let within = 1;
  for (let job = parent; job?.parentId && job.types.includes('sub-pipeline') && within <= MAX_DEPTH; within++)
    job = await store.job(job.accountId, job.parentId);
  return within;
}

/** What the end of a job means for the task that has started it: its results as JSON, or a failure. */
export type ChildEnd = { results: string } | { code: TaskErrorCode; message: string };

/** `timeoutMs` is the bound that the task has set on it, if it has. */
export async function childEnd(store: Store, child: Job, timeoutMs: number | null = null): Promise<ChildEnd> {
  if (child.status === 'COMPLETED') return resultsOf(store, child);
  if (child.status === 'FAILED')
    return { code: 'ALGORITHM_ERROR', message: child.error?.message ?? 'the pipeline has failed' };
  if (timeoutMs !== null && child.reason === EXPIRED) return { code: 'TIMEOUT', message: TIMEOUT_MESSAGE };
  return { code: 'ALGORITHM_ERROR', message: child.reason ?? 'the pipeline was stopped' };
}

async function resultsOf(store: Store, { accountId, id }: Job): Promise<ChildEnd> {
  const items: string[] = [];
  let bytes = 2;
  for (;;) {
    const page = await store.results(accountId, id, items.length, PAGE_ITEMS, PAGE_BYTES);
    if (page.length === 0) return { results: `[${items.join(',')}]` };
    for (const item of page) {
      const json = resultItemJson(item);
      bytes += Buffer.byteLength(json) + 1;
      items.push(json);
    }
    if (bytes > MAX_TASK_RESULT_BYTES) {
      const message = `the results of ${id} are above ${MAX_TASK_RESULT_BYTES} bytes of JSON together: have it return less, or where they are kept`;
      return { code: 'RESULT_TOO_LARGE', message };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
