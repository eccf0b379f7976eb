import { expect, test } from 'vitest';
import { GroupTexts, SharedTexts } from '../../src/http/shared-texts.js';

const MIB = 1024 * 1024;
const rendered = (position: number, length: number) => ({
  position,
  text: 'x'.repeat(length),
  cursor: () => null,
});
const keptOf = (texts: GroupTexts, upTo: number) =>
  Array.from({ length: upTo }, (_, index) => index + 1).filter((position) => texts.get(position, 0));

test('a group keeps its newest answers, a mebibyte of them', () => {
  const texts = new GroupTexts(new SharedTexts(), Number.POSITIVE_INFINITY);
  for (let position = 1; position <= 40; position++) texts.set(position, rendered(position, 100_000), 0);
  expect(keptOf(texts, 40)).toEqual([31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  texts.set(41, rendered(41, 2 * MIB), 0);
  expect(keptOf(texts, 41)).toEqual([]);
});

test('all groups together keep 64 MiB: who began first gives first, and who has left counts no more', () => {
  const all = new SharedTexts();
  const groups = Array.from({ length: 70 }, () => new GroupTexts(all, Number.POSITIVE_INFINITY));
  const fill = (texts: GroupTexts) => texts.set(1, rendered(1, MIB - 1_000), 0);
  for (const texts of groups.slice(0, 60)) fill(texts);
  for (const texts of groups.slice(0, 20)) texts.clear();
  // Kept again and again, an answer counts once.
  for (let times = 0; times < 50; times++) fill(groups[60]!);
  for (const texts of groups.slice(61)) fill(texts);
  expect(groups.map((texts) => keptOf(texts, 1).length)).toEqual([
    ...Array(20).fill(0),
    ...Array(50).fill(1),
  ]);
  for (const texts of groups.slice(0, 20)) fill(texts);
  // 70 are too many by six: those of the 20th to the 25th go.
  const gone = groups.flatMap((texts, index) => (keptOf(texts, 1).length === 0 ? [index] : []));
  expect(gone).toEqual([20, 21, 22, 23, 24, 25]);
});
