import fc from 'fast-check';
import { Lexer, parse, Source, TokenKind } from 'graphql';
import { expect, test } from 'vitest';
import { limits } from '../../src/http/limits.js';
import { checkShape } from '../../src/http/shape.js';
import { tokenProblem } from '../../src/http/tokens.js';

const deep = (levels: number) => `${'{ a '.repeat(levels)}${'}'.repeat(levels)}`;

test('brackets count to 200 levels, wherever they stand', () => {
  expect(tokenProblem(deep(200))).toBeNull();
  expect(tokenProblem(deep(201))?.message).toContain('at most 200 levels deep');
  expect(tokenProblem(`{ a(b: ${'['.repeat(200)}`)?.message).toContain('at most 200 levels deep');
});

test('brackets in strings, block strings and comments are text', () => {
  const many = '{'.repeat(300);
  for (const text of [`"${many}"`, `"\\"${many}"`, `"""${many}"""`, `"""\\"""${many}"""`, `# ${many}`]) {
    expect(tokenProblem(`{ a(b: ${text}\n) }`)).toBeNull();
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
      expect(tokenProblem(`${head} ${deep(10)} }`)).toBeNull();
      expect(tokenProblem(`${head} ${deep(200)} }`)).not.toBeNull();
    }),
    { numRuns: 500 },
  );
});

test('tokens are counted wherever they stand, comments too; white space and what is in a string are free', () => {
  const { maximum } = limits.tokens;
  const within = ['a '.repeat(maximum - 2), 'a,'.repeat(maximum - 2), `a ${'#\n'.repeat(maximum - 3)}`];
  for (const text of within) {
    expect(tokenProblem(`{ ${text}}`)).toBeNull();
    expect(tokenProblem(`{ ${text} a}`)?.message).toContain(`at most ${maximum} tokens`);
  }
  expect(tokenProblem(`{ a(b: [${'X '.repeat(maximum)}]) }`)?.message).toContain('send data as variables');
  expect(tokenProblem(`{ a(b: "${'X '.repeat(100_000)}") ${' \t\n,'.repeat(50_000)} }`)).toBeNull();
});

test('no document passes with more tokens than the parser would count', () => {
  const token = fc.constantFrom(
    'a',
    '1',
    '-1',
    '1.5e-3',
    '...',
    '$',
    '@',
    '(',
    ')',
    '"x"',
    '"""y"""',
    '{',
    '}',
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 40 }), (tokens) => {
      const text = tokens.join(' ');
      const lexer = new Lexer(new Source(text));
      let counted = 0;
      while (lexer.advance().kind !== TokenKind.EOF) counted++;
      expect(counted).toBe(tokens.length);
      expect(tokenProblem(`${text} ${'a '.repeat(limits.tokens.maximum - counted + 1)}`)).not.toBeNull();
    }),
  );
});

test('a name has at most 200 characters', () => {
  expect(tokenProblem(`{ ${'n'.repeat(200)} }`)).toBeNull();
  expect(tokenProblem(`{ ${'n'.repeat(2_000_000)} }`)?.message).toBe(
    'a name in a document must have at most 200 characters, got 2000000: send data as variables',
  );
});

const shape = (document: string) => () => checkShape(parse(document));
const many = (count: number, one: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => one(index)).join(' ');

test('depth counts through fragments', () => {
  const chain = (length: number) =>
    many(length, (index) => `fragment F${index} on T { a { ...F${index + 1} } }`);
  expect(shape(`{ ...F0 } ${chain(30)}`)).not.toThrow();
  expect(shape(`{ ...F0 } ${chain(31)}`)).toThrow('at most 30 levels deep, fragments counted in, got 31');
  expect(shape(`{ a { ... { ...F0 } } } ${chain(30)}`)).toThrow('at most 30 levels deep');
});

test('fragments in circles are one error, however many there are', () => {
  const circle = many(50, (index) => `fragment F${index} on T { ...F${(index + 1) % 50} ...F${index} }`);
  expect(shape(`{ ...F0 } ${circle}`)).toThrow(
    'the fragment "F0" must not contain itself, got a circle of 50: take one of the spreads out',
  );
  expect(shape('{ x } fragment A on T { a { ...A } }')).toThrow('got a circle of 1');
});

test('root fields count through fragments', () => {
  const ten = (letter: string) => many(10, (index) => `${letter}${index}`);
  const fragment = `fragment R on Query { ${ten('g')} }`;
  expect(shape(`{ ${ten('f')} ...R } ${fragment}`)).not.toThrow();
  expect(shape(`{ ${ten('f')} ...R ... { h } } ${fragment}`)).toThrow(
    'an operation must have at most 20 fields at its root, fragments counted in, got 21',
  );
});

test.each([
  ['aliases of one field', (index: number) => `a${index}: job`],
  ['one field again and again', () => 'job'],
  ['one alias for many fields', (index: number) => `a: f${index}`],
  ['fields of inline fragments without a type', () => '... { job job }'],
  ['fields of inline fragments of one type', () => '... on T { job job }'],
])('%s: the first is free, a hundred may follow, and no more', (_name, one) => {
  const { maximum } = limits.repeats;
  const twice = one(0).includes('job job');
  const within = twice ? maximum / 2 : maximum + 1;
  expect(shape(`{ viewer { ${many(within, one)} } }`)).not.toThrow();
  expect(shape(`{ viewer { ${many(within + 1, one)} } }`)).toThrow(
    'at most 100 fields that their selection already has',
  );
});

test('fields of different types, or under different fields, do not repeat each other', () => {
  const branches = many(40, (index) => `... on T${index} { id name status }`);
  expect(shape(`{ a { ${branches} } b { ${branches} } }`)).not.toThrow();
  expect(shape(`{ a { ${many(99, (index) => `f${index} { id name }`)} } }`)).not.toThrow();
});

test('operations, fragments and inline fragments count together', () => {
  const operations = (count: number) => many(count, (index) => `query Q${index} { a }`);
  expect(shape(operations(100))).not.toThrow();
  expect(shape(`${operations(50)} fragment F on T { ${many(50, () => '... { b }')} }`)).toThrow(
    'at most 100 operations and fragments',
  );
  // Also a second fragment of the same name, which validation would compare before it refuses it.
  const twice = many(2, () => `fragment F on T { ${many(60, () => 'a')} }`);
  expect(shape(`${twice} { ...F }`)).toThrow('at most 100 fields');
});

test('directives count wherever they stand', () => {
  const skip = many(51, () => '@skip(if: true)');
  for (const document of [
    `query ${skip} { a }`,
    `query ($v: Int ${skip}) { a }`,
    `{ a ${skip} }`,
    `{ ... ${skip} { a } }`,
    `{ ...F ${skip} } fragment F on T { a }`,
    `{ a } fragment F on T ${skip} { a }`,
  ]) {
    expect(shape(document)).toThrow('a document must have at most 50 directives');
  }
});

test('variables are counted', () => {
  const query = (count: number) => `query (${many(count, (index) => `$v${index}: Int`)}) { a }`;
  expect(shape(query(100))).not.toThrow();
  expect(shape(query(101))).toThrow('an operation must have at most 100 variables, got 101');
});
