import { expect, it } from 'vitest';
import { Turns } from '../src/turns.js';

const LARGE = 1_000_000;

/** How many of these texts are begun in each turn of the event loop, in which something else runs as well. */
async function turnsOf(texts: number[]): Promise<number[]> {
  const turns = new Turns();
  const begun = [0];
  let open = true;
  const other = () => {
    begun.push(0);
    if (open) setImmediate(other);
  };
  setImmediate(other);
  const order: number[] = [];
  await Promise.all(
    texts.map(async (chars, index) => {
      await turns.wait(chars);
      order.push(index);
      begun[begun.length - 1]! += 1;
    }),
  );
  open = false;
  expect(order).toEqual(texts.map((_, index) => index));
  return begun.filter((count) => count > 0);
}

it('texts that are large are begun one in a turn of the event loop, small ones together, all in order', async () => {
  expect(await turnsOf([LARGE, LARGE, LARGE])).toEqual([1, 1, 1]);
  expect(await turnsOf([100, 100, 100])).toEqual([3]);
  expect(await turnsOf([100, LARGE, 100, 100])).toEqual([1, 1, 2]);
  expect(await turnsOf(Array(100).fill(2_000))).toEqual([32, 32, 32, 4]);
});
