import { shown } from '../src/errors.js';
import type { Page } from '../src/store.js';
import { apiError } from './api-error.js';

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 100;

export interface PageArgs {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

export interface Connection<T> {
  edges: { cursor: string; node: T }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

/** How many rows a page holds; BAD_USER_INPUT with field, bound and value. */
export function pageSize({ first, last }: Pick<PageArgs, 'first' | 'last'>): number {
  if (first != null && last != null) {
    throw apiError('BAD_USER_INPUT', `give first or last, not both: got first ${first} and last ${last}`);
  }
  for (const [field, value] of [
    ['first', first],
    ['last', last],
  ] as const) {
    if (value != null && (value < 0 || value > MAX_PAGE)) {
      throw apiError('BAD_USER_INPUT', `${field} must be 0 to ${MAX_PAGE}, got ${value}`);
    }
  }
  return first ?? last ?? DEFAULT_PAGE;
}

/** An opaque cursor for a row's key: its public id, or its place. */
export function encodeRowCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

export function decodeRowCursor(field: 'after' | 'before', cursor: string | null | undefined): string | null {
  if (cursor == null) return null;
  // The longest key is a job's id: a pipeline's name of 200 characters and a UUID.
  const key = cursor.length <= 400 ? Buffer.from(cursor, 'base64url').toString() : '';
  if (key === '' || encodeRowCursor(key) !== cursor) {
    throw apiError('BAD_USER_INPUT', `${field} must be a cursor that this list gave, got ${shown(cursor)}`);
  }
  return key;
}

/** A page of rows that the store finds by their ids. */
export function connection<T extends { id: string }>(
  args: PageArgs,
  load: (page: Page) => Promise<T[]>,
): Promise<Connection<T>> {
  return keyedConnection(args, (row) => row.id, load);
}

/** The same of rows with places of their own. One row more than asked for tells whether another page follows. */
export async function keyedConnection<T>(
  args: PageArgs,
  keyOf: (row: T) => string,
  load: (page: Page) => Promise<T[]>,
): Promise<Connection<T>> {
  const size = pageSize(args);
  const [after, before] = [decodeRowCursor('after', args.after), decodeRowCursor('before', args.before)];
  const inverted = args.first == null && (args.last != null || (before !== null && after === null));
  const rows = await load({ limit: size + 1, after, before, inverted });
  const more = rows.length > size;
  const page = rows.slice(0, size);
  // An inverted page is read from the end, so its rows come last one first.
  if (inverted) page.reverse();
  const edges = page.map((node) => ({ cursor: encodeRowCursor(keyOf(node)), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: inverted ? before !== null : more,
      hasPreviousPage: inverted ? more : after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/** A page without anything. */
export function emptyConnection<T>(args: PageArgs): Promise<Connection<T>> {
  return arrayConnection<T>(args, () => '', []);
}

/** A page of a list that is small enough to be had whole. An unknown key stands at the end, where it finds nothing. */
export function arrayConnection<T>(
  args: PageArgs,
  keyOf: (row: T) => string,
  rows: readonly T[],
): Promise<Connection<T>> {
  const placeOf = (key: string) => {
    const place = rows.findIndex((row) => keyOf(row) === key);
    return place < 0 ? rows.length : place;
  };
  return keyedConnection(args, keyOf, async ({ limit, after, before, inverted }) => {
    const from = after === null ? 0 : placeOf(after) + 1;
    const range = rows.slice(from, before === null ? rows.length : Math.max(placeOf(before), from));
    return inverted ? range.reverse().slice(0, limit) : range.slice(0, limit);
  });
}
