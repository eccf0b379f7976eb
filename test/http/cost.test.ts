import { getIntrospectionQuery, getOperationAST, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { weigh } from '../../src/http/cost.js';
import { limits } from '../../src/http/limits.js';
import { operationProblem } from '../../src/http/operation.js';

const schema = createSchema();
const weighed = (text: string, variables: Record<string, unknown> = {}) => {
  const document = parse(text);
  expect(validate(schema, document)).toEqual([]);
  return weigh(schema, document, getOperationAST(document)!, variables);
};
const problemOf = (text: string, variables: Record<string, unknown> = {}) => {
  const problem = operationProblem(schema, parse(text), null, variables);
  return problem && { message: problem.message, code: problem.extensions['code'], at: problem.locations };
};

test.each([
  ['{ viewer { scopes } }', 1],
  ['{ jobs(first: 10) { nodes { id } } }', 20],
  ['{ jobs { nodes { id } } }', 100],
  ['{ jobs(first: 10) { edges { node { id } } } }', 30],
  ['{ jobs(first: 10) { nodes { tasks(first: 5) { nodes { id } } } } }', 10 * (1 + 1 + 5 * 2)],
  [
    '{ ...F } fragment F on Query { jobs(first: 10) { nodes { ...G } } } fragment G on Job { tasks(first: 5) { nodes { id } } }',
    120,
  ],
  // A small page is looked up all the same, an alias reads once more, and JSON is read for itself.
  ['{ jobs(first: 10) { nodes { tasks(first: 0) { nodes { id } } } } }', 10 * (1 + 1 + 5 * 2)],
  ['{ jobs(first: 10) { nodes { id a: id b: id } } }', 10 * (1 + 1 + 2)],
  ['{ jobs(first: 10) { nodes { descriptor } } }', 10 * (1 + 1 + 1)],
  ['{ nodes(ids: ["a", "b"]) { ... on Job { tasks(first: 5) { nodes { id } } } } }', 2 * (1 + 5 * 2)],
])('%s asks for %i objects', (document, objects) => {
  expect(weighed(document)).toEqual({ requested: objects, constant: true });
});

test.each<[string, Record<string, unknown>, number]>([
  ['query ($n: Int) { jobs(first: $n) { nodes { id } } }', { n: 7 }, 14],
  ['query ($n: Int) { jobs(first: $n) { nodes { id } } }', { n: null }, 100],
  ['query ($n: Int) { jobs(first: $n) { nodes { id } } }', {}, 100],
  ['query ($n: Int = 6) { jobs(first: $n) { nodes { id } } }', {}, 12],
  ['query ($n: Int = 6) { jobs(last: $n) { nodes { id } } }', { n: 8 }, 16],
  // What has the wrong type is refused when it is coerced; until then it is the largest page.
  ['query ($n: Int) { jobs(first: $n) { nodes { id } } }', { n: 'x' }, 200],
  ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: ['a', 'b', 'c'] }, 3],
  ['query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: 'a' }, 1],
])('%s with %j asks for %i objects', (document, variables, objects) => {
  expect(weighed(document, variables)).toEqual({ requested: objects, constant: false });
});

test('arguments weigh an object for each 100 characters, wherever they are looked at', () => {
  const ids = JSON.stringify(Array.from({ length: 100 }, (_, index) => `batch:${index}`));
  expect(weighed(`{ nodes(ids: ${ids}) { id } }`).requested).toBe(100 + Math.floor(ids.length / 100));
  const filtered =
    'query ($f: TaskFilter) { jobs(first: 10) { nodes { tasks(filter: $f, first: 1) { nodes { id } } } } }';
  const f = { nodeNames: ['n'.repeat(1_000)] };
  expect(weighed(filtered, { f }).requested).toBe(10 * (1 + 1 + 10 + 5 * 2));
});

test('what a mutation is sent once is free, and weighs where a variable stands again', () => {
  const submit = (descriptor: string) =>
    weighed(
      `mutation ($d: JSON!) { submitDescriptor(input: { descriptor: ${descriptor} }) { userErrors { code } } }`,
      { d: 'x'.repeat(998) },
    ).requested;
  const free = submit('$d');
  expect(free).toBeLessThan(limits.cost.maximum / 1_000);
  expect(submit('[$d, "a literal of some length", {a: [1, 2, 3]}]')).toBe(free);
  expect(submit('[$d, $d, [{ a: $d }]]')).toBe(free + 20);
});

test('only the operation that runs is weighed', () => {
  const document = parse(
    'query A { jobs(first: 10) { nodes { id } } } query B { jobs(first: 20) { nodes { id } } }',
  );
  expect(weigh(schema, document, getOperationAST(document, 'A')!, {}).requested).toBe(20);
  expect(weigh(schema, document, getOperationAST(document, 'B')!, {}).requested).toBe(40);
});

test('introspection weighs what the schema holds: once is well within the bound, a hundred times is not', () => {
  const types = Object.keys(schema.getTypeMap()).length;
  expect(weighed('{ __schema { types { name } } }').requested).toBe(1 + types);
  expect(weighed('{ __schema { types { ofType { name } } } }').requested).toBe(1 + 2 * types);
  expect(weighed('{ __schema { types { fields { name } } } }').requested).toBeGreaterThan(3 * types);
  const { requested } = weighed(getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }));
  expect(requested).toBeGreaterThan(1_000);
  expect(requested).toBeLessThan(limits.cost.maximum / 2);
  const again = Array.from(
    { length: 100 },
    (_, index) => `a${index}: types { fields { args { type { name } } } }`,
  );
  expect(problemOf(`{ __schema { ${again.join(' ')} } }`)?.code).toBe('LIMIT_REACHED');
});

test('pages within pages are refused before anything is read, with the bound and what was asked for', () => {
  const nested = (levels: number): string =>
    levels === 0 ? 'type' : `job { events(first: 100) { nodes { ${nested(levels - 1)} } } }`;
  const document = `{ events(first: 100) { nodes { ${nested(2)} } } }`;
  const problem = operationProblem(schema, parse(document), null, {});
  expect(problem?.message).toMatch(/at most 50000 objects, got a document that asks for up to \d+/);
  expect(problem?.extensions).toMatchObject({ code: 'LIMIT_REACHED', cost: { maximum: 50_000 } });
  expect(problemOf('{ jobs(first: 100) { nodes { tasks(first: 50) { nodes { id } } } } }')).toBeNull();
});

test('fragments that fan out are weighed without being walked', () => {
  const twice = (index: number) => `tasks { nodes { job { ...F${index + 1} } } }`;
  const fan = Array.from(
    { length: 25 },
    (_, index) => `fragment F${index} on Job { a: ${twice(index)} b: ${twice(index)} }`,
  );
  const document = `{ job(id: "x") { ...F0 } } ${fan.join(' ')} fragment F25 on Job { id }`;
  expect(problemOf(document)).toMatchObject({ code: 'LIMIT_REACHED' });
});

test.each<[string, Record<string, unknown>, string]>([
  ['{ jobs(first: 101) { nodes { id } } }', {}, 'first must be 0 to 100, got 101'],
  ['query ($n: Int) { jobs(last: $n) { nodes { id } } }', { n: -1 }, 'last must be 0 to 100, got -1'],
  [
    '{ jobs { nodes { tasks(first: 1, last: 2) { nodes { id } } } } }',
    {},
    'give first or last, not both: got first 1 and last 2',
  ],
  [
    'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    { ids: Array(101).fill('x') },
    'ids must hold at most 100 ids, got 101: ask in several queries',
  ],
])('a size that is out of bounds is told once, before anything runs: %s', (document, variables, message) => {
  const at = [{ line: 1, column: expect.any(Number) }];
  expect(problemOf(document, variables)).toEqual({ message, code: 'BAD_USER_INPUT', at });
});
