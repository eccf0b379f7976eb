import { readdirSync } from 'node:fs';
import { ALGORITHMS } from './world.js';

/** A descriptor that is refused, and what is said of it. */
export interface Refusal {
  given: unknown;
  /** HKube's sentence, of the first thing that is wrong. */
  hkube: string;
  /** Ours. Not given: the same sentence. */
  ours?: string;
  /** Where, from the root of the descriptor. */
  path: string;
  code?: string;
}

const known = readdirSync(ALGORITHMS)
  .map((file) => file.replace('.mjs', ''))
  .sort()
  .slice(0, 10)
  .join(', ');
const node = (more: object = {}) => ({ nodeName: 'a', algorithmName: 'echo', ...more });
const p = (more: object = {}) => ({ name: 'p', nodes: [node()], ...more });
const one = (more: object) => p({ nodes: [node(more)] });
const options = (more: object) => p({ options: more });
const long = (length: number) => 'x'.repeat(length);

const NAME = 'pipeline name must contain only alphanumeric, dash, dot or underscore';
const NAME_OURS = 'must contain only letters, digits, dash, dot, colon or underscore';
const EXPERIMENT = 'experiment name must contain only alphanumeric, dash, dot or underscore';
const ALGORITHM = 'algorithm name must contain only lower-case alphanumeric, dash or dot';
const ALGORITHM_OURS = 'must be lower-case letters, digits, dashes or dots, at least 2';
const FORMATS = 'standard,cloudevents,query,hkube,hkube-v2,pipelet,report,serpwow,cortex';
const KINDS = 'algorithm,pipeline,debug,dataSource,gateway,output,hyperparamsTuner';
const LEVELS = 'trace,debug,info,warn,error,critical';
const words = (list: string) => list.replaceAll(',', ', ');

/** Every refusal of a descriptor that HKube's users know, then the bounds that are ours. */
export const refusals: readonly Refusal[] = [
  // The name.
  {
    given: {},
    hkube: "data should have required property 'name'",
    ours: 'name must be given, got nothing',
    path: 'name',
  },
  {
    given: { name: {} },
    hkube: 'data.name should be string',
    ours: 'name must be of type string, got {}',
    path: 'name',
  },
  {
    given: p({ name: ['p'] }),
    hkube: 'data.name should be string',
    ours: 'name must be of type string, got ["p"]',
    path: 'name',
  },
  ...['', null].map((name) => ({
    given: { name },
    hkube: 'data.name should NOT be shorter than 1 characters',
    ours: `name must be at least 1 characters long, got ${JSON.stringify(name)}`,
    path: 'name',
  })),
  ...['exec/raw', '*xecraw', 'exec%raw', 'exec"raw', 'exec#raw', 'exec raw', 'a\0b'].map((name) => ({
    given: p({ name }),
    hkube: name.includes('\0') ? 'data.name should NOT contain NUL characters' : NAME,
    ours: `name ${name.includes('\0') ? 'must not contain NUL characters' : NAME_OURS}, got ${JSON.stringify(name)}`,
    path: 'name',
  })),
  {
    given: p({ experimentName: 'a b' }),
    hkube: EXPERIMENT,
    ours: `experimentName ${NAME_OURS}, got "a b"`,
    path: 'experimentName',
  },
  {
    given: p({ experimentName: long(33) }),
    hkube: 'data.experimentName should NOT be longer than 32 characters',
    ours: `experimentName must be at most 32 characters long, got "${long(33)}"`,
    path: 'experimentName',
  },
  // Nodes.
  ...[
    { given: { name: 'string' }, got: 'nothing' },
    { given: { name: 'p', nodes: [] }, got: '[]' },
  ].map(({ given, got }) => ({
    given,
    hkube: 'pipeline must have at least one node',
    ours: `nodes must be at least 1 items long, got ${got}`,
    path: 'nodes',
  })),
  {
    given: p({ nodes: null }),
    hkube: 'data.nodes should be array',
    ours: 'nodes must be of type array, got null',
    path: 'nodes',
  },
  {
    given: p({ nodes: ['a'] }),
    hkube: 'data.nodes[0] should be object',
    ours: 'nodes[0] must be of type object, got "a"',
    path: 'nodes.0',
  },
  {
    given: p({ nodes: [{ algorithmName: 'echo' }] }),
    hkube: "data.nodes[0] should have required property 'nodeName'",
    ours: 'nodes[0].nodeName must be given, got nothing',
    path: 'nodes.0.nodeName',
  },
  {
    given: one({ nodeName: '' }),
    hkube: 'data.nodes[0].nodeName should NOT be shorter than 1 characters',
    ours: 'nodes[0].nodeName must be at least 1 characters long, got ""',
    path: 'nodes.0.nodeName',
  },
  {
    given: p({ nodes: [{ nodeName: 'a' }] }),
    hkube: 'please provide algorithm name',
    path: 'nodes.0.algorithmName',
  },
  ...['UPPER', 'x'].map((algorithmName) => ({
    given: one({ algorithmName }),
    hkube: ALGORITHM,
    ours: `nodes[0].algorithmName ${ALGORITHM_OURS}, got "${algorithmName}"`,
    path: 'nodes.0.algorithmName',
  })),
  {
    given: one({ algorithmName: long(33) }),
    hkube: 'data.nodes[0].algorithmName should NOT be longer than 32 characters',
    ours: `nodes[0].algorithmName must be at most 32 characters long, got "${long(33)}"`,
    path: 'nodes.0.algorithmName',
  },
  ...[null, '@x', {}].map((input) => ({
    given: one({ input }),
    hkube: 'data.nodes[0].input should be array',
    ours: `nodes[0].input must be of type array, got ${JSON.stringify(input)}`,
    path: 'nodes.0.input',
  })),
  {
    given: one({ kind: 'robot' }),
    hkube: `data.nodes[0].kind should be equal to one of the allowed values (${KINDS})`,
    ours: `nodes[0].kind must be one of ${words(KINDS)}, got "robot"`,
    path: 'nodes.0.kind',
  },
  {
    given: one({ batchOperation: 'zip' }),
    hkube: 'data.nodes[0].batchOperation should be equal to one of the allowed values (indexed,cartesian)',
    ours: 'nodes[0].batchOperation must be one of indexed, cartesian, got "zip"',
    path: 'nodes.0.batchOperation',
  },
  {
    given: one({ retry: { policy: 'Sometimes' } }),
    hkube:
      'data.nodes[0].retry.policy should be equal to one of the allowed values (Never,Always,OnError,OnCrash)',
    ours: 'nodes[0].retry.policy must be one of Never, Always, OnError, OnCrash, got "Sometimes"',
    path: 'nodes.0.retry.policy',
  },
  {
    given: one({ retry: { limit: 0 } }),
    hkube: 'data.nodes[0].retry.limit should be >= 1',
    ours: 'nodes[0].retry.limit must be at least 1, got 0',
    path: 'nodes.0.retry.limit',
  },
  {
    given: one({ retry: null }),
    hkube: 'data.nodes[0].retry should be object',
    ours: 'nodes[0].retry must be of type object, got null',
    path: 'nodes.0.retry',
  },
  {
    given: one({ ttl: -1 }),
    hkube: 'data.nodes[0].ttl should be >= 0',
    ours: 'nodes[0].ttl must be at least 0, got -1',
    path: 'nodes.0.ttl',
  },
  {
    given: one({ extraData: [1] }),
    hkube: 'data.nodes[0].extraData should be object',
    ours: 'nodes[0].extraData must be of type object, got [1]',
    path: 'nodes.0.extraData',
  },
  {
    given: one({ metrics: { tensorboard: 'on' } }),
    hkube: 'data.nodes[0].metrics.tensorboard should be boolean',
    ours: 'nodes[0].metrics.tensorboard must be of type boolean, got "on"',
    path: 'nodes.0.metrics.tensorboard',
  },
  // The graph.
  {
    given: p({ nodes: [node({ nodeName: 'dup' }), node({ nodeName: 'dup' })] }),
    hkube: 'found duplicate node "dup"',
    path: 'nodes.1.nodeName',
  },
  ...['flowInput', 'dataSource'].map((nodeName) => ({
    given: one({ nodeName }),
    hkube: `pipeline "p" has invalid reserved name "${nodeName}"`,
    path: 'nodes.0.nodeName',
  })),
  {
    given: one({ nodeName: 'B', input: ['@C'] }),
    hkube: 'node "B" is depend on node "C" which is not exists',
    path: 'nodes.0.input',
  },
  {
    given: one({ nodeName: 'B', input: ['@'] }),
    hkube: 'node "B" is depend on node "" which is not exists',
    path: 'nodes.0.input',
  },
  ...[
    [node({ input: ['@b'] }), node({ nodeName: 'b', input: ['@a'] })],
    [node({ input: [{ deep: ['@a'] }] })],
  ].map((nodes) => ({
    given: p({ nodes }),
    hkube: 'cyclic nodes are not allowed on batch pipeline',
    path: 'nodes',
  })),
  {
    given: { ...one({ input: ['@flowInput.notExist'] }), flowInput: {} },
    hkube: 'unable to find flowInput.notExist',
    path: 'nodes.0.input',
  },
  {
    given: {
      ...p({
        nodes: [node({ input: ['@flowInput.inp'] }), node({ nodeName: 'two', input: ['@flowInput.two'] })],
      }),
      flowInput: { inp: 0 },
    },
    hkube: 'unable to find flowInput.two',
    path: 'nodes.1.input',
  },
  { given: one({ input: ['@flowInput'] }), hkube: 'unable to find flowInput', path: 'nodes.0.input' },
  {
    given: p({ nodes: [node(), node({ nodeName: 'b', input: ['*#@a'] })] }),
    hkube: 'node "b" uses "*#@a", which is not supported',
    path: 'nodes.1.input',
    code: 'NOT_SUPPORTED',
  },
  {
    given: one({ input: Array(10_001).fill('@flowInput') }),
    hkube: 'node "a": a pipeline must have at most 10000 references, got more',
    path: 'nodes.0.input',
  },
  {
    given: one({ algorithmName: 'not.exists' }),
    hkube: 'algorithm not.exists Not Found',
    ours: `algorithm not.exists Not Found; known are: ${known}`,
    path: 'nodes.0.algorithmName',
    code: 'NOT_FOUND',
  },
  // How it is run.
  {
    given: p({ priority: 8 }),
    hkube: 'data.priority should be <= 5',
    ours: 'priority must be at most 5, got 8',
    path: 'priority',
  },
  {
    given: p({ priority: 0 }),
    hkube: 'data.priority should be >= 1',
    ours: 'priority must be at least 1, got 0',
    path: 'priority',
  },
  {
    given: p({ priority: 1.5 }),
    hkube: 'data.priority should be integer',
    ours: 'priority must be a whole number, got 1.5',
    path: 'priority',
  },
  {
    given: p({ priority: [3] }),
    hkube: 'data.priority should be integer',
    ours: 'priority must be a whole number, got [3]',
    path: 'priority',
  },
  {
    given: options({ batchTolerance: -2 }),
    hkube: 'data.options.batchTolerance should be >= 0',
    ours: 'options.batchTolerance must be at least 0, got -2',
    path: 'options.batchTolerance',
  },
  {
    given: options({ batchTolerance: 101 }),
    hkube: 'data.options.batchTolerance should be <= 100',
    ours: 'options.batchTolerance must be at most 100, got 101',
    path: 'options.batchTolerance',
  },
  ...[20.6, 'twenty'].map((batchTolerance) => ({
    given: options({ batchTolerance }),
    hkube: 'data.options.batchTolerance should be integer',
    ours: `options.batchTolerance must be a whole number, got ${JSON.stringify(batchTolerance)}`,
    path: 'options.batchTolerance',
  })),
  {
    given: p({ options: [] }),
    hkube: 'data.options should be object',
    ours: 'options must be of type object, got []',
    path: 'options',
  },
  {
    given: p({ kind: 'lambda' }),
    hkube: 'data.kind should be equal to one of the allowed values (batch,stream)',
    ours: 'kind must be one of batch, stream, got "lambda"',
    path: 'kind',
  },
  {
    given: p({ kind: 'stream', streaming: {} }),
    hkube: 'kind "stream" is not supported: only batch pipelines are run',
    path: 'kind',
    code: 'NOT_SUPPORTED',
  },
  {
    given: p({ streaming: { flows: { main: 'a >> b' } } }),
    hkube: 'streaming flow is only allowed in stream pipeline',
    path: 'streaming.flows',
  },
  {
    given: options({ progressVerbosityLevel: 'loud' }),
    hkube: `data.options.progressVerbosityLevel should be equal to one of the allowed values (${LEVELS})`,
    ours: `options.progressVerbosityLevel must be one of ${words(LEVELS)}, got "loud"`,
    path: 'options.progressVerbosityLevel',
  },
  {
    given: options({ activeTtl: 0 }),
    hkube: 'data.options.activeTtl should be >= 1',
    ours: 'options.activeTtl must be at least 1, got 0',
    path: 'options.activeTtl',
  },
  {
    given: options({ activeTtl: 'soon' }),
    hkube: 'data.options.activeTtl should be integer,null',
    ours: 'options.activeTtl must be a whole number or null, got "soon"',
    path: 'options.activeTtl',
  },
  {
    given: options({ concurrentPipelines: 2 }),
    hkube: 'data.options.concurrentPipelines should be object',
    ours: 'options.concurrentPipelines must be of type object, got 2',
    path: 'options.concurrentPipelines',
  },
  {
    given: options({ concurrentPipelines: { amount: 0 } }),
    hkube: 'data.options.concurrentPipelines.amount should be >= 1',
    ours: 'options.concurrentPipelines.amount must be at least 1, got 0',
    path: 'options.concurrentPipelines.amount',
  },
  {
    given: options({ concurrentPipelines: { amount: 10_001 } }),
    hkube: 'data.options.concurrentPipelines.amount should be <= 10000',
    ours: 'options.concurrentPipelines.amount must be at most 10000, got 10001',
    path: 'options.concurrentPipelines.amount',
  },
  {
    given: options({ concurrentPipelines: { amount: 2, foo: 1 } }),
    hkube: 'data.options.concurrentPipelines should NOT have additional properties (foo)',
    ours: 'options.concurrentPipelines must not have the key "foo": known are amount, rejectOnFailure, got 1',
    path: 'options.concurrentPipelines.foo',
  },
  {
    given: options({ debugOverride: ['a', 'b'] }),
    hkube: 'debugOverride node not in nodes list',
    ours: 'options.debugOverride[1] must be the name of one of the nodes, got "b"',
    path: 'options.debugOverride.1',
  },
  // Who is told.
  ...['result', 'progress'].flatMap((kind) =>
    ['not-a-url', 'ftp://example.com/hook'].map((url) => ({
      given: p({ webhooks: { [kind]: url } }),
      hkube: `data.webhooks.${kind} should match format "url"`,
      ours: `webhooks.${kind} must start with "https://" or "http://", got "${url}"`,
      path: `webhooks.${kind}`,
      code: 'FORBIDDEN_DESTINATION',
    })),
  ),
  {
    given: p({ webhooks: { result: 'http://10.0.0.1/' } }),
    hkube: 'data.webhooks.result must lead to a public address, got 10.0.0.1, a private address',
    ours: 'webhooks.result must lead to a public address, got 10.0.0.1, a private address',
    path: 'webhooks.result',
    code: 'FORBIDDEN_DESTINATION',
  },
  {
    given: p({ webhooks: { stam: 'x' } }),
    hkube: 'data.webhooks should NOT have additional properties (stam)',
    ours: 'webhooks must not have the key "stam": known are progress, result, format, got "x"',
    path: 'webhooks.stam',
  },
  ...['', null].map((result) => ({
    given: p({ webhooks: { result } }),
    hkube: 'data.webhooks.result should NOT be shorter than 1 characters',
    ours: `webhooks.result must be at least 1 characters long, got ${JSON.stringify(result)}`,
    path: 'webhooks.result',
  })),
  {
    given: p({ webhooks: { format: 'smoke' } }),
    hkube: `data.webhooks.format should be equal to one of the allowed values (${FORMATS})`,
    ours: `webhooks.format must be one of ${words(FORMATS)}, got "smoke"`,
    path: 'webhooks.format',
  },
  // What runs it.
  ...['bla', '* * *', '61 * * * *', '@hourly'].map((pattern) => ({
    given: p({ triggers: { cron: { pattern } } }),
    hkube: 'data.triggers.cron.pattern should match format "cron"',
    ours:
      pattern === '61 * * * *'
        ? 'triggers.cron.pattern must be a cron pattern whose minutes are 0 to 59, got "61 * * * *"'
        : `triggers.cron.pattern must be a cron pattern of 5 or 6 fields, got "${pattern}"`,
    path: 'triggers.cron.pattern',
  })),
  {
    given: p({ triggers: { cron: { pattern: '0 * * * *', timeZone: 'Mars/Olympus' } } }),
    hkube: 'data.triggers.cron.timeZone should match format "time-zone"',
    ours: 'triggers.cron.timeZone must be the name of a time zone, like "UTC" or "Europe/Berlin", got "Mars/Olympus"',
    path: 'triggers.cron.timeZone',
  },
  {
    given: p({ triggers: { pipelines: 'a' } }),
    hkube: 'data.triggers.pipelines should be array',
    ours: 'triggers.pipelines must be of type array, got "a"',
    path: 'triggers.pipelines',
  },
  {
    given: p({ triggers: { pipelines: [''] } }),
    hkube: 'data.triggers.pipelines[0] should NOT be shorter than 1 characters',
    ours: 'triggers.pipelines[0] must be at least 1 characters long, got ""',
    path: 'triggers.pipelines.0',
  },
  {
    given: p({ triggers: { pipelines: ['a', 'a'] } }),
    hkube: 'data.triggers.pipelines should NOT have duplicate items (items ## 1 and 0 are identical)',
    ours: 'triggers.pipelines must not have the same item twice, as in [0] and [1], got ["a","a"]',
    path: 'triggers.pipelines',
  },
  {
    given: p({ triggers: { clock: true } }),
    hkube: 'data.triggers should NOT have additional properties (clock)',
    ours: 'triggers must not have the key "clock": known are pipelines, cron, got true',
    path: 'triggers.clock',
  },
  // What it is known by.
  {
    given: p({ tags: 'red' }),
    hkube: 'data.tags should be array',
    ours: 'tags must be of type array, got "red"',
    path: 'tags',
  },
  {
    given: p({ tags: ['ok', long(33)] }),
    hkube: 'data.tags[1] should NOT be longer than 32 characters',
    ours: `tags[1] must be at most 32 characters long, got "${long(33)}"`,
    path: 'tags.1',
  },
  ...[[1], 'text'].map((flowInput) => ({
    given: p({ flowInput }),
    hkube: 'data.flowInput should be object,null',
    ours: `flowInput must be of type object or null, got ${JSON.stringify(flowInput)}`,
    path: 'flowInput',
  })),
  // Bounds that are ours, in HKube's style.
  {
    given: [p()],
    hkube: 'data should be object',
    ours: 'descriptor must be of type object, got [{"name":"p","nodes":[{"nodeName":"a","algorithmName":"echo"}]}]',
    path: '',
  },
  {
    given: p({ name: long(201) }),
    hkube: 'data.name should NOT be longer than 200 characters',
    ours: `name must be at most 200 characters long, got "${long(76)}…`,
    path: 'name',
  },
  {
    given: p({ nodes: Array.from({ length: 1_001 }, (_, index) => node({ nodeName: `n${index}` })) }),
    hkube: 'data.nodes should NOT have more than 1000 items',
    ours: 'nodes must be at most 1000 items long, got 1001',
    path: 'nodes',
  },
  {
    given: p({ tags: Array(101).fill('t') }),
    hkube: 'data.tags should NOT have more than 100 items',
    ours: 'tags must be at most 100 items long, got 101',
    path: 'tags',
  },
  {
    given: options({ ttl: 1e300 }),
    hkube: 'data.options.ttl should be <= 2147483647',
    ours: 'options.ttl must be at most 2147483647, got 1e+300',
    path: 'options.ttl',
  },
  {
    given: one({ nodeName: '\ud83d' }),
    hkube: 'data.nodes[0].nodeName should NOT contain halves of surrogate pairs',
    ours: 'nodes[0].nodeName must not contain halves of surrogate pairs, got "\\ud83d"',
    path: 'nodes.0.nodeName',
  },
  {
    given: one({ kind: 'gateway' }),
    hkube:
      'nodes[0].kind "gateway" is not supported: nodes of kind "algorithm", "pipeline" and "output" are run',
    path: 'nodes.0.kind',
    code: 'NOT_SUPPORTED',
  },
];

/** Descriptors with more than one thing wrong, from the first that HKube tells to the last. */
export const inTurn: readonly { given: unknown; first: string }[] = [
  {
    given: { priority: 9, nodes: [], webhooks: { stam: 1 } },
    first: "data should have required property 'name'",
  },
  {
    given: p({ kind: 'x', nodes: [{ algorithmName: 'UP', input: 1 }], priority: 9 }),
    first: 'data.kind should be equal to one of the allowed values (batch,stream)',
  },
  {
    given: p({ nodes: [{ algorithmName: 'UP', input: 1 }], priority: 9 }),
    first: "data.nodes[0] should have required property 'nodeName'",
  },
  {
    given: p({ webhooks: { progress: '', stam: 1 }, priority: 9 }),
    first: 'data.webhooks should NOT have additional properties (stam)',
  },
  { given: { name: 'p', nodes: [], priority: 9 }, first: 'data.priority should be <= 5' },
  {
    given: p({ nodes: [node({ algorithmName: 'none', input: ['@x'] })], options: { debugOverride: ['b'] } }),
    first: 'debugOverride node not in nodes list',
  },
  {
    given: p({ streaming: { flows: {} }, nodes: [node({ input: ['@x'] }), node({ algorithmName: 'none' })] }),
    first: 'algorithm none Not Found',
  },
  {
    given: p({ streaming: { flows: {} }, nodes: [{ nodeName: 'a', input: ['@x'] }] }),
    first: 'streaming flow is only allowed in stream pipeline',
  },
  { given: p({ nodes: [{ nodeName: 'flowInput', input: ['@x'] }] }), first: 'please provide algorithm name' },
  {
    given: p({ nodes: [node({ nodeName: 'flowInput', input: ['@x'] }), node(), node()] }),
    first: 'pipeline "p" has invalid reserved name "flowInput"',
  },
  { given: one({ input: [['@x', '@flowInput.y'], '@a'] }), first: 'unable to find flowInput.y' },
  {
    given: one({ input: ['@x', '@flowInput.y', '@a'] }),
    first: 'node "a" is depend on node "x" which is not exists',
  },
];
