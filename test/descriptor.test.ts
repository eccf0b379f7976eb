import { describe, expect, it } from 'vitest';
import { MAX_JSON_DEPTH, parseDescriptor } from '../src/descriptor.js';
import { graphOf } from '../src/graph.js';

const node = (more: object = {}) => ({ nodeName: 'a', algorithmName: 'alg', ...more });
const pipeline = (more: object = {}) => ({ name: 'p', nodes: [node()], ...more });

function problems(value: unknown): string[] {
  const parsed = parseDescriptor(value);
  if ('problems' in parsed) return parsed.problems.map((problem) => problem.message);
  return graphOf(parsed.descriptor).problems.map((problem) => problem.message);
}

describe('a descriptor', () => {
  it('has the defaults of HKube', () => {
    const parsed = parseDescriptor(pipeline());
    expect(parsed).toMatchObject({
      descriptor: {
        kind: 'batch',
        experimentName: 'main',
        priority: 3,
        options: { ttl: 3_600, batchTolerance: 80, progressVerbosityLevel: 'info' },
        webhooks: { format: 'HKUBE' },
        nodes: [
          {
            input: [],
            kind: 'algorithm',
            batchOperation: 'indexed',
            retry: { policy: 'OnCrash', limit: 3 },
            ttl: 0,
          },
        ],
      },
    });
  });

  it('ignores keys it does not know, and takes both spellings of what has two', () => {
    expect(problems(pipeline({ unknown: 1, options: { progressVerbosityLevel: 'warning' } }))).toEqual([]);
    expect(parseDescriptor(pipeline({ options: { progressVerbosityLevel: 'warning' } }))).toMatchObject({
      descriptor: { options: { progressVerbosityLevel: 'warn' } },
    });
    expect(parseDescriptor(pipeline({ webhooks: { format: 'hkube-v2' } }))).toMatchObject({
      descriptor: { webhooks: { format: 'HKUBE_V2' } },
    });
  });

  it.each([
    { given: { anything: 1, options: { more: true }, streaming: { more: 1 } }, kept: {} },
    { given: { name: ':-_.Az9' }, kept: { name: ':-_.Az9' } },
    { given: { tags: ['🔔'.repeat(32)] }, kept: { tags: ['🔔'.repeat(32)] } },
    { given: { options: { ttl: -5, activeTtl: null } }, kept: { options: { ttl: -5, activeTtl: null } } },
    {
      given: { options: { concurrentPipelines: { amount: 10_000 }, debugOverride: ['a'] } },
      kept: {
        options: { concurrentPipelines: { amount: 10_000, rejectOnFailure: true }, debugOverride: ['a'] },
      },
    },
    {
      given: {
        triggers: { cron: { pattern: '*/10 0 0 1 JAN *', timeZone: 'Asia/Tokyo' }, pipelines: ['x', 'y'] },
      },
      kept: {
        triggers: {
          cron: { pattern: '*/10 0 0 1 JAN *', timeZone: 'Asia/Tokyo', enabled: false },
          pipelines: ['x', 'y'],
        },
      },
    },
    // Neither says what it would be for: no limit, and no time of its own.
    {
      given: { options: { concurrentPipelines: { rejectOnFailure: false } }, triggers: { cron: {} } },
      kept: {
        options: { concurrentPipelines: { rejectOnFailure: false } },
        triggers: { cron: { enabled: false } },
      },
    },
    { given: { webhooks: { result: 'HTTPS://example.com/' } }, kept: { webhooks: { format: 'HKUBE' } } },
    {
      given: {
        rootJobId: 'r',
        version: 'v',
        spanId: null,
        userName: 'u',
        edges: [{}],
        streaming: { defaultFlow: 'f' },
      },
      kept: {
        rootJobId: 'r',
        version: 'v',
        spanId: '',
        userName: 'u',
        edges: [{}],
        streaming: { defaultFlow: 'f' },
      },
    },
    {
      given: {
        nodes: [
          node({
            metrics: { tensorboard: true },
            stateType: 'stateless',
            minStatelessCount: 1,
            spec: { id: 1 },
          }),
        ],
      },
      kept: {
        nodes: [
          { metrics: { tensorboard: true }, stateType: 'stateless', minStatelessCount: 1, spec: { id: 1 } },
        ],
      },
    },
  ])('may say $given', ({ given, kept }) => {
    expect(parseDescriptor(pipeline(given))).toMatchObject({ descriptor: kept });
  });

  it('runs a node in full that HKube has read from its cache', () => {
    const parsed = parseDescriptor(pipeline({ nodes: [node({ cacheJobId: 'earlier' })] }));
    expect('descriptor' in parsed && parsed.descriptor.nodes[0]).not.toHaveProperty('cacheJobId');
  });

  it('has at most so many keys, known or not, wherever they are', () => {
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, key) => [`k${key}`, 1]));
    const some = pipeline({
      flowInput: keys(30_000),
      nodes: [node({ ...keys(9_000), extraData: keys(30_000) })],
    });
    expect(problems({ ...some, ...keys(9_000) })).toEqual([]);
    expect(problems({ ...some, options: keys(12_000) })).toEqual([
      expect.stringMatching(/^descriptor must have at most 20000 keys, .* got 2\d{4}$/),
    ]);
  });

  it('is told its first hundred problems, however many there are', () => {
    const nodes = Array.from({ length: 1_000 }, () => node({ nodeName: '', ttl: -1 }));
    expect(problems(pipeline({ nodes }))).toHaveLength(100);
    expect(problems(pipeline({ nodes: Array(1_000).fill(node()) }))).toHaveLength(100);
    expect(problems(pipeline({ nodes: [node({ input: Array(100_000).fill('@x') })] }))).toHaveLength(100);
    expect(problems(pipeline({ nodes: Array(500_000).fill({}) }))).toHaveLength(1);
  });

  it.each([
    [{ nodes: [] }, 'nodes must be at least 1 items long, got []'],
    [{ nodes: 'x' }, 'nodes must be of type array, got "x"'],
    [{ name: '' }, 'name must be at least 1 characters long, got ""'],
    [{ name: 'a/b' }, 'name must contain only letters, digits, dash, dot, colon or underscore, got "a/b"'],
    [{ name: [7] }, 'name must be of type string, got [7]'],
    [{ priority: 8 }, 'priority must be at most 5, got 8'],
    [{ priority: 1.5 }, 'priority must be a whole number, got 1.5'],
    [{ priority: 1e300 }, 'priority must be at most 5, got 1e+300'],
    [{ options: { batchTolerance: -2 } }, 'options.batchTolerance must be at least 0, got -2'],
    [
      { options: { progressVerbosityLevel: 'loud' } },
      'options.progressVerbosityLevel must be one of trace, debug, info, warn, error, critical, got "loud"',
    ],
    [{ tags: ['x'.repeat(33)] }, `tags[0] must be at most 32 characters long, got "${'x'.repeat(33)}"`],
    [{ tags: ['a\0b'] }, 'tags[0] must not contain NUL characters, got "a\\u0000b"'],
    [{ flowInput: [1] }, 'flowInput must be of type object or null, got [1]'],
    [{ flowInput: { x: Number.POSITIVE_INFINITY } }, 'a number must be finite, got Infinity'],
    [{ kind: 'stream' }, 'kind "stream" is not supported: only batch pipelines are run'],
    [
      { nodes: [node({ algorithmName: 'UPPER' })] },
      'nodes[0].algorithmName must be lower-case letters, digits, dashes or dots, at least 2, got "UPPER"',
    ],
    [{ nodes: [{ nodeName: 'a' }] }, 'please provide algorithm name'],
    [
      { nodes: [node({ kind: 'gateway' })] },
      'nodes[0].kind "gateway" is not supported: nodes of kind "algorithm", "pipeline" and "output" are run',
    ],
    [{ nodes: [node({ retry: { limit: 0 } })] }, 'nodes[0].retry.limit must be at least 1, got 0'],
    [{ nodes: [node({ ttl: -1 })] }, 'nodes[0].ttl must be at least 0, got -1'],
    [{ nodes: [node(), node()] }, 'found duplicate node "a"'],
    [{ nodes: [node({ nodeName: 'flowInput' })] }, 'pipeline "p" has invalid reserved name "flowInput"'],
    [{ nodes: [node({ input: ['@C'] })] }, 'node "a" is depend on node "C" which is not exists'],
    [{ nodes: [node({ input: ['@'] })] }, 'node "a" is depend on node "" which is not exists'],
    [{ nodes: [node({ input: ['@a'] })] }, 'cyclic nodes are not allowed on batch pipeline'],
    [
      { nodes: [node({ input: ['@flowInput.notExist'] })], flowInput: {} },
      'unable to find flowInput.notExist',
    ],
    [{ nodes: [node({ input: ['@flowInput'] })] }, 'unable to find flowInput'],
    [{ nodes: [node({ input: ['*#@a'] })] }, 'node "a" uses "*#@a", which is not supported'],
    [
      { nodes: [node({ input: ['#[0...9999999]'] })] },
      'node "a": "#[0...9999999]" with the lists before it stands for 10000000 items, at most 1000000 are allowed in a pipeline',
    ],
  ])('%j is refused: %s', (more, message) => {
    expect(problems(pipeline(more))).toContain(message);
  });

  it('is refused where it is nested too deep, without a deep stack', () => {
    const deep = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1);
    expect(problems(pipeline({ flowInput: { x: deep(10_000) } }))).toEqual([
      `JSON must be nested at most ${MAX_JSON_DEPTH} levels deep, got more`,
    ]);
    expect(problems(pipeline({ flowInput: { x: deep(50) } }))).toEqual([]);
  });

  it('is refused where it is no object at all', () => {
    for (const value of [null, 1, 'text', [], undefined]) expect(problems(value)).toHaveLength(1);
  });

  it('may have null where HKube allows it', () => {
    expect(
      problems(pipeline({ flowInput: { inputs: null }, nodes: [node({ input: ['@flowInput.inputs'] })] })),
    ).toEqual([]);
    expect(problems(pipeline({ flowInput: null }))).toEqual([]);
  });

  it('names the place of every problem at once', () => {
    const parsed = parseDescriptor({ name: '', nodes: [{ nodeName: '' }], priority: 0 });
    expect('problems' in parsed && parsed.problems.map((problem) => problem.path)).toEqual([
      ['name'],
      ['nodes', '0', 'nodeName'],
      ['priority'],
    ]);
  });
});

describe('the batches of a descriptor', () => {
  it('are bounded together, so that a short text cannot stand for more work than a long one', () => {
    const list = '#[1...600000]';
    expect(problems(pipeline({ nodes: [node({ input: [list] })] }))).toEqual([]);
    expect(
      problems(pipeline({ nodes: [node({ input: [list] }), node({ nodeName: 'b', input: [list] })] })),
    ).toEqual([
      'node "b": "#[1...600000]" with the lists before it stands for 1200000 items, at most 1000000 are allowed in a pipeline',
    ]);
    expect(problems(pipeline({ nodes: [node({ input: Array(33).fill('#[1]') })] }))).toEqual([
      'node "a" must have at most 32 batch references, got 33',
    ]);
  });

  it('may be over an input of many elements', () => {
    expect(
      problems(pipeline({ flowInput: { x: 1 }, nodes: [node({ input: [Array(300_000).fill(1)] })] })),
    ).toEqual([]);
  });
});

describe('a graph', () => {
  it('takes its edges from references at any depth, one for each parent', () => {
    const parsed = parseDescriptor({
      name: 'p',
      nodes: [
        node({ nodeName: 'late', input: [{ deep: ['@b.x', '#@b'] }, '@c'] }),
        node({ nodeName: 'b' }),
        node({ nodeName: 'c', input: ['@b'] }),
      ],
    });
    if ('problems' in parsed) throw new Error('refused');
    const { graph } = graphOf(parsed.descriptor);
    expect(graph.nodes.map(({ parents }) => parents)).toEqual([[1, 2], [], [1]]);
    expect(graph.nodes[0]!.batches.map((reference) => reference.text)).toEqual(['#@b']);
  });

  it('finds cycles of any length', () => {
    for (let length = 1; length <= 5; length++) {
      const nodes = Array.from({ length }, (_, index) =>
        node({ nodeName: `n${index}`, input: [`@n${(index + 1) % length}`] }),
      );
      expect(problems({ name: 'p', nodes: [node({ nodeName: 'free' }), ...nodes] })).toEqual([
        'cyclic nodes are not allowed on batch pipeline',
      ]);
    }
  });
});
