import { buildSchema, type OperationDefinitionNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import { checkVariables } from '../../src/http/variables.js';

const schema = buildSchema(`
  scalar JSON
  input Inner { tags: [String!], more: [Inner!], any: JSON, list: [JSON] }
  type Query { a: Int }
`);
const check = (type: string, value: unknown) => () => {
  const { definitions } = parse(`query ($v: ${type}) { a }`);
  checkVariables(schema, definitions[0] as OperationDefinitionNode, { v: value });
};
const list = (length: number, item: unknown = 'x') => Array(length).fill(item);

test.each([
  ['[String!]!', (items: unknown[]) => items, '$v'],
  ['[[String]]', (items: unknown[]) => [['x'], items], '$v[1]'],
  ['Inner', (items: unknown[]) => ({ tags: items }), '$v.tags'],
  ['Inner', (items: unknown[]) => ({ more: { tags: items } }), '$v.more[0].tags'],
  ['[Inner!]!', (items: unknown[]) => [{}, { more: [{ tags: items }] }], '$v[1].more[0].tags'],
])(
  'a list of %s may hold 1,000 items, wherever it stands, and a refusal says where',
  (type, around, path) => {
    expect(check(type, around(list(1_000)))).not.toThrow();
    expect(check(type, around(list(1_001)))).toThrow(
      `a list in the variables must hold at most 1000 items, got 1001 in ${path}: send them in several requests`,
    );
  },
);

test('JSON is data: no list in it or of it is counted', () => {
  for (const value of [list(100_000), { a: list(100_000) }]) {
    expect(check('JSON', value)).not.toThrow();
    expect(check('Inner', { any: value, list: [value] })).not.toThrow();
  }
  expect(check('[JSON]', list(100_000))).not.toThrow();
});

test('what has another type than it should is left to coercion', () => {
  for (const value of [null, 7, 'x', {}, list(10_000)]) expect(check('String', value)).not.toThrow();
  for (const value of [null, 7, 'x', list(3, 7)]) expect(check('Inner', value)).not.toThrow();
  expect(check('Nothing', list(10_000))).not.toThrow();
});

test('what is not declared is not looked at, but there may be a hundred of it only', () => {
  const operation = parse('query { a }').definitions[0] as OperationDefinitionNode;
  const given = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`v${index}`, list(2_000)]));
  expect(() => checkVariables(schema, operation, given(100))).not.toThrow();
  expect(() => checkVariables(schema, operation, given(101))).toThrow('at most 100 variables, got 101');
});
