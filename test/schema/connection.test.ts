import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrayConnection, connection, encodeRowCursor, type PageArgs } from '../../schema/connection.js';
import type { Page } from '../../src/store.js';

const rows = Array.from({ length: 7 }, (_, index) => ({ id: `row-${index}` }));

/** What the Store port promises of a page. */
async function load({ limit, after, before, inverted }: Page) {
  const from = after === null ? 0 : rows.findIndex((row) => row.id === after) + 1;
  const to = before === null ? rows.length : rows.findIndex((row) => row.id === before);
  const range = rows.slice(from, Math.max(from, to));
  return (inverted ? range.reverse() : range).slice(0, limit);
}

const ids = async (args: PageArgs) => (await connection(args, load)).edges.map(({ node }) => node.id);

test('a page holds 50 rows unless it says otherwise', async () => {
  const limits: number[] = [];
  await connection({}, async ({ limit }) => {
    limits.push(limit);
    return [];
  });
  expect(limits).toEqual([51]);
});

test('first takes from the start and last from the end, both in the order of the list', async () => {
  expect(await ids({ first: 2 })).toEqual(['row-0', 'row-1']);
  expect(await ids({ last: 2 })).toEqual(['row-5', 'row-6']);
  expect(await ids({ first: 2, after: encodeRowCursor('row-3') })).toEqual(['row-4', 'row-5']);
  expect(await ids({ last: 2, before: encodeRowCursor('row-3') })).toEqual(['row-1', 'row-2']);
});

test('first 0 is an empty page that tells whether there is anything', async () => {
  expect(await connection({ first: 0 }, load)).toEqual({
    edges: [],
    pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: null, endCursor: null },
  });
});

test.each([
  [{ first: 1, last: 1 }, 'give first or last, not both: got first 1 and last 1'],
  [{ first: -1 }, 'first must be 0 to 100, got -1'],
  [{ last: 101 }, 'last must be 0 to 100, got 101'],
  [{ after: 'no cursor!' }, 'after must be a cursor that this list gave, got "no cursor!"'],
  [{ before: '' }, 'before must be a cursor that this list gave, got ""'],
])('%j is refused with the field, the bound and the value', async (args, message) => {
  await expect(connection(args, load)).rejects.toMatchObject({
    message,
    extensions: { code: 'BAD_USER_INPUT' },
  });
});

test('paging by any size, forwards or backwards, meets every row once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.boolean(), async (size, forwards) => {
      const seen: string[] = [];
      let args: PageArgs = forwards ? { first: size } : { last: size };
      for (;;) {
        const { edges, pageInfo } = await connection(args, load);
        const page = edges.map(({ node }) => node.id);
        if (forwards) seen.push(...page);
        else seen.unshift(...page);
        if (!(forwards ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) break;
        args = forwards
          ? { first: size, after: pageInfo.endCursor }
          : { last: size, before: pageInfo.startCursor };
      }
      expect(seen).toEqual(rows.map((row) => row.id));
    }),
  );
});

test('a list in memory pages as one in the store does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        first: fc.option(fc.nat(9)),
        after: fc.option(fc.nat(6).map((index) => encodeRowCursor(`row-${index}`))),
        before: fc.option(fc.nat(6).map((index) => encodeRowCursor(`row-${index}`))),
      }),
      async (args) => {
        expect(await arrayConnection(args, (row) => row.id, rows)).toEqual(await connection(args, load));
      },
    ),
  );
});
