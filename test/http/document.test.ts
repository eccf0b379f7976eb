import fc from 'fast-check';
import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { depthOf, MAX_DOCUMENT_NAMES, parseDocument, sizeProblem } from '../../src/http/document.js';

const deep = (levels: number) => `${'{ a '.repeat(levels)}${'}'.repeat(levels)}`;

test('brackets count to 200 levels, wherever they stand', () => {
  expect(sizeProblem(deep(200))).toBeNull();
  expect(sizeProblem(deep(201))).toContain('at most 200 levels deep');
  expect(sizeProblem(`{ a(b: ${'['.repeat(200)}`)).toContain('at most 200 levels deep');
});

test('brackets in strings, block strings and comments are text', () => {
  const many = '{'.repeat(300);
  for (const text of [`"${many}"`, `"\\"${many}"`, `"""${many}"""`, `"""\\"""${many}"""`, `# ${many}`]) {
    expect(sizeProblem(`{ a(b: ${text}\n) }`)).toBeNull();
  }
});

test('no string or comment hides the brackets behind it, or shows those within', () => {
  const content = fc
    .array(fc.constantFrom('a', ' ', '#', '{', '}', '[', '\\\\', '\\"', "'"), { maxLength: 12 })
    .map((parts) => `"${parts.join('')}"`);
  const block = fc
    .array(fc.constantFrom('a', '\n', '#', '{', '}', '"a', '""a', '\\"""', '\\ ', "'"), { maxLength: 12 })
    .map((parts) => `"""${parts.join('')} """`);
  const comment = fc
    .array(fc.constantFrom('a', '"', '"""', '{', '}', '\\'), { maxLength: 12 })
    .map((parts) => `#${parts.join('')}\n`);
  fc.assert(
    fc.property(fc.array(fc.oneof(content, block, comment), { maxLength: 6 }), (pieces) => {
      const head = `{ a(b: [${pieces.join(' ')}])`;
      // The parser agrees that these are values, so what follows is brackets and nothing else is.
      parse(`${head} }`);
      expect(sizeProblem(`${head} ${deep(10)} }`)).toBeNull();
      expect(sizeProblem(`${head} ${deep(200)} }`)).not.toBeNull();
    }),
    { numRuns: 500 },
  );
});

test('names outside of arguments are counted, those within are data', () => {
  expect(sizeProblem(`{ ${'a '.repeat(MAX_DOCUMENT_NAMES)}}`)).toBeNull();
  expect(sizeProblem(`{ ${'a '.repeat(MAX_DOCUMENT_NAMES + 1)}}`)).toContain('at most 5000 names');
  expect(sizeProblem(`{ a(b: [${'X '.repeat(100_000)}]) }`)).toBeNull();
});

test('depth counts through fragments and stops at cycles', () => {
  const chain = (length: number) =>
    Array.from({ length }, (_, index) => `fragment F${index} on T { a { ...F${index + 1} } }`).join(' ');
  expect(depthOf(parse('{ a { b { ... { c } } } x }'))).toBe(3);
  expect(depthOf(parse(`{ ...F0 } ${chain(20)}`))).toBe(20);
  expect(depthOf(parse('{ ...A } fragment A on T { a { ...B } } fragment B on T { b { ...A } }'))).toBe(2);
  expect(() => parseDocument(`{ ...F0 } ${chain(31)}`)).toThrow('at most 30 levels deep');
});
