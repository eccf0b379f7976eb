import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsedBytes } from '../src/heap.js';

/** Containers, keys and elements, counted in the value itself. */
function counted(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value);
  const own = 64 + (Array.isArray(value) ? 0 : 40 * inner.length) + 24 * Math.max(inner.length - 1, 0);
  return inner.reduce((sum: number, one) => sum + counted(one), own);
}

test('counts what a text is parsed to, and nothing of what stands in strings', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '"', '\\', '[', '{', ',', ':', 'é') });
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, text, fc.double({ noNaN: true }), tie('list'), tie('object')),
    list: fc.array(tie('value')),
    object: fc.dictionary(text, tie('value')),
  }));
  fc.assert(
    fc.property(value, (one) => {
      const json = JSON.stringify(one);
      expect(parsedBytes(json)).toBe(2 * json.length + counted(one));
    }),
  );
});
