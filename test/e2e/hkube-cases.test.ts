import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

/** A node as the tables below write it: name, algorithm ("output" for an output node), input, and what else it has. */
type Node = [name: string, algorithm: string, input: unknown[], more?: object | undefined];

interface Case {
  /** Of HKube's acceptance cases, or what it is about. */
  name: string;
  nodes: Node[];
  flowInput?: Record<string, unknown> | null;
  options?: object;
  /** Results by node, in order; `{ error }` is a failed item, SKIPPED the one of a node that was skipped. */
  results?: Record<string, unknown[]>;
  /** Results by node, counted. */
  counts?: Record<string, number>;
  /** Items of results by node and batch index. */
  at?: Record<string, Record<number, unknown>>;
  /** The job fails with this. */
  fails?: { message: string; nodeName: string };
  details?: string;
  dependsOn?: Record<string, string[]>;
}

const SKIPPED = { skipped: true };
const failed = (error: string) => ({ error });
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const all = (algorithm: string, input: unknown[], more?: object): Node[] => [['a', algorithm, input, more]];
const cartesian = { batchOperation: 'cartesian' };
const named = (cases: Case[]) => cases.map((one) => [one.name, one] as const);
const links = ['l1', 'l2', 'l3', 'l4', 'l5'];

/** The numbers are those of HKube's acceptance cases. */
const numbered: Case[] = [
  {
    name: '1: a raw list gives strings',
    nodes: all('echo', [false, '#[1,2,3]']),
    results: {
      a: [
        [false, '1'],
        [false, '2'],
        [false, '3'],
      ],
    },
  },
  {
    name: '2: ranges within a list',
    nodes: all('echo', ['#[1, 2, 3, 4, 5, 1...10, 11,12, 20...30]']),
    counts: { a: 28 },
  },
  {
    name: '3: words and ranges',
    nodes: all('echo', ['#[hello, 1...10, world, 10...20]']),
    counts: { a: 23 },
    at: { a: { 1: ['hello'], 2: [1], 12: ['world'], 13: [10], 23: [20] } },
  },
  { name: '4: a range', nodes: all('noop', ['#[600...700]']), counts: { a: 101 } },
  { name: '5: a text', nodes: all('echo', ['test']), results: { a: [['test']] } },
  { name: '5: no arguments', nodes: all('echo', []), results: { a: [[]] } },
  {
    name: '5: nulls at any depth',
    nodes: all('echo', [null, { prop: null }, [null], { a: { b: [null] } }]),
    results: { a: [[null, { prop: null }, [null], { a: { b: [null] } }]] },
  },
  {
    name: '6: values of every kind',
    nodes: all('echo', [42, 42.56, -512.23, false, true, 'OK', [2, 3, 4], null, { foo: 'bar' }]),
    results: { a: [[42, 42.56, -512.23, false, true, 'OK', [2, 3, 4], null, { foo: 'bar' }]] },
  },
  {
    name: '7: three batches in objects, indexed',
    nodes: all('echo', [
      { data1: '#[0...10]' },
      { val1: 'data1' },
      { val2: 'data2' },
      { data2: '#[10...20]' },
      'data1',
      'data2',
      { data3: '#[20...30]' },
    ]),
    counts: { a: 11 },
    at: {
      a: {
        1: [
          { data1: 0 },
          { val1: 'data1' },
          { val2: 'data2' },
          { data2: 10 },
          'data1',
          'data2',
          { data3: 20 },
        ],
        10: [
          { data1: 9 },
          { val1: 'data1' },
          { val2: 'data2' },
          { data2: 19 },
          'data1',
          'data2',
          { data3: 29 },
        ],
      },
    },
  },
  {
    name: '9: two batches of flowInput, cartesian',
    flowInput: { files: { links } },
    nodes: all('echo', ['#@flowInput.files.links', 'x', '#@flowInput.files.links', { y: 1 }], cartesian),
    counts: { a: 25 },
    at: {
      a: { 1: ['l1', 'x', 'l1', { y: 1 }], 2: ['l1', 'x', 'l2', { y: 1 }], 25: ['l5', 'x', 'l5', { y: 1 }] },
    },
  },
  {
    name: '10: a batch of flowInput beside what is handed over whole',
    flowInput: { files: { links }, x: [7] },
    nodes: all('echo', [
      '#@flowInput.files.links',
      { data: { prop: '@flowInput.x' } },
      '@flowInput.x.0',
      '@flowInput',
      2,
      false,
      ['@flowInput'],
    ]),
    results: {
      a: links.map((link) => [
        link,
        { data: { prop: [7] } },
        7,
        { files: { links }, x: [7] },
        2,
        false,
        [{ files: { links }, x: [7] }],
      ]),
    },
  },
  {
    name: '11: a batch deep in arrays',
    flowInput: { files: { links } },
    nodes: all('echo', [{ a: { b: [1, 2, ['#@flowInput.files.links']] } }]),
    results: { a: links.map((link) => [{ a: { b: [1, 2, [link]] } }]) },
  },
  {
    name: '11: a batch deep in objects',
    flowInput: { files: { links } },
    nodes: all('echo', [{ a: [{ b: '#@flowInput.files.links' }] }]),
    results: { a: links.map((link) => [{ a: [{ b: link }] }]) },
  },
  {
    name: '13: a batch of an object',
    flowInput: { files: { links } },
    nodes: all('echo', [200, '#@flowInput.files', false]),
    results: { a: [SKIPPED] },
  },
  {
    name: '14: a batch of []',
    flowInput: { x: [] },
    nodes: all('echo', ['#@flowInput.x']),
    results: { a: [SKIPPED] },
  },
  {
    name: '14: a batch of null',
    flowInput: { x: null },
    nodes: all('echo', ['#@flowInput.x']),
    results: { a: [SKIPPED] },
  },
  {
    name: '16: the first batch is the outer one',
    nodes: all('echo', ['#[1,2,3]', '#[a,b]'], cartesian),
    results: {
      a: [
        ['1', 'a'],
        ['1', 'b'],
        ['2', 'a'],
        ['2', 'b'],
        ['3', 'a'],
        ['3', 'b'],
      ],
    },
  },
  { name: '18: no signs', nodes: all('echo', ['a@b.c', '#foo']), results: { a: [['a@b.c', '#foo']] } },
  {
    name: '19: references of every kind in one place',
    nodes: [
      ['a', 'first', ['whole']],
      ['b', 'first', [{ c: [1, 2] }]],
      ['d', 'first', ['#[x,y,z]']],
      ['e', 'echo', [{ x: ['@a', '#@b.c', '*@d'] }]],
    ],
    dependsOn: { e: ['a', 'b', 'd'] },
    results: {
      e: ['x', 'y', 'z'].flatMap((d) => [1, 2].map((c) => [{ x: ['whole', c, d] }])),
    },
  },
  {
    name: "20: a batch of a node beside flowInput's list",
    flowInput: { files: { links } },
    nodes: [
      ['green', 'list', [5]],
      ['yellow', 'echo', [true, '#@green', '@flowInput.files.links']],
    ],
    results: { yellow: upTo(1, 5).map((item) => [true, item, links]) },
  },
  {
    name: '21: two batches, indexed',
    nodes: [
      ['one', 'echo', ['#[0...9]']],
      ['two', 'echo', ['#[10...19]']],
      ['three', 'echo', ['#@one', '#@two']],
    ],
    results: { three: upTo(0, 9).map((item) => [[item], [item + 10]]) },
  },
  {
    name: '23: two batches of unequal length, indexed',
    nodes: [
      ['one', 'echo', ['#[0...9]']],
      ['two', 'echo', ['#[10...14]']],
      ['three', 'echo', ['99', '#@one', '#@two']],
    ],
    results: { three: upTo(0, 9).map((item) => ['99', [item], item < 5 ? [item + 10] : null]) },
  },
  {
    name: '23: two batches of unequal length, cartesian',
    nodes: [
      ['one', 'echo', ['#[0...9]']],
      ['two', 'echo', ['#[10...14]']],
      ['three', 'echo', ['99', '#@one', '#@two'], cartesian],
    ],
    results: { three: upTo(0, 9).flatMap((one) => upTo(10, 14).map((two) => ['99', [one], [two]])) },
  },
  {
    name: '25: a cartesian batch paired with a shorter one',
    flowInput: { one: upTo(0, 9), two: upTo(10, 19) },
    nodes: [
      ['one', 'echo', ['#@flowInput.one', '#@flowInput.two'], cartesian],
      ['two', 'echo', ['#@flowInput.two']],
      ['three', 'echo', ['#@one', '#@two']],
    ],
    counts: { three: 100 },
    at: { three: { 100: [[9, 19], null], 10: [[0, 19], [19]] } },
  },
  {
    name: '27: two batches, whole',
    nodes: [
      ['one', 'echo', ['#[0...9]']],
      ['two', 'echo', ['#[10...19]']],
      ['three', 'echo', [{ a: '@one', b: '@two' }]],
    ],
    results: { three: [[{ a: upTo(0, 9).map((n) => [n]), b: upTo(10, 19).map((n) => [n]) }]] },
  },
  {
    name: '28: a range and a list, indexed',
    nodes: all('echo', ['#[0...9]', '#[10,20,30]']),
    results: { a: upTo(0, 9).map((n) => [n, ['10', '20', '30'][n] ?? null]) },
  },
  {
    name: '28: a range and a list, cartesian, with two constant objects',
    nodes: all('echo', ['#[0...9]', { x: 1 }, '#[10,20,30]', { y: { z: 2 } }], cartesian),
    results: {
      a: upTo(0, 9).flatMap((n) => ['10', '20', '30'].map((m) => [n, { x: 1 }, m, { y: { z: 2 } }])),
    },
  },
  {
    name: '29: items of a batch one by one, and all of them afterwards',
    nodes: [
      ['green', 'sum', [10, '#[1,2,3]']],
      ['yellow', 'echo', [true, '*@green'], { includeInResults: true }],
      ['red', 'echo', ['@yellow', 512]],
    ],
    results: {
      yellow: [
        [true, 11],
        [true, 12],
        [true, 13],
      ],
      red: [
        [
          [
            [true, 11],
            [true, 12],
            [true, 13],
          ],
          512,
        ],
      ],
    },
  },
  {
    name: '32: a batch of what a node returned',
    nodes: [
      ['green', 'first', [['A', 'B', 'C']]],
      ['yellow', 'echo', [false, '#@green']],
    ],
    results: {
      yellow: [
        [false, 'A'],
        [false, 'B'],
        [false, 'C'],
      ],
    },
  },
  {
    name: '33: range, multiply, reduce',
    flowInput: { data: 5, mul: 2 },
    nodes: [
      ['Range', 'list', ['@flowInput.data']],
      ['Multiply', 'times', ['#@Range', '@flowInput.mul']],
      ['Reduce', 'sum', ['@Multiply']],
    ],
    results: { Reduce: [30] },
  },
  {
    name: '34: of two nodes in a row the last one is the result',
    nodes: [
      ['a', 'echo', [1]],
      ['b', 'echo', ['@a']],
    ],
    results: { b: [[[1]]] },
  },
  {
    name: '34: of a larger graph its only leaf is the result',
    nodes: [
      ['A', 'first', [1]],
      ['B', 'sum', ['@A', 1]],
      ['C', 'sum', ['@A', 2]],
      ['D', 'sum', ['@B', '@C']],
      ['E', 'sum', ['@D', '@G']],
      ['F', 'echo', ['@E']],
      ['G', 'first', [100]],
    ],
    results: { F: [[105]] },
  },
  {
    name: '36: an output node',
    nodes: [
      ['red', 'first', ['leaf']],
      ['yellow', 'first', ['yellow-input']],
      ['out', 'output', ['@yellow', '@green']],
      ['green', 'first', [42]],
    ],
    results: { red: ['leaf'], out: [['yellow-input', 42]] },
  },
  ...[100, 60].map((tolerance) => ({
    name: `37: one of five fails at a tolerance of ${tolerance}`,
    flowInput: { nums: [1, 24, 3, 4, 5] },
    options: { batchTolerance: tolerance },
    nodes: all('limit', ['#@flowInput.nums']),
    results: { a: [1, failed('24 is too large'), 3, 4, 5] },
  })),
  {
    name: '38: one of five fails at a tolerance of 20',
    flowInput: { nums: [1, 24, 3, 4, 5] },
    options: { batchTolerance: 20 },
    nodes: all('limit', ['#@flowInput.nums']),
    fails: {
      message: '1/5 (20%) failed tasks, batch tolerance is 20%, error: 24 is too large',
      nodeName: 'a',
    },
  },
  {
    name: '40: a failed item of a leaf is among the results with its error',
    flowInput: { nums: [1, 24, 3] },
    nodes: all('limit', ['#@flowInput.nums']),
    results: { a: [1, failed('24 is too large'), 3] },
    details: '100.00% completed, 2 succeed, 1 failed',
  },
  ...[true, false, { a: [1] }, null].map((inputs) => ({
    name: `43: flowInput hands over ${JSON.stringify(inputs)}`,
    flowInput: { inputs },
    nodes: all('echo', ['@flowInput.inputs']),
    results: { a: [[inputs]] },
  })),
  {
    name: '80: what was skipped is a unit of progress',
    flowInput: { x: [] },
    nodes: [
      ['a', 'echo', ['#@flowInput.x']],
      ['b', 'echo', ['@a']],
    ],
    results: { b: [[[]]] },
    details: '100.00% completed, 1 skipped, 1 succeed',
  },
];

const lists: Case[] = [
  { name: 'an empty list is no task', nodes: all('echo', ['#[]']), results: { a: [SKIPPED] } },
  { name: 'a range that ends before it begins', nodes: all('echo', ['#[5...3]']), results: { a: [SKIPPED] } },
  { name: 'a comma at the end', nodes: all('echo', ['#[1,]']), results: { a: [['1'], ['']] } },
  {
    name: 'brackets in brackets',
    nodes: all('echo', ['#[[1,2],[3]]']),
    results: { a: [['1'], ['2'], ['3']] },
  },
  { name: 'no bracket at the end', nodes: all('echo', ['#[1,2']), results: { a: [['1'], ['2']] } },
  {
    name: 'negative numbers',
    nodes: all('echo', ['#[-2...1, -5]']),
    results: { a: [[-2], [-1], [0], [1], ['-5']] },
  },
  {
    name: 'words are words',
    nodes: all('echo', ['#[a b, true, null]']),
    results: { a: [['ab'], ['true'], ['null']] },
  },
  {
    name: 'objects are texts, cut at commas',
    nodes: all('echo', ['#[{"a":1},{"b":2,"c":3}]']),
    results: { a: [['{"a":1}'], ['{"b":2'], ['"c":3}']] },
  },
  {
    name: 'what is missing in an object is left out, and null in an array',
    nodes: all('echo', [{ x: '#[1,2]', y: '#[7]', z: 0 }, ['#[8]']]),
    results: {
      a: [
        [{ x: '1', y: '7', z: 0 }, ['8']],
        [{ x: '2', z: 0 }, [null]],
      ],
    },
  },
  {
    name: 'a null of a list is kept',
    flowInput: { x: [1, null], y: [1] },
    nodes: all('echo', [{ x: '#@flowInput.x', y: '#@flowInput.y' }]),
    results: { a: [[{ x: 1, y: 1 }], [{ x: null }]] },
  },
  {
    name: 'three batches, cartesian, one of them empty',
    nodes: all('echo', ['#[1,2]', '#[]', '#[a]'], cartesian),
    results: { a: [SKIPPED] },
  },
  {
    name: 'three batches, indexed, one of them empty',
    nodes: all('echo', ['#[1,2]', '#[]', '#[a]']),
    results: {
      a: [
        ['1', null, 'a'],
        ['2', null, null],
      ],
    },
  },
  {
    name: 'three batches, cartesian: the last one turns fastest',
    nodes: all('echo', ['#[1,2]', { deep: ['#[a,b]'] }, '#[x,y]'], cartesian),
    results: {
      a: ['1', '2'].flatMap((one) =>
        ['a', 'b'].flatMap((two) => ['x', 'y'].map((three) => [one, { deep: [two] }, three])),
      ),
    },
  },
  {
    name: 'a list twice is two batches',
    nodes: all('echo', ['#[1,2]', '#[1,2]']),
    results: {
      a: [
        ['1', '1'],
        ['2', '2'],
      ],
    },
  },
  {
    name: 'a list of lists gives lists, not their elements',
    flowInput: { x: [[1, 2], [], { a: [] }] },
    nodes: all('echo', ['#@flowInput.x']),
    results: { a: [[[1, 2]], [[]], [{ a: [] }]] },
  },
];

const values: Case[] = [
  {
    name: 'signs in keys are not read, nor behind anything else',
    nodes: all('echo', [{ '@x': 1, '#[1,2]': 2, '*@x': '$@x' }, 'a #[1,2]', ' @x', '*x', '**@x']),
    results: { a: [[{ '@x': 1, '#[1,2]': 2, '*@x': '$@x' }, 'a #[1,2]', ' @x', '*x', '**@x']] },
  },
  {
    name: 'what is empty is kept',
    nodes: all('echo', [{}, [], [[]], [{}], { a: {}, b: 1 }, 'a', {}, 'b', '', 0]),
    results: { a: [[{}, [], [[]], [{}], { a: {}, b: 1 }, 'a', {}, 'b', '', 0]] },
  },
  {
    name: 'what is empty in flowInput is kept',
    flowInput: { e: { o: {}, l: [], s: '', n: null, z: 0, f: false } },
    nodes: all('echo', ['@flowInput.e', '@flowInput']),
    results: {
      a: [
        [
          { o: {}, l: [], s: '', n: null, z: 0, f: false },
          { e: { o: {}, l: [], s: '', n: null, z: 0, f: false } },
        ],
      ],
    },
  },
  {
    name: 'a path into flowInput goes through objects and arrays',
    flowInput: { arr: [{ x: { y: ['deep'] } }], zero: 0 },
    nodes: all('echo', ['@flowInput.arr.0.x.y.0', '@flowInput.zero']),
    results: { a: [['deep', 0]] },
  },
  ...[4, 'text', { a: [1] }, true].map((x) => ({
    name: `a batch of ${JSON.stringify(x)} is skipped`,
    flowInput: { x },
    nodes: all('echo', ['#@flowInput.x']),
    results: { a: [SKIPPED] },
  })),
  {
    name: 'what a result holds is not read for signs',
    nodes: [
      ['a', 'first', [{ x: 1 }]],
      ['b', 'echo', [['@a'], 'a@a']],
      ['c', 'echo', ['@b.0.0.x', '@b.1']],
    ],
    results: { c: [[1, 'a@a']] },
  },
  {
    name: 'a path that a result lacks is nothing, and fails nothing',
    nodes: [
      ['a', 'first', [{ x: 1 }]],
      ['b', 'echo', ['@a.y', { y: '@a.y', x: '@a.x' }, '@a.x.deeper', '@a.constructor']],
    ],
    results: { b: [[null, { x: 1 }, null, null]] },
  },
  {
    name: 'a path into a batch is one into each item, also where an item lacks it',
    flowInput: { x: [{ v: 1 }, { w: 2 }, 3, null] },
    nodes: [
      ['a', 'first', ['#@flowInput.x']],
      ['b', 'echo', ['@a.v']],
    ],
    results: { b: [[[1, null, null, null]]] },
  },
  {
    name: 'a batch of a path into a batch',
    flowInput: { x: [{ v: 1 }, { v: [2] }] },
    nodes: [
      ['a', 'first', ['#@flowInput.x']],
      ['b', 'echo', ['#@a.v']],
    ],
    results: { b: [[1], [[2]]] },
  },
  {
    name: 'a batch of one element of a result',
    nodes: [
      ['a', 'first', [[['p', 'q'], 'r']]],
      ['b', 'echo', ['#@a.0', '@a.1', '@a.0.1']],
    ],
    results: {
      b: [
        ['p', 'r', 'q'],
        ['q', 'r', 'q'],
      ],
    },
  },
  ...[7, 'text', { a: 1 }, null, []].map((value) => ({
    name: `a batch of a node that returned ${JSON.stringify(value)} is skipped`,
    nodes: [
      ['a', 'first', [value]],
      ['b', 'echo', ['#@a']],
    ] as Node[],
    results: { b: [SKIPPED] },
  })),
  {
    name: 'a batch of a path that a result lacks fails the job',
    nodes: [
      ['parent', 'first', [{ list: [1] }]],
      ['child', 'echo', ['#@parent.size']],
    ],
    fails: {
      message: 'node "child": path "size" of "#@parent.size" was not found in the result of node "parent"',
      nodeName: 'child',
    },
  },
  {
    name: 'a batch of a path that an item lacks fails the job',
    flowInput: { x: [{ v: [1] }, {}] },
    nodes: [
      ['parent', 'first', ['#@flowInput.x']],
      ['child', 'echo', ['#@parent.v']],
    ],
    fails: {
      message: 'node "child": path "v" of "#@parent.v" was not found in the result of node "parent"',
      nodeName: 'child',
    },
  },
  {
    name: 'a node may be named after what every object has',
    nodes: [
      ['__proto__', 'first', [{ x: 1 }]],
      ['constructor', 'first', ['#[1,2]']],
      ['b', 'echo', ['@__proto__.x', '*@constructor']],
    ],
    results: {
      b: [
        [1, '1'],
        [1, '2'],
      ],
    },
  },
];

const skips: Case[] = [
  {
    name: 'a skipped batch hands its children an empty list, and they run',
    nodes: [
      ['a', 'echo', ['#[]']],
      ['b', 'echo', ['@a', '@a.x', { a: '@a' }]],
    ],
    results: { b: [[[], [], { a: [] }]] },
  },
  {
    name: 'a batch of a skipped batch is skipped, and so on',
    nodes: [
      ['a', 'echo', ['#[]']],
      ['b', 'echo', ['#@a']],
      ['c', 'echo', ['*@b']],
      ['d', 'echo', ['#@c.path'], { includeInResults: true }],
      ['e', 'echo', ['@d']],
    ],
    results: { d: [SKIPPED], e: [[[]]] },
    details: '100.00% completed, 4 skipped, 1 succeed',
  },
  {
    name: 'who waits for items of a skipped batch is skipped at once',
    nodes: [
      ['a', 'echo', ['#[]']],
      ['b', 'echo', ['*@a']],
      ['c', 'echo', ['*@b', '@a']],
      ['d', 'echo', ['@c', '*@b']],
    ],
    results: { d: [SKIPPED] },
  },
  {
    name: 'beside items of another batch those of a skipped one are missing',
    nodes: [
      ['a', 'first', ['#[]']],
      ['b', 'first', ['#[1,2]']],
      ['c', 'echo', ['*@a', '*@b']],
    ],
    results: {
      c: [
        [null, '1'],
        [null, '2'],
      ],
    },
  },
  {
    name: 'who waits for items and has an empty batch of its own is skipped',
    nodes: [
      ['a', 'first', ['#[1,2]']],
      ['b', 'echo', ['*@a', '#[]']],
      ['c', 'echo', ['*@b']],
    ],
    results: { c: [SKIPPED] },
  },
  {
    name: 'a job of which nothing ran is completed',
    nodes: all('echo', ['#[]']),
    results: { a: [SKIPPED] },
    details: '100.00% completed, 1 skipped',
  },
];

const failures: Case[] = [
  {
    name: 'what failed is left out of the whole of a batch, and of a batch of it',
    flowInput: { nums: [1, 24, 3] },
    nodes: [
      ['a', 'limit', ['#@flowInput.nums']],
      ['whole', 'echo', ['@a']],
      ['batch', 'echo', ['#@a']],
      ['any', 'echo', ['*@a', { a: '*@a', b: '*@a.x' }]],
    ],
    results: {
      whole: [[[1, 3]]],
      batch: [[1], [3]],
      any: [
        [1, { a: 1, b: null }],
        [null, { a: null, b: null }],
        [3, { a: 3, b: null }],
      ],
    },
  },
  {
    name: 'who waits for items tolerates what a batch tolerates, of all its tasks',
    flowInput: { nums: [24, 1, 2, 3, 4] },
    options: { batchTolerance: 21 },
    nodes: [
      ['a', 'first', ['#@flowInput.nums']],
      ['b', 'limit', ['*@a']],
    ],
    results: { b: [failed('24 is too large'), 1, 2, 3, 4] },
  },
  {
    name: 'who waits for items fails where the tolerance is reached',
    flowInput: { nums: [24, 1, 2, 3, 4] },
    options: { batchTolerance: 20 },
    nodes: [
      ['a', 'first', ['#@flowInput.nums']],
      ['b', 'limit', ['*@a']],
    ],
    fails: {
      message: '1/5 (20%) failed tasks, batch tolerance is 20%, error: 24 is too large',
      nodeName: 'b',
    },
  },
  {
    name: 'a failed item goes through a chain as null',
    flowInput: { nums: [1, 24] },
    nodes: [
      ['a', 'limit', ['#@flowInput.nums']],
      ['b', 'first', ['*@a']],
      ['c', 'echo', ['*@b', '@a']],
    ],
    results: {
      c: [
        [1, [1]],
        [null, [1]],
      ],
    },
  },
  {
    name: 'the states of progress begin with that of the first item',
    flowInput: { nums: [24, 1, 2] },
    nodes: [
      ['a', 'limit', ['#@flowInput.nums']],
      ['b', 'limit', ['*@a']],
      ['c', 'echo', ['#[]']],
    ],
    results: { b: [null, 1, 2], c: [SKIPPED] },
    details: '100.00% completed, 1 failed, 5 succeed, 1 skipped',
  },
  {
    name: 'a node that is no batch fails the job with what it said',
    nodes: all('limit', [24]),
    fails: { message: '24 is too large', nodeName: 'a' },
  },
];

const waiting: Case[] = [
  {
    name: '"*@" of what is no batch is "@"',
    nodes: [
      ['a', 'first', [{ x: [1, 2] }]],
      ['b', 'echo', ['*@a', '*@a.x', '*@a.y', '@a.x.0']],
    ],
    results: { b: [[{ x: [1, 2] }, [1, 2], null, 1]] },
  },
  {
    name: 'a path is one into the item',
    flowInput: { x: [{ v: [1] }, { v: null }, 3] },
    nodes: [
      ['a', 'first', ['#@flowInput.x']],
      ['b', 'echo', ['*@a.v', '*@a.v.0', { v: '*@a.v.0' }]],
    ],
    results: {
      b: [
        [[1], 1, { v: 1 }],
        [null, null, { v: null }],
        [null, null, { v: null }],
      ],
    },
  },
  {
    name: 'items of two batches go in pairs, up to the longer one',
    nodes: [
      ['a', 'first', ['#[1,2,3]']],
      ['b', 'first', ['#[x,y,z,u,v]']],
      ['c', 'echo', ['*@a', '*@b']],
    ],
    results: { c: ['x', 'y', 'z', 'u', 'v'].map((b, index) => [['1', '2', '3'][index] ?? null, b]) },
  },
  {
    name: 'items of one batch, with all of another',
    nodes: [
      ['a', 'first', ['#[1,2]']],
      ['b', 'first', ['#[x,y,z]']],
      ['c', 'echo', ['*@a', '@b']],
    ],
    results: {
      c: [
        ['1', ['x', 'y', 'z']],
        ['2', ['x', 'y', 'z']],
      ],
    },
  },
  {
    name: 'items of a batch, with all of it',
    nodes: [
      ['a', 'first', ['#[1,2]']],
      ['c', 'echo', ['*@a', '@a']],
    ],
    results: {
      c: [
        ['1', ['1', '2']],
        ['2', ['1', '2']],
      ],
    },
  },
  {
    name: 'items of one batch, each with each of another',
    nodes: [
      ['one', 'first', ['#[1,2,3]']],
      ['two', 'first', ['#[x,y]']],
      ['three', 'echo', ['*@one', '#@two']],
    ],
    results: { three: ['1', '2', '3'].flatMap((one) => ['x', 'y'].map((two) => [one, two])) },
  },
  {
    name: 'items of one batch, with two batches in pairs',
    nodes: [
      ['one', 'first', ['#[1,2]']],
      ['three', 'echo', ['#[a,b,c]', '*@one', { x: '#[d]' }]],
    ],
    results: {
      three: ['1', '2'].flatMap((one) => [
        ['a', one, { x: 'd' }],
        ['b', one, {}],
        ['c', one, {}],
      ]),
    },
  },
  {
    name: 'items of one batch, with two batches each with each',
    nodes: [
      ['one', 'first', ['#[1,2]']],
      ['three', 'echo', ['#[a,b]', '*@one', '#[c,d]'], cartesian],
    ],
    results: {
      three: ['1', '2'].flatMap((one) => ['a', 'b'].flatMap((a) => ['c', 'd'].map((c) => [a, one, c]))),
    },
  },
  {
    name: 'four nodes in a row, and the products of one of them',
    nodes: [
      ['d', 'echo', ['*@c']],
      ['c', 'first', ['*@b']],
      ['b', 'echo', ['*@a', '#[x,y]']],
      ['a', 'first', ['#[1,2]']],
    ],
    results: { d: [[['1', 'x']], [['1', 'y']], [['2', 'x']], [['2', 'y']]] },
  },
  {
    name: 'items that meet again',
    nodes: [
      ['a', 'first', ['#[1,2,3]']],
      ['b', 'sum', ['*@a', 10]],
      ['c', 'sum', ['*@a', 20]],
      ['d', 'echo', ['*@b', '*@c', '*@a']],
    ],
    results: { d: [1, 2, 3].map((n) => [n + 10, n + 20, String(n)]) },
  },
  {
    name: 'an output node may take items, too',
    nodes: [
      ['a', 'first', ['#[1,2]']],
      ['out', 'output', ['*@a', { all: '@a' }]],
    ],
    results: {
      out: [
        ['1', { all: ['1', '2'] }],
        ['2', { all: ['1', '2'] }],
      ],
    },
  },
  {
    name: 'both spellings put a node among the results, in the order of the descriptor',
    nodes: [
      ['c', 'echo', ['*@b']],
      ['b', 'first', ['*@a'], { includeInResult: true }],
      ['a', 'first', ['#[1,2]'], { includeInResults: true }],
    ],
    results: { c: [['1'], ['2']], b: ['1', '2'], a: ['1', '2'] },
  },
];

interface Item {
  nodeName: string;
  batchIndex: number | null;
  algorithmName: string;
  result: unknown;
  error: string | null;
}

interface JobAnswer {
  status: string;
  error: { message: string; nodeName: string } | null;
  progress: { percent: number; details: string };
  nodes: { name: string; status: string; dependsOn: string[]; progress: { total: number } }[];
  results: { nodes: Item[]; pageInfo: { endCursor: string; hasNextPage: boolean } };
}

const JOB = `query ($id: ID!, $after: String) { job(id: $id) {
  status error { message nodeName } progress { percent details }
  nodes { name status dependsOn progress { total } }
  results(first: 100, after: $after) {
    nodes { nodeName batchIndex algorithmName result error } pageInfo { endCursor hasNextPage } } } }`;

describe("HKube's descriptors", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  const descriptor = ({ nodes, flowInput, options }: Case) => ({
    name: 'case',
    ...(flowInput !== undefined && { flowInput }),
    ...(options && { options }),
    nodes: nodes.map(([nodeName, algorithmName, input, more]) => ({
      nodeName,
      ...(algorithmName === 'output' ? { kind: 'output' } : { algorithmName }),
      input,
      ...more,
    })),
  });

  async function run(one: Case): Promise<JobAnswer & { items: Item[] }> {
    const id = await world.submit(descriptor(one));
    await world.follow(
      'subscription ($id: ID!) { jobEvents(jobId: $id, types: [JOB_COMPLETED, JOB_FAILED]) { type } }',
      {
        id,
      },
    );
    const items: Item[] = [];
    let after: string | null = null;
    for (;;) {
      const { job }: { job: JobAnswer } = await world.ask(JOB, { id, after });
      items.push(...job.results.nodes);
      after = job.results.pageInfo.endCursor;
      if (!job.results.pageInfo.hasNextPage) return { ...job, items };
    }
  }

  const shownAs = ({ batchIndex, result, error }: Item) =>
    batchIndex === -1 ? SKIPPED : error === null ? result : failed(error);

  const check = async (one: Case) => {
    const job = await run(one);
    if (one.fails) {
      expect(job).toMatchObject({ status: 'FAILED', error: one.fails, items: [] });
      return;
    }
    expect([job.status, job.error]).toEqual(['COMPLETED', null]);
    expect(job.progress.percent).toBe(100);
    const byNode = new Map<string, Item[]>();
    for (const item of job.items) byNode.set(item.nodeName, [...(byNode.get(item.nodeName) ?? []), item]);
    if (one.results) {
      const shown = [...byNode].map(([name, items]) => [name, items.map(shownAs)]);
      expect(shown).toEqual(Object.entries(one.results));
    }
    for (const [name, count] of Object.entries(one.counts ?? {}))
      expect(byNode.get(name)).toHaveLength(count);
    for (const [name, expected] of Object.entries(one.at ?? {})) {
      for (const [index, result] of Object.entries(expected))
        expect(byNode.get(name)![Number(index) - 1]).toMatchObject({ batchIndex: Number(index), result });
    }
    for (const items of byNode.values()) {
      const indexes = items.map((item) => item.batchIndex);
      const single = indexes[0] === null || indexes[0] === -1;
      expect(indexes).toEqual(single ? [indexes[0]] : upTo(1, items.length));
    }
    const algorithms = new Map(one.nodes.map(([name, algorithm]) => [name, algorithm]));
    for (const item of job.items) expect(item.algorithmName).toBe(algorithms.get(item.nodeName));
    if (one.details) expect(job.progress.details).toBe(one.details);
    for (const [name, parents] of Object.entries(one.dependsOn ?? {}))
      expect(job.nodes.find((node) => node.name === name)!.dependsOn).toEqual(parents);
  };

  it.each(named(numbered))('case %s', (_name, one) => check(one));
  describe('raw lists and several batches', () => {
    it.each(named(lists))('%s', (_name, one) => check(one));
  });
  describe('values and references', () => {
    it.each(named(values))('%s', (_name, one) => check(one));
  });
  describe('what is skipped', () => {
    it.each(named(skips))('%s', (_name, one) => check(one));
  });
  describe('what fails', () => {
    it.each(named(failures))('%s', (_name, one) => check(one));
  });
  describe('items taken one by one', () => {
    it.each(named(waiting))('%s', (_name, one) => check(one));
  });

  it('case 4: a range of 200,000 is submitted and expanded without a copy of the input for each', async () => {
    const id = await world.submit({
      name: 'case',
      flowInput: { large: 'x'.repeat(100_000) },
      nodes: [{ nodeName: 'a', algorithmName: 'hang', input: ['#[1...200000]', '@flowInput.large'] }],
    });
    const total = async () => (await world.ask<{ job: JobAnswer }>(JOB, { id })).job.nodes[0]!.progress.total;
    await expect.poll(total).toBe(200_000);
    await world.ask('mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { message } } }', {
      id,
    });
    const { viewer } = await world.ask<{ viewer: { account: { id: string } } }>(
      '{ viewer { account { id } } }',
    );
    const { storedBytes } = await world.app.store.usage(viewer.account.id);
    expect(storedBytes).toBeLessThan(10_000_000);
  });

  it('an output node may have a name of its own for its algorithm, and needs none of that name', async () => {
    const id = await world.submit({
      name: 'case',
      nodes: [
        { nodeName: 'a', algorithmName: 'first', input: [7] },
        { nodeName: 'b', kind: 'output', algorithmName: 'no-such', input: ['@a', { x: 1 }] },
      ],
    });
    await world.ended(id);
    const { job } = await world.ask<{ job: JobAnswer }>(JOB, { id });
    expect(job.results.nodes).toMatchObject([
      { nodeName: 'b', algorithmName: 'no-such', result: [7, { x: 1 }] },
    ]);
  });

  it('submitPipeline takes items one by one, and output nodes, in typed form', async () => {
    const { submitPipeline } = await world.ask<{
      submitPipeline: { job: { id: string } | null; userErrors: unknown[] };
    }>(
      `mutation { submitPipeline(input: { name: "case", nodes: [
        { nodeName: "a", algorithmName: "first", input: ["#[1,2]"] }
        { nodeName: "b", kind: output, input: ["*@a", { all: "@a" }] }
      ] }) { job { id } userErrors { message } } }`,
    );
    expect(submitPipeline.userErrors).toEqual([]);
    const { id } = submitPipeline.job!;
    await world.ended(id);
    const { job } = await world.ask<{ job: JobAnswer }>(JOB, { id });
    expect(job.results.nodes).toMatchObject(
      ['1', '2'].map((a, index) => ({
        nodeName: 'b',
        batchIndex: index + 1,
        algorithmName: 'output',
        result: [a, { all: ['1', '2'] }],
      })),
    );
  });
});
