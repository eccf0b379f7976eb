import fc from 'fast-check';

/** A descriptor that says everything, and is accepted where an algorithm `noop` is there. */
const whole = {
  name: 'fuzz',
  kind: 'batch',
  experimentName: 'main',
  description: 'any',
  externalId: 'x',
  tags: ['a', 'b'],
  priority: 3,
  flowInput: { x: [1, 2], y: { z: null } },
  webhooks: { format: 'hkube' },
  options: {
    ttl: 60,
    activeTtl: 60,
    batchTolerance: 50,
    progressVerbosityLevel: 'info',
    concurrentPipelines: { amount: 5, rejectOnFailure: false },
    debugOverride: ['a'],
  },
  triggers: { cron: { pattern: '0 0 * * *', enabled: false, timeZone: 'Europe/Berlin' }, pipelines: ['p'] },
  streaming: { defaultFlow: 'main' },
  edges: [{ source: 'a', target: 'b' }],
  rootJobId: 'r',
  version: 'v',
  nodes: [
    {
      nodeName: 'a',
      algorithmName: 'noop',
      input: ['#@flowInput.x', { deep: ['@flowInput.y'] }, '#[1,2,3...5]'],
    },
    {
      nodeName: 'b',
      algorithmName: 'noop',
      input: ['@a', '#@a.path'],
      kind: 'algorithm',
      batchOperation: 'cartesian',
      retry: { policy: 'Never', limit: 1 },
      ttl: 1,
      includeInResults: true,
      spec: {},
      metrics: { tensorboard: true },
      extraData: { any: 1 },
      stateType: 'stateless',
      minStatelessCount: 0,
    },
  ],
};

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\0',
      'a\0b',
      '\ud800',
      '🔔'.repeat(33),
      'x'.repeat(50_000),
      'NaN',
      '1e999',
      '0x10',
      '-0',
      'true',
      'null',
    ],
    ...[
      '@',
      '#@',
      '*@',
      '#[',
      '#[1...9e9]',
      '#[1...99999999999999999999]',
      '@flowInput',
      '@flowInput.__proto__',
      '@a',
      '#@b.c',
    ],
    ...[
      '@dataSource.x',
      '$$x',
      '*#@a',
      '@constructor',
      '@__proto__',
      'noop',
      'stream',
      'output',
      'pipeline',
      'http://[',
      'https://a',
    ],
    ...['* * * * *', '0 0 30 2 *', `${'*,'.repeat(400)}* * * * *`, '../..', '%00'],
  ),
);
const numbers = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(
    1e308,
    -1e308,
    2 ** 53,
    2 ** 31,
    -(2 ** 31) - 1,
    -0,
    0.1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ),
);
const keys = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'length',
    '0',
    '',
    'nodeName',
    'name',
    'input',
    'path',
    'amount',
  ),
  fc.string(),
);
const nested = (depth: number) => Array.from({ length: depth }).reduce<unknown>((inner) => [inner], 1);
const scalars = fc.oneof(texts, numbers, fc.boolean(), fc.constant(null));
const values: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalars },
  { weight: 2, arbitrary: fc.array(scalars, { maxLength: 5 }) },
  {
    weight: 2,
    arbitrary: fc.array(fc.tuple(keys, scalars), { maxLength: 5 }).map((all) => Object.fromEntries(all)),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: fc.constantFrom(10, 127, 128, 1_000).map(nested) },
);
/** Few of them: they take longer than all the others. */
const large = fc
  .tuple(
    fc.constantFrom(1_001, 100_000),
    scalars.filter((one) => typeof one !== 'string' || one.length < 10),
  )
  .map(([length, item]) => Array<unknown>(length).fill(item));

type Change = { path: Path; to: { set: unknown } | { key: string; value: unknown } | 'remove' | 'double' };
const changes: fc.Arbitrary<Change> = fc.record({
  path: fc.constantFrom(...pathsOf(whole)),
  to: fc.oneof(
    { weight: 30, arbitrary: fc.record({ set: values }) },
    { weight: 1, arbitrary: fc.record({ set: large }) },
    { weight: 10, arbitrary: fc.record({ key: keys, value: values }) },
    { weight: 10, arbitrary: fc.constantFrom('remove' as const, 'double' as const) },
  ),
});

/** What a place holds after a change there; nothing where an earlier change has taken the place away. */
function changed(value: unknown, path: Path, to: Change['to']): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    if (to === 'remove') return undefined;
    if (to === 'double') return Array.isArray(value) ? [...value, ...value] : [value, value];
    if ('set' in to) return to.set;
    return typeof value === 'object' && value !== null
      ? Object.fromEntries([...Object.entries(value), [to.key, to.value]])
      : { [to.key]: to.value };
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [
    name,
    name === String(key) ? changed(inner, rest, to) : inner,
  ]);
  const left = entries.filter(([, inner]) => inner !== undefined);
  return Array.isArray(value) ? left.map(([, inner]) => inner) : Object.fromEntries(left);
}

/** Any JSON, or a descriptor that was right until it was changed in one to four places. */
export const looseDescriptors: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 1, arbitrary: values },
  {
    weight: 6,
    arbitrary: fc
      .array(changes, { minLength: 1, maxLength: 4 })
      .map((all) => all.reduce<unknown>((value, { path, to }) => changed(value, path, to), whole) ?? null),
  },
);

/** Whether a path leads to a place of a value, or to where one is missing. */
export function leadsSomewhere(root: unknown, path: readonly string[]): boolean {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return false;
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  return true;
}
