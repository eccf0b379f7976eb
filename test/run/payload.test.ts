import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readExtraData, readInput, TaskFailure, thrownMessage, writeResult } from '../../src/run/payload.js';

const source = { template: '[]', flowInput: null, results: {}, item: null };

function failure(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof TaskFailure) return { code: error.code, message: error.message };
  }
  throw new Error('did not fail');
}

test('resolves an input', () => {
  expect(
    readInput(
      {
        template: '["@flowInput.a",{"x":"@one"}]',
        flowInput: '{"a":1}',
        results: { one: { batch: false, json: '[2]' } },
        item: null,
      },
      100,
    ),
  ).toEqual([1, { x: [2] }]);
});

test('an input that is not JSON is invalid', () => {
  expect(failure(() => readInput({ ...source, template: '[1,' }, 100))).toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining('the input could not be resolved: '),
  });
});

test('an input nested too deeply is invalid, not a crash', () => {
  const template = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  expect(failure(() => readInput({ ...source, template }, 1e9)).code).toBe('INPUT_INVALID');
});

test('a reference that is repeated is counted each time', () => {
  const template = JSON.stringify(Array(100).fill('@flowInput.text'));
  const flowInput = JSON.stringify({ text: 'é'.repeat(1_000) });
  const bytes = Buffer.byteLength(JSON.stringify(Array(100).fill('é'.repeat(1_000))));
  expect(readInput({ ...source, template, flowInput }, bytes)).toHaveLength(100);
  expect(failure(() => readInput({ ...source, template, flowInput }, bytes - 1))).toEqual({
    code: 'INPUT_TOO_LARGE',
    message: `the resolved input is larger than ${bytes - 1} bytes of JSON: refer to less of the parents' results`,
  });
});

test('an immense input is refused without being written out', () => {
  const template = JSON.stringify(Array(10_000).fill('@flowInput'));
  const flowInput = JSON.stringify('x'.repeat(1_000_000));
  expect(failure(() => readInput({ ...source, template, flowInput }, 64 * 1024 * 1024)).code).toBe(
    'INPUT_TOO_LARGE',
  );
});

test('accepts exactly the inputs whose JSON is within the bound', () => {
  // A string that starts with one of these would be a reference.
  const text = fc.string().filter((one) => !/^[@#*]/.test(one));
  const scalar = fc.oneof(fc.integer(), fc.constant(1e20), fc.constant(null), fc.boolean(), text);
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc.array(tie('value')),
      // An own "__proto__" is lost in any copy of an object.
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        tie('value'),
      ),
    ),
  }));
  fc.assert(
    fc.property(fc.array(value), fc.integer({ min: 1, max: 200 }), (input, maxBytes) => {
      const template = JSON.stringify(input);
      const run = () => readInput({ ...source, template }, maxBytes);
      if (Buffer.byteLength(template) <= maxBytes) expect(run()).toEqual(JSON.parse(template));
      else expect(failure(run).code).toBe('INPUT_TOO_LARGE');
    }),
  );
});

test.each([
  [undefined, 'null'],
  [null, 'null'],
  [Number.NaN, 'null'],
  [{ a: undefined, b: [undefined] }, '{"b":[null]}'],
  [{ toJSON: () => undefined }, 'null'],
  ['\ud800', '"\\ud800"'],
])('writes %j as %s', (value, text) => {
  expect(writeResult(value, 1_000)).toBe(text);
});

test.each([
  ['a function', () => 1, 'the result is a function, which JSON cannot hold: return plain data'],
  ['a symbol', Symbol('s'), 'the result is a symbol, which JSON cannot hold: return plain data'],
  ['a BigInt', 1n, 'the result is a bigint, which JSON cannot hold: return plain data'],
  ['a BigInt inside', [1n], 'the result cannot be written as JSON: Do not know how to serialize a BigInt'],
  [
    'what its own toJSON refuses',
    {
      toJSON() {
        throw new Error('not me');
      },
    },
    'the result cannot be written as JSON: not me',
  ],
])('%s is no JSON', (_, value, message) => {
  expect(failure(() => writeResult(value, 1_000))).toEqual({ code: 'NOT_JSON', message });
});

test('what refers to itself is no JSON, said in one line', () => {
  const value: Record<string, unknown> = {};
  value['self'] = value;
  const { code, message } = failure(() => writeResult(value, 1_000));
  expect(code).toBe('NOT_JSON');
  expect(message).toMatch(/^the result cannot be written as JSON: Converting circular structure to JSON$/);
});

test('counts a result in bytes, and names size and bound', () => {
  expect(writeResult('é'.repeat(49), 100)).toHaveLength(51);
  expect(failure(() => writeResult('é'.repeat(50), 100))).toEqual({
    code: 'RESULT_TOO_LARGE',
    message:
      'the result is 102 bytes of JSON, above the limit of 100 bytes: return less, or where it is kept',
  });
});

test('has a message for whatever is thrown', () => {
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no');
      },
      getPrototypeOf: () => {
        throw new Error('no');
      },
    },
  );
  expect(thrownMessage(new Error('as it is\nsaid'))).toBe('as it is\nsaid');
  expect(thrownMessage(hostile)).toBe('unknown error');
  expect(thrownMessage(Object.assign(new Error(), { message: 42 }))).toBe('42');
  expect(thrownMessage('x'.repeat(1e6))).toHaveLength(10_000);
});

test('reads extra data', () => {
  expect(readExtraData(null)).toBeUndefined();
  expect(readExtraData('{"a":1}')).toEqual({ a: 1 });
  expect(failure(() => readExtraData('{')).code).toBe('INPUT_INVALID');
});
