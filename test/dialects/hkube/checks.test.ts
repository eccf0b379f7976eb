import { describe, expect, it } from 'vitest';
import { checked, type Fields } from '../../../src/dialects/hkube/checks.js';

const schema: Fields = {
  required: ['name'],
  closed: true,
  fields: {
    name: { type: 'string', minLength: 1, maxLength: 5 },
    limit: { type: 'integer', min: 1, max: 10 },
    sort: { type: 'string', oneOf: ['asc', 'desc'] },
    raw: { type: 'boolean' },
    size: { type: 'number', min: 0 },
    list: { type: 'array' },
    words: { type: 'strings' },
    map: { type: 'object' },
    any: { type: 'any' },
  },
};

describe('what a route takes', () => {
  it.each([
    [{ name: 5 }, { name: '5' }],
    [{ name: true }, { name: 'true' }],
    [
      { name: 'a', limit: '7' },
      { name: 'a', limit: 7 },
    ],
    [
      { name: 'a', limit: true },
      { name: 'a', limit: 1 },
    ],
    [
      { name: 'a', size: '0.5' },
      { name: 'a', size: 0.5 },
    ],
    [
      { name: 'a', words: ['x', 1, null] },
      { name: 'a', words: ['x', '1', ''] },
    ],
    [
      { name: 'a', raw: 'true' },
      { name: 'a', raw: true },
    ],
    [
      { name: 'a', raw: 0 },
      { name: 'a', raw: false },
    ],
    [
      { name: 'a', list: [1], map: {}, any: null },
      { name: 'a', list: [1], map: {}, any: null },
    ],
  ])('%j is read as %j', (given, read) => {
    expect(checked(given, schema)).toEqual(read);
  });

  it.each([
    [[], 'data should be object'],
    [null, 'data should be object'],
    ['x', 'data should be object'],
    [{ stam: 1 }, "data should have required property 'name'"],
    [{ name: 'a', stam: 1 }, 'data should NOT have additional properties (stam)'],
    [{ name: null }, 'data.name should NOT be shorter than 1 characters'],
    [{ name: {} }, 'data.name should be string'],
    [{ name: '123456' }, 'data.name should NOT be longer than 5 characters'],
    [{ name: 'a', limit: 0 }, 'data.limit should be >= 1'],
    [{ name: 'a', limit: null }, 'data.limit should be >= 1'],
    [{ name: 'a', limit: 11 }, 'data.limit should be <= 10'],
    [{ name: 'a', limit: 1.5 }, 'data.limit should be integer'],
    [{ name: 'a', limit: '' }, 'data.limit should be integer'],
    [{ name: 'a', limit: [] }, 'data.limit should be integer'],
    [{ name: 'a', sort: 'up' }, 'data.sort should be equal to one of the allowed values (asc,desc)'],
    [{ name: 'a', raw: 'yes' }, 'data.raw should be boolean'],
    [{ name: 'a', size: 'much' }, 'data.size should be number'],
    [{ name: 'a', size: -0.5 }, 'data.size should be >= 0'],
    [{ name: 'a', list: '[]' }, 'data.list should be array'],
    [{ name: 'a', words: 'x' }, 'data.words should be array'],
    [{ name: 'a', words: ['x', {}] }, 'data.words[1] should be string'],
    [{ name: 'a', map: [] }, 'data.map should be object'],
  ])('%j is refused: %s', (given, message) => {
    expect(() => checked(given, schema)).toThrow(message);
  });

  it('what is wrong within is told with its place', () => {
    expect(() => checked({ name: {} }, schema, 'data.query')).toThrow('data.query.name should be string');
    expect(() => checked([], schema, 'data.query')).toThrow('data.query should be object');
  });

  it('what comes as __proto__ is a key like any other', () => {
    const given: unknown = JSON.parse('{"name":"a","__proto__":{"limit":3}}');
    expect(() => checked(given, schema)).toThrow('additional properties (__proto__)');
    expect(checked(given, { ...schema, closed: undefined as never })).toEqual({ name: 'a' });
  });
});
