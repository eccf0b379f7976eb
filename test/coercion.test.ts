import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { coerced } from '../src/coercion.js';
import { parseDescriptor } from '../src/descriptor.js';
import { list, object, text, whole, word } from '../src/fields.js';

const schema = z.object({
  text: text({ max: 10 }).optional(),
  word: word(['1', 'true']).default('1'),
  whole: whole(0, 100).default(3),
  wholeOrNull: whole(0, 100).nullish(),
  truth: z.boolean().optional(),
  objectOrNull: object('null').nullish(),
  closed: z.strictObject({ whole: whole(0, 9) }).prefault({ whole: 1 }),
  list: list(z.object({ whole: whole(0, 9), input: z.unknown() }), 5).default([]),
});
type Key = keyof z.infer<typeof schema>;

const kept = (values: unknown[]) => values.map((value): [unknown, unknown] => [value, value]);

// The table that ajv 6 publishes for `coerceTypes: true`, as far as there are such types.
const table: Record<string, [from: unknown, to: unknown][]> = {
  text: [[5, '5'], [1.5, '1.5'], [1e21, '1e+21'], [true, 'true'], [null, ''], ...kept(['x', [], {}, ['x']])],
  word: [[1, '1'], [true, 'true'], [null, ''], ...kept([['1'], {}])],
  whole: [
    ['60', 60],
    [' 60 ', 60],
    ['6e1', 60],
    ['-1', -1],
    [true, 1],
    [false, 0],
    [null, 0],
    ...kept([1.5, '1.5', '', ' ', 'twenty', '1e999', 'NaN', '60s', [60], {}]),
  ],
  wholeOrNull: [['', null], [false, 0], ['7', 7], ...kept([null, 0, 'x', []])],
  truth: [
    ['true', true],
    [1, true],
    ['false', false],
    [0, false],
    [null, false],
    ...kept([2, 'yes', '', '1', [], {}]),
  ],
  objectOrNull: [['', null], [0, null], [false, null], ...kept([null, 'x', 1, true, [1], { whole: '5' }])],
  closed: [
    [{ whole: '5' }, { whole: 5 }],
    [
      { whole: '5', more: '5' },
      { whole: 5, more: '5' },
    ],
    ...kept([null, 'x', []]),
  ],
  list: [
    [[{ whole: '5', input: '5' }], [{ whole: 5, input: '5' }]],
    [
      [null, { whole: true }],
      [null, { whole: 1 }],
    ],
    ...kept([{ whole: '5' }, 'x', null]),
  ],
};

describe('a value of another type', () => {
  it.each(Object.entries(table).flatMap(([key, rows]) => rows.map(([from, to]) => ({ key, from, to }))))(
    'where $key belongs, $from, is read as $to',
    ({ key, from, to }) => {
      expect(coerced(schema, { [key as Key]: from })).toEqual({ [key]: to });
    },
  );

  it('is read without a change of what was given', () => {
    const given = Object.freeze({ whole: '5', list: Object.freeze([Object.freeze({ whole: '5' })]) });
    expect(coerced(schema, given)).toEqual({ whole: 5, list: [{ whole: 5 }] });
    const right = { whole: 5, text: 'x' };
    expect(coerced(schema, right)).toBe(right);
  });

  it('is not made up where there is none, and keys of any name are kept', () => {
    const given = JSON.parse('{"__proto__":{"whole":"5"},"constructor":"5","whole":"5"}');
    expect(JSON.stringify(coerced(schema, given))).toBe(
      '{"__proto__":{"whole":"5"},"constructor":"5","whole":5}',
    );
    expect(coerced(schema, {})).toEqual({});
  });
});

describe('a descriptor of loose types', () => {
  it('is the same as one of exact types', () => {
    const loose = {
      name: 5,
      priority: '4',
      description: true,
      experimentName: 7,
      externalId: 12,
      tags: [1, 'two', true],
      flowInput: '',
      options: {
        ttl: '60',
        activeTtl: '',
        batchTolerance: true,
        concurrentPipelines: { amount: '2', rejectOnFailure: 'false' },
      },
      triggers: { cron: { pattern: '0 * * * *', enabled: 1 }, pipelines: [8] },
      nodes: [
        {
          nodeName: 1,
          algorithmName: 22,
          input: ['60', null, true],
          ttl: null,
          retry: { limit: '2' },
          includeInResults: 'true',
        },
      ],
    };
    const exact = {
      name: '5',
      priority: 4,
      description: 'true',
      experimentName: '7',
      externalId: '12',
      tags: ['1', 'two', 'true'],
      flowInput: null,
      options: {
        ttl: 60,
        activeTtl: null,
        batchTolerance: 1,
        concurrentPipelines: { amount: 2, rejectOnFailure: false },
      },
      triggers: { cron: { pattern: '0 * * * *', enabled: true }, pipelines: ['8'] },
      nodes: [
        {
          nodeName: '1',
          algorithmName: '22',
          input: ['60', null, true],
          ttl: 0,
          retry: { limit: 2 },
          includeInResults: true,
        },
      ],
    };
    expect(parseDescriptor(loose)).toHaveProperty('descriptor');
    expect(parseDescriptor(loose)).toEqual(parseDescriptor(exact));
  });
});
