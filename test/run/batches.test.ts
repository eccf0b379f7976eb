import { describe, expect, it } from 'vitest';
import { parseReference } from '../../src/reference.js';
import { openBatch } from '../../src/run/batches.js';
import type { ExpansionInputs } from '../../src/store.js';

const inputs = (list: unknown, path = 'x'): ExpansionInputs => ({
  nodeName: 'n',
  references: [parseReference(`#@p.${path}`)!],
  operation: 'indexed',
  source: {
    template: '[]',
    flowInput: null,
    results: { p: { batch: false, json: JSON.stringify({ x: list }) } },
    item: null,
  },
});

describe('a batch', () => {
  const small = Array.from({ length: 10 }, (_, index) => index);
  const large = Array.from({ length: 20_000 }, (_, index) => ({ index }));

  it.each([
    ['small', small],
    ['large, in a thread of its own', large],
  ])('that is %s gives its items from anywhere', async (_what, list) => {
    const batch = await openBatch(inputs(list));
    if (!('items' in batch)) throw new Error(batch.message);
    expect(batch.total).toBe(list.length);
    expect(await batch.items(0, 2)).toEqual([JSON.stringify([list[0]]), JSON.stringify([list[1]])]);
    expect(await batch.items(list.length - 1, 1)).toEqual([JSON.stringify([list.at(-1)])]);
    batch.close();
  });

  it.each([
    ['small', small],
    ['large', large],
  ])('over a path that is not there says so, be it %s', async (_what, list) => {
    expect(await openBatch(inputs(list, 'y'))).toEqual({
      code: 'INPUT_INVALID',
      message: 'node "n": path "y" of "#@p.y" was not found in the result of node "p"',
    });
  });

  it('above the largest input is refused by size, without its text', async () => {
    const source = { ...inputs([]).source, oversize: 99_000_000 };
    expect(await openBatch({ ...inputs([]), source })).toMatchObject({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringContaining('99000000'),
    });
  });
});
