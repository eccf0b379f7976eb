import { describe, expect, it } from 'vitest';
import type { BatchOpener, OpenBatch } from '../../src/batch.js';
import { parseReference } from '../../src/reference.js';
import { openBatch, openThere } from '../../src/run/batches.js';
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
    const batch = await opened(openBatch(inputs(list)));
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

  it('of large items gives fewer than it was asked for, and all of them in the end', async () => {
    const list = Array.from({ length: 10 }, (_, index) => String(index).repeat(1_500_000));
    const batch = await opened(openBatch(inputs(list)));
    const made: (string | null)[] = [];
    while (made.length < batch.total) {
      const items = await batch.items(made.length, batch.total - made.length);
      if (!Array.isArray(items)) throw new Error(items.message);
      expect(items.length).toBeGreaterThan(0);
      expect(items.length).toBeLessThan(3);
      made.push(...items);
    }
    batch.close();
    expect(made.map((item) => JSON.parse(item!))).toEqual(list.map((item) => [item]));
  });

  it('of lists of unequal length says of each item which elements it has', async () => {
    const references = [parseReference('#[1,2]')!, parseReference('#[7...7]')!];
    const batch = await opened(openBatch({ ...inputs([]), references }));
    expect(await batch.items(0, 2)).toEqual(['["1",7]', '{"0":"2"}']);
  });

  it('of a node without batch references is one item without elements, whatever the size of its input', async () => {
    const source = { ...inputs([]).source, template: JSON.stringify(['x'.repeat(100_000), '*@p']) };
    const batch = await opened(openBatch({ ...inputs([]), references: [], source }));
    expect([batch.total, await batch.items(0, 1)]).toEqual([1, [null]]);
  });

  it('of one item that is above the largest input is refused by size', async () => {
    const one = inputs(['x'.repeat(2_200_000)]);
    const batch = await opened(openBatch({ ...one, references: Array(32).fill(one.references[0]) }));
    expect(await batch.items(0, 1)).toEqual({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringMatching(
        /^the input of node "n" must be at most 67108864 bytes of JSON, got \d+;/,
      ),
    });
    batch.close();
  });
});

describe('a batch over a text that would fill the memory', () => {
  it('is refused before it is parsed', async () => {
    const one = inputs([]);
    const json = `[${'[],'.repeat(9_000_000)}[]]`;
    const source = { ...one.source, results: { p: { batch: false, json } } };
    expect(await openBatch({ ...one, source })).toEqual({
      code: 'INPUT_TOO_LARGE',
      message: expect.stringMatching(
        /^what the batch of node "n" is made of must take at most 768 MiB .*about 8\d\d;/,
      ),
    });
  });
});

describe('the thread of a batch', () => {
  const thread = (code: string) =>
    openThere(
      new URL(
        `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${code}`)}`,
      ),
      inputs([]),
    );

  it.each([
    ['ends', 'process.exit(7)', 'the thread of a batch has ended with code 7'],
    ['throws', "throw new RangeError('Invalid string length')", 'Invalid string length'],
  ])('that %s before it has opened rejects', async (_what, code, message) => {
    await expect(thread(code)).rejects.toThrow(message);
  });

  it.each([
    ['ends', 'process.exit(7)', 'the thread of a batch has ended with code 7'],
    ['throws', "throw new RangeError('Invalid string length')", 'Invalid string length'],
  ])('that %s over its items rejects this answer and every later one', async (_what, code, message) => {
    const batch = await opened(
      thread(`parentPort.postMessage({ total: 3 }); parentPort.on('message', () => { ${code} });`),
    );
    await expect(batch.items(0, 3)).rejects.toThrow(message);
    await expect(batch.items(0, 3)).rejects.toThrow(message);
    batch.close();
  });
});

async function opened(opening: ReturnType<BatchOpener>): Promise<OpenBatch> {
  const batch = await opening;
  if (!('items' in batch)) throw new Error(batch.message);
  return batch;
}
