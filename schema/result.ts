import type { ResultItem } from '../src/result.js';
import { batchId } from '../src/task.js';
import { apiError } from './api-error.js';
import { type Connection, decodeRowCursor, encodeRowCursor, type PageArgs, pageSize } from './connection.js';
import type { Context } from './context.js';
import { ResultRef } from './refs.js';

// Parsing and printing more would hold up everybody else. A single result of 4 MiB is given all the same.
const MAX_PAGE_BYTES = 1024 * 1024;

ResultRef.implement({
  description: 'One item of what a job has made.',
  fields: (t) => ({
    nodeName: t.exposeString('nodeName', { description: 'The node it comes from.' }),
    batchIndex: t.exposeInt('batchIndex', {
      nullable: true,
      description: 'Its item in the batch, from 1; null outside a batch; -1 of a node that was skipped.',
    }),
    batchId: t.string({
      nullable: true,
      description: '"<node>#<item>"; null outside a batch and of a node that was skipped.',
      resolve: ({ nodeName, batchIndex }) =>
        batchIndex === null || batchIndex < 0 ? null : batchId(nodeName, batchIndex),
    }),
    algorithmName: t.exposeString('algorithmName', { description: 'The algorithm that made it.' }),
    result: t.field({
      authScopes: { scope: 'READ' },
      type: 'JSON',
      nullable: true,
      description: 'What the algorithm returned; null where it failed, was skipped or returned null.',
      resolve: ({ resultJson }) => (resultJson === null ? null : (JSON.parse(resultJson) as unknown)),
    }),
    error: t.exposeString('error', { nullable: true, description: 'Why it failed; null where it did not.' }),
  }),
});

/** Results have no ids: a cursor is the count of the items up to its own. */
export async function resultPage(
  jobId: string,
  args: PageArgs,
  { store, viewer, content }: Context,
): Promise<Connection<ResultItem>> {
  const read = (from: number, limit: number, maxBytes: number) =>
    store.results(viewer.account.id, jobId, from, limit, maxBytes);
  const size = pageSize(args);
  const start = placeOf('after', args.after) ?? 0;
  const before = placeOf('before', args.before);
  let from = start;
  let end = before === null ? Number.POSITIVE_INFINITY : before - 1;
  if (args.first == null && (args.last != null || (before !== null && args.after == null))) {
    if (before === null) end = await countFrom(start, async (at) => (await read(at, 1, 1)).length > 0);
    from = Math.max(start, end - size);
  }
  const wanted = Math.max(0, Math.min(size, end - from));
  const page = () => (wanted === 0 ? Promise.resolve([]) : read(from, wanted, MAX_PAGE_BYTES));
  const items = (await content.read(page, lengthOf)).slice(0, wanted);
  const next = from + items.length;
  const edges = items.map((node, index) => ({ cursor: encodeRowCursor(String(from + index + 1)), node }));
  return {
    edges,
    pageInfo: {
      // A page may have been cut by its size, so only a look tells whether another item follows.
      hasNextPage: (await read(next, 1, 1)).length > 0,
      hasPreviousPage: from > 0,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function lengthOf(items: readonly ResultItem[]): number {
  return items.reduce((sum, { resultJson, error }) => sum + (resultJson ?? error ?? '').length, 0);
}

function placeOf(field: 'after' | 'before', cursor: string | null | undefined): number | null {
  const key = decodeRowCursor(field, cursor);
  if (key === null) return null;
  if (!/^[1-9]\d{0,8}$/.test(key)) {
    throw apiError('BAD_USER_INPUT', `${field} must be a cursor that this list gave, got "${cursor}"`);
  }
  return Number(key);
}

/** The end of a list that can only be asked whether it has an item at a place: doubling, then halving. */
async function countFrom(start: number, hasItem: (at: number) => Promise<boolean>): Promise<number> {
  let low = start;
  let step = 1;
  while (await hasItem(low + step - 1)) {
    low += step;
    step *= 2;
  }
  // Items stand below `low`; none stands at `high` or above.
  let high = low + step - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await hasItem(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
