import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchItem,
  batchList,
  batchSize,
  type InputSource,
  type List,
  parseList,
  parseReference,
  referencesIn,
  resolveInput,
  TooManyItemsError,
} from '../src/reference.js';

const source = (template: unknown, more: Partial<InputSource> = {}): InputSource => ({
  template: JSON.stringify(template),
  flowInput: null,
  results: {},
  item: null,
  ...more,
});

const elements = (list: List) => Array.from({ length: list.length }, (_, index) => list.at(index));

describe('a raw list', () => {
  it.each([
    ['#[1,2,3]', ['1', '2', '3']],
    ['#[0...3]', [0, 1, 2, 3]],
    ['#[-2...1]', [-2, -1, 0, 1]],
    ['#[5...3]', []],
    ['#[]', []],
    ['#[1,]', ['1', '']],
    ['#[a b, true, null]', ['ab', 'true', 'null']],
    ['#[[1,2],[3]]', ['1', '2', '3']],
    ['#[1,2', ['1', '2']],
  ])('%s stands for %j', (text, items) => {
    expect(elements(parseList(text))).toEqual(items);
  });

  it('counts as HKube counts', () => {
    const count = (text: string) => elements(parseList(text)).length;
    expect(count('#[1, 2, 3, 4, 5, 1...10, 11,12, 20...30]')).toBe(28);
    expect(count('#[hello, 1...10, world, 10...20]')).toBe(23);
    expect(count('#[600...700]')).toBe(101);
  });

  it('has its length, and any element, without being made', () => {
    expect(parseList('#[0...99999999999999]').length).toBe(100_000_000_000_000);
    expect(parseList('#[a,5...1000000000,z]').at(999_999_997)).toBe('z');
    expect(parseList('#[a,5...1000000000,z]').at(3)).toBe(7);
    expect(parseList(`#[0...${'9'.repeat(400)}]`).length).toBe(Number.POSITIVE_INFINITY);
    expect(parseList('#[1]').at(1)).toBeUndefined();
    expect(parseList('#[1...2]').at(2)).toBeUndefined();
    const mixed = parseList('#[a,b,1...2,5...3,c,x...y,...,7...7,d]');
    expect(elements(mixed)).toEqual(['a', 'b', 1, 2, 'c', 'x...y', '...', 7, 'd']);
  });
});

describe('references', () => {
  it('start with their sign and end at the first full stop', () => {
    expect(parseReference('a@b.c')).toBeNull();
    expect(parseReference('#foo')).toBeNull();
    expect(parseReference('@a.b.0')).toMatchObject({
      kind: 'node',
      node: 'a',
      path: ['b', '0'],
      relation: 'whole',
    });
    expect(parseReference('#@flowInput.x')).toMatchObject({
      kind: 'flowInput',
      path: ['x'],
      relation: 'batch',
    });
    expect(parseReference('@flowInputX')).toMatchObject({ kind: 'node', node: 'flowInputX' });
    expect(parseReference('*@a.b')).toMatchObject({ kind: 'node', node: 'a', path: ['b'], relation: 'any' });
    expect(parseReference('*#@a.b')).toMatchObject({ kind: 'refused', problem: { node: 'a' } });
    expect(parseReference('*@flowInput')).toMatchObject({ kind: 'node', node: 'flowInput' });
    expect(parseReference('*a')).toBeNull();
  });

  it('are found at any depth, in order, and never in keys', () => {
    const deep = Array.from({ length: 5_000 }).reduce<unknown>((inner) => [inner], '@deep');
    const found = referencesIn([{ x: ['@a', '#@b.c'] }, { '@key': 1 }, deep, '@last']);
    expect(found.map((reference) => reference.text)).toEqual(['@a', '#@b.c', '@deep', '@last']);
  });
});

describe('an input', () => {
  it('is the template with its references replaced', () => {
    const resolved = resolveInput(
      source(
        ['@one', { all: '@many.v', x: '@flowInput.a.0', none: '@flowInput.no' }, '#[1,2]', 7, null, {}, []],
        {
          flowInput: '{"a":[5]}',
          results: {
            one: { batch: false, json: '{"r":1}' },
            many: { batch: true, json: '[{"v":1},{"w":2}]' },
          },
          item: '["2"]',
        },
      ),
    );
    expect(resolved).toEqual([
      { r: 1 },
      { all: [1, undefined], x: 5, none: undefined },
      '2',
      7,
      null,
      {},
      [],
    ]);
  });

  it('does not resolve what a result happens to contain', () => {
    const results = { one: { batch: false, json: '["@one","#[1,2]"]' } };
    expect(resolveInput(source(['@one'], { results }))).toEqual([['@one', '#[1,2]']]);
  });

  it('is given up where it refers to more items of batches than it may, before their lists are made', () => {
    const json = JSON.stringify(Array.from({ length: 10_000 }, (_, index) => ({ index })));
    const results = { many: { batch: true, json } };
    const template = Array.from({ length: 100_000 }, (_, index) => `@many.${index}`);
    expect(() => resolveInput(source(template, { results }), 1_000_000)).toThrow(TooManyItemsError);
    expect(resolveInput(source(template.slice(0, 100), { results }), 1_000_000)).toHaveLength(100);
  });

  it('reads own keys only', () => {
    const results = { one: { batch: false, json: '{"a":1}' } };
    expect(resolveInput(source(['@one.constructor', '@one.__proto__'], { results }))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('without references is what was given', () => {
    const plain = fc.jsonValue().filter((value) => referencesIn(value).length === 0);
    fc.assert(
      fc.property(fc.array(plain), (input) => {
        const json = JSON.parse(JSON.stringify(input));
        expect(resolveInput(source(json))).toEqual(json);
      }),
    );
  });
});

describe('a batch', () => {
  const lists = fc.array(fc.array(fc.integer(), { maxLength: 5 }), { minLength: 1, maxLength: 3 });

  it('indexed is as long as its longest list, and misses are undefined', () => {
    fc.assert(
      fc.property(lists, (given) => {
        const batch = { lists: given, operation: 'indexed' as const };
        expect(batchSize(batch)).toBe(Math.max(...given.map((list) => list.length)));
        for (let index = 0; index < batchSize(batch); index++) {
          expect(batchItem(batch, index)).toEqual(given.map((list) => list[index]));
        }
      }),
    );
  });

  it('cartesian has every combination once, the first list turning slowest', () => {
    const batch = {
      lists: [
        ['1', '2'],
        ['a', 'b', 'c'],
      ],
      operation: 'cartesian' as const,
    };
    const items = Array.from({ length: batchSize(batch) }, (_, index) => batchItem(batch, index).join(''));
    expect(items).toEqual(['1a', '1b', '1c', '2a', '2b', '2c']);
    fc.assert(
      fc.property(lists, (given) => {
        const all = { lists: given.map((list) => [...new Set(list)]), operation: 'cartesian' as const };
        const seen = new Set(
          Array.from({ length: batchSize(all) }, (_, index) => JSON.stringify(batchItem(all, index))),
        );
        expect(seen.size).toBe(all.lists.reduce((product, list) => product * list.length, 1));
      }),
    );
  });

  it('over what is no list is empty, over a missing path of a result an error that names it', () => {
    const from = (text: string, value: unknown, batch = false) =>
      batchList(
        parseReference(text)!,
        'child',
        source([], { results: { p: { batch, json: JSON.stringify(value) } } }),
      );
    expect(from('#@p', [1, 2])).toEqual([1, 2]);
    expect(from('#@p', { a: 1 })).toEqual([]);
    expect(from('#@p.list', { list: [3] })).toEqual([3]);
    expect(from('#@p.v', [{ v: 1 }, { v: 2 }], true)).toEqual([1, 2]);
    expect(() => from('#@p.size', { list: [] })).toThrow(
      'node "child": path "size" of "#@p.size" was not found in the result of node "p"',
    );
    const flow = (value: unknown) =>
      batchList(
        parseReference('#@flowInput.x')!,
        'n',
        source([], { flowInput: JSON.stringify({ x: value }) }),
      );
    expect([flow(null), flow(4), flow('text'), flow({}), flow([])]).toEqual([[], [], [], [], []]);
  });
});
