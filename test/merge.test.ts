import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { merge, mergeDescriptor, type Overrides } from '../src/merge.js';

describe('a merge', () => {
  it.each([
    ['objects key by key', { a: 1, b: 2 }, { b: 3, c: 4 }, { a: 1, b: 3, c: 4 }],
    ['arrays place by place', { input: [1, 2, 3] }, { input: [9] }, { input: [9, 2, 3] }],
    ['objects within arrays', [{ a: 1 }, { b: 2 }], [{ c: 3 }], [{ a: 1, c: 3 }, { b: 2 }]],
    ['null as a value', { a: 1, b: [1, 2] }, { a: null, b: [null] }, { a: null, b: [null, 2] }],
    ['undefined as nothing', { a: 1 }, { a: undefined }, { a: 1 }],
    ['an array over an object', { a: { b: 1 } }, { a: [1] }, { a: [1] }],
    ['an object over an array', { a: [1, 2] }, { a: { b: 1 } }, { a: { b: 1 } }],
    ['an object over null', { a: null }, { a: { b: 1 } }, { a: { b: 1 } }],
    ['a text over an object', { a: { b: 1 } }, { a: 'text' }, { a: 'text' }],
  ])('takes %s', (_, stored, given, expected) => {
    expect(merge(stored, given)).toEqual(expected);
  });

  /** JSON with few keys, so that two of them meet; among them those that pollute. */
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<unknown>(null, true, 1, 'text'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(fc.tuple(fc.constantFrom('a', 'b', '__proto__', 'constructor', 'toString'), tie('value')), {
          maxLength: 4,
        })
        .map((entries) => Object.fromEntries(entries)),
    ),
  })).value;

  it('is what comes of writing every value of the second into the first', () => {
    fc.assert(
      fc.property(json, json, (stored, given) => {
        expect(JSON.stringify(sorted(merge(stored, given)))).toBe(
          JSON.stringify(sorted(written(stored, given))),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('changes neither of the two, nor any other object', () => {
    fc.assert(
      fc.property(json, json, (stored, given) => {
        const before = JSON.stringify([stored, given]);
        merge(stored, given);
        expect(JSON.stringify([stored, given])).toBe(before);
      }),
    );
    const given = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
    const merged = merge({ a: {} }, given);
    expect(JSON.stringify(merged)).toBe(
      '{"a":{},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect({}).not.toHaveProperty('polluted');
  });
});

describe('a run of a stored descriptor', () => {
  const stored: Overrides = {
    name: 'p',
    nodes: [{ nodeName: 'a', input: [1, 2, 3] }],
    flowInput: { files: ['one', 'two'], size: 1 },
    options: { batchTolerance: 45, progressVerbosityLevel: 'debug', ttl: 85_900 },
    webhooks: { progress: 'http://p/', result: 'http://r/' },
    tags: ['x', 'y'],
  };

  it('keeps what it does not name', () => {
    expect(mergeDescriptor(stored, {}, 'replace')).toEqual(stored);
    expect(mergeDescriptor(stored, { options: { ttl: 255 } }, 'replace')).toEqual({
      ...stored,
      options: { batchTolerance: 45, progressVerbosityLevel: 'debug', ttl: 255 },
    });
    expect(
      mergeDescriptor(
        stored,
        { webhooks: { result: 'http://other/' }, tags: ['z'], nodes: [{ input: [9] }] },
        'replace',
      ),
    ).toEqual({
      ...stored,
      webhooks: { progress: 'http://p/', result: 'http://other/' },
      tags: ['z', 'y'],
      nodes: [{ nodeName: 'a', input: [9, 2, 3] }],
    });
  });

  it('has its own flowInput and nothing of the stored one', () => {
    expect(mergeDescriptor(stored, { flowInput: { files: ['three'] } }, 'replace').flowInput).toEqual({
      files: ['three'],
    });
    expect(mergeDescriptor(stored, { flowInput: null }, 'replace').flowInput).toBeNull();
  });

  it('has both where it is made by a trigger or another pipeline', () => {
    const given = { flowInput: { files: ['three'], parent: [{ result: 1 }] } };
    expect(mergeDescriptor(stored, given, 'merge').flowInput).toEqual({
      files: ['three', 'two'],
      size: 1,
      parent: [{ result: 1 }],
    });
    expect(mergeDescriptor({ name: 'p' }, given, 'merge').flowInput).toEqual(given.flowInput);
  });
});

/** The model: a copy of `stored` that every value of `given` is written into, one after the other. */
function written(stored: unknown, given: unknown): unknown {
  const root = { value: copyOf(stored) };
  const write = (holder: object, key: PropertyKey, value: unknown) => {
    if (typeof value !== 'object' || value === null) return put(holder, key, value);
    const there = Object.getOwnPropertyDescriptor(holder, key)?.value;
    const fits = typeof there === 'object' && there !== null && Array.isArray(there) === Array.isArray(value);
    if (!fits) put(holder, key, Array.isArray(value) ? [] : {});
    const target = Object.getOwnPropertyDescriptor(holder, key)!.value as object;
    for (const [inner, one] of Object.entries(value)) write(target, inner, one);
  };
  write(root, 'value', given);
  return root.value;
}

function put(holder: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

const copyOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Keys in one order; `__proto__` is one of them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
