import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { LogLine } from '../../src/run/messages.js';
import { createPool, type Pool, type PoolOptions } from '../../src/run/pool.js';
import { FakeSource, fixture } from './fake-source.js';

const names = [
  ...['about', 'block', 'broken', 'during', 'echo', 'exit', 'hoard', 'hook', 'late', 'methods', 'nothing'],
  ...['print', 'report', 'returns', 'sleep', 'throws', 'wait'],
];

const pools: Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop(0)));
});

/** A running pool over a fake store; real threads, real but short times. */
function setup(options: Partial<PoolOptions> = {}) {
  const source = new FakeSource();
  const lines: LogLine[] = [];
  const pool = createPool({
    threads: 1,
    algorithms: new Map(names.map(fixture)),
    tasks: source,
    clock: systemClock,
    worker: 'test',
    limits: { graceMs: 100 },
    log: (line) => {
      lines.push(line);
      source.poke();
    },
    onError: () => source.poke(),
    ...options,
  });
  pools.push(pool);
  pool.start();
  return { source, pool, lines };
}

/** Runs one task to its end. */
async function run(algorithm: string, input: unknown[], options: Partial<PoolOptions> = {}) {
  const { source } = setup(options);
  return source.end(source.add(algorithm, input));
}

test('runs a task and reports its start before its result', async () => {
  const before = Date.now();
  const { source } = setup();
  const token = source.add('echo', ['a', { b: null }]);
  await source.end(token);
  const [started, succeeded] = source.outcomes(token);
  expect(source.outcomes(token)).toHaveLength(2);
  expect(started).toMatchObject({ kind: 'started', token, ref: { node: 0, item: 1 } });
  expect(succeeded).toMatchObject({ kind: 'succeeded', result: '["a",{"b":null}]' });
  expect(started!.at).toBeGreaterThanOrEqual(before - 1);
  expect(succeeded!.at).toBeGreaterThanOrEqual(started!.at);
  expect(source.reports[0]?.jobUuid).toBe('01890000-0000-7000-8000-000000000001');
});

test('gives a module what it is promised and no environment', async () => {
  const { source } = setup();
  const token = source.add('about', [1], { batchIndex: 7, attempt: 3, extraData: '{"deep":[true]}' });
  const end = await source.end(token);
  expect(JSON.parse('result' in end ? end.result : '')).toEqual({
    input: [1],
    jobId: 'pipeline:01890000-0000-7000-8000-000000000001',
    taskId: 'tsk_01890000000070008000000000000001_0_1',
    nodeName: 'node',
    pipelineName: 'pipeline',
    algorithmName: 'about',
    batchIndex: 7,
    attempt: 3,
    info: { extraData: { deep: [true] } },
    env: {},
    sameProgress: true,
    sameSignal: true,
    aborted: false,
  });
});

test('outside a batch there is no batchIndex', async () => {
  const { source } = setup();
  const end = await source.end(source.add('about', [], { batchIndex: null }));
  expect(JSON.parse('result' in end ? end.result : '')).not.toHaveProperty('batchIndex');
});

test.each([
  ['error', 'no such colour: "blau"'],
  ['string', 'a plain string'],
  ['undefined', 'nothing'],
  ['object', '{"status":418}'],
])('what is thrown fails the task: %s', async (kind, message) => {
  expect(await run('throws', [kind])).toMatchObject({
    kind: 'failed',
    code: 'ALGORITHM_ERROR',
    message,
    crash: false,
  });
});

test.each(['function', 'symbol', 'bigint', 'nestedBigint', 'circular'])('a %s is no result', async (kind) => {
  expect(await run('returns', [kind])).toMatchObject({ kind: 'failed', code: 'NOT_JSON', crash: false });
});

test('a result above the limit is refused with bound and size', async () => {
  expect(await run('returns', ['text', 500], { limits: { maxResultBytes: 1_000 } })).toMatchObject({
    code: 'RESULT_TOO_LARGE',
    message: expect.stringContaining('1002 bytes of JSON, above the limit of 1000 bytes'),
  });
});

test('nothing returned is null', async () => {
  expect(await run('returns', ['undefined'])).toMatchObject({ kind: 'succeeded', result: 'null' });
});

test('an input above the limit never reaches the code', async () => {
  expect(await run('echo', ['x'.repeat(1_000)], { limits: { maxInputBytes: 1_000 } })).toMatchObject({
    code: 'INPUT_TOO_LARGE',
    message: expect.stringContaining('1000 bytes'),
  });
});

test('init comes before start, and methods keep their module', async () => {
  const { source } = setup();
  const tokens = ['a', 'b'].map((input) => source.add('methods', [input]));
  expect(await source.end(tokens[0]!)).toMatchObject({ result: '["init a","start a of methods"]' });
  expect(await source.end(tokens[1]!)).toMatchObject({ result: '["init a","init b","start b of methods"]' });
});

test.each([
  ['nothing', 'ALGORITHM_ERROR', 'unable to find mandatory method start'],
  ['broken', 'ALGORITHM_ERROR', 'algorithm "broken" could not be loaded: this module cannot be imported'],
  [
    'unheard-of',
    'ALGORITHM_NOT_FOUND',
    'algorithm "unheard-of" is not in the algorithms folder of this server',
  ],
])('a module that cannot run fails its tasks: %s', async (name, code, message) => {
  const { source } = setup();
  const tokens = [source.add(name), source.add(name)];
  for (const token of tokens)
    expect(await source.end(token)).toMatchObject({ kind: 'failed', code, message });
  expect(source.kinds(tokens[1]!)).toEqual(['started', 'failed']);
});

test('the start of a task that still runs is reported without waiting for its end', async () => {
  const { source } = setup();
  const token = source.add('wait', ['ignores']);
  await source.until(() => source.kinds(token).includes('started'));
  expect(source.kinds(token)).not.toContain('succeeded');
});

test('the start of code that blocks its thread is reported too', async () => {
  const { source } = setup();
  const token = source.add('block');
  await source.until(() => source.kinds(token).includes('started'));
});

test('progress comes between start and result, clamped, the last value included', async () => {
  const { source } = setup();
  const token = source.add('report', [[[10], [20, 'b'], [500, 'c']]]);
  await source.end(token);
  const reported = source
    .outcomes(token)
    .map((outcome) => ('percent' in outcome ? outcome.percent : outcome.kind));
  // Progress that has not left the main thread is overwritten by newer progress.
  expect([
    ['started', 10, 100, 'succeeded'],
    ['started', 100, 'succeeded'],
  ]).toContainEqual(reported);
});

// ── Ends that the code does not choose ──────────────────────────────────────────────────────────────

test.each(['obeys', 'returns', 'ignores'])(
  'a task that times out is TIMEOUT, also when its code %s',
  async (how) => {
    const { source } = setup();
    const token = source.add('wait', [how], { timeoutMs: 30 });
    expect(await source.end(token)).toMatchObject({
      kind: 'failed',
      code: 'TIMEOUT',
      message: 'Algorithm TTL expired',
      crash: false,
    });
    expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
  },
);

test('code that blocks its thread times out, and the thread is replaced', async () => {
  const { source } = setup();
  expect(await source.end(source.add('block', [], { timeoutMs: 30 }))).toMatchObject({ code: 'TIMEOUT' });
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
});

test('what waited in a thread that was ended is released without a start', async () => {
  const { source } = setup();
  await teachShort(source);
  const blocked = source.add('block', [], { timeoutMs: 100 });
  const waiting = [source.add('echo', [1]), source.add('echo', [2])];
  expect(await source.end(blocked)).toMatchObject({ code: 'TIMEOUT' });
  for (const token of waiting) {
    await source.end(token);
    expect(source.kinds(token)).toEqual(['released']);
  }
});

test('cancelling reaches running code, and the task gives no outcome', async () => {
  const { source, pool, lines } = setup();
  const token = source.add('wait', ['obeys']);
  await source.until(() => source.kinds(token).includes('started'));
  source.revoke(token);
  // The same thread runs on: the code has obeyed.
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
  expect(source.kinds(token)).not.toContain('failed');
  expect(source.kinds(token)).not.toContain('succeeded');
  expect(pool.stats()).toMatchObject({ busy: 0, waiting: 0 });
  expect(lines).toEqual([]);
});

test('cancelling ends code that blocks its thread', async () => {
  const { source } = setup();
  const token = source.add('block');
  await source.until(() => source.kinds(token).includes('started'));
  source.revoke(token);
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
  expect(source.kinds(token)).toEqual(['started']);
});

test('a cancelled task that waits is never started', async () => {
  const { source } = setup();
  await teachShort(source);
  const running = source.add('block');
  const [dropped, kept] = [source.add('echo', [1]), source.add('echo', [2])];
  await source.until(() => source.acquired.includes(kept) && source.kinds(running).includes('started'));
  source.revoke(dropped);
  source.revoke(running);
  await source.end(kept);
  expect(source.kinds(dropped)).toEqual([]);
});

test('a start that the store refuses stops the task', async () => {
  const { source } = setup();
  const token = source.add('block');
  source.lost.add(token);
  await source.until(() => source.kinds(token).includes('started'));
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
  expect(source.kinds(token)).toEqual(['started']);
});

test('process.exit is a crash of its task, with its code', async () => {
  const { source } = setup();
  expect(await source.end(source.add('exit', [3]))).toMatchObject({
    kind: 'failed',
    code: 'EXITED',
    message: 'algorithm exited with code 3',
    crash: true,
  });
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
});

test('what waits in a thread that crashes is released without a start', async () => {
  const { source } = setup();
  await teachShort(source);
  let waiting: string;
  // The first times, the pool does not yet know that exits are quick, and keeps the other task to itself.
  do {
    const exits = source.add('exit', [3]);
    waiting = source.add('echo', [1]);
    expect(await source.end(exits)).toMatchObject({ code: 'EXITED' });
  } while ((await source.end(waiting)).kind !== 'released');
  expect(source.kinds(waiting)).toEqual(['released']);
});

test('running out of memory is an error of its own', async () => {
  const end = await run('hoard', [], { limits: { memoryMb: 64 } });
  expect(end).toMatchObject({
    kind: 'failed',
    code: 'OUT_OF_MEMORY',
    message: 'algorithm ran out of memory: the limit is 64 MB',
    crash: true,
  });
});

test.each([
  ['rejection', 'unhandled rejection: nobody caught me'],
  ['exception', 'uncaught exception: nobody caught me'],
])('an escaped %s ends the task that runs', async (how, message) => {
  const { source } = setup();
  expect(await source.end(source.add('during', [how]))).toMatchObject({
    kind: 'failed',
    code: 'ALGORITHM_ERROR',
    message,
    crash: true,
  });
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
});

test.each([
  ['rejection', 'unhandled rejection: too late'],
  ['exception', 'uncaught exception: too late'],
  ['exit', 'uncaught exception: process.exit(9) was called'],
])('what a task leaves behind (%s) fails no other task', async (how, text) => {
  const { source, lines } = setup();
  await teachShort(source);
  const guilty = source.add('late', [how]);
  const innocent = source.add('sleep', [100]);
  expect(await source.end(guilty)).toMatchObject({ kind: 'succeeded', result: '"ended before"' });
  expect(await source.end(innocent)).toMatchObject({ kind: 'succeeded', result: '100' });
  expect(lines).toEqual([
    {
      algorithm: 'late',
      taskId: expect.any(String),
      stream: 'stderr',
      line: `after the end of the task: ${text}`,
    },
  ]);
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
});

test("a late process.exit of an idle thread is no one's failure", async () => {
  const { source } = setup();
  expect(await source.end(source.add('late', ['exit', 1]))).toMatchObject({ kind: 'succeeded' });
  for (let count = 0; count < 20; count++) {
    const token = source.add('sleep', [5]);
    const { kind } = await source.end(token);
    expect(['succeeded', 'released']).toContain(kind);
  }
});

test('a thread that an ended task has blocked is replaced, and what waited in it is released', async () => {
  const { source } = setup({ limits: { stallMs: 100, graceMs: 100 } });
  await teachShort(source);
  // Only a module that is loaded runs at once, with its thread's turn ending right after it.
  await source.end(source.add('late', ['nothing', 0]));
  expect(await source.end(source.add('late', ['block', 0]))).toMatchObject({ kind: 'succeeded' });
  const waiting = source.add('echo', [1], { timeoutMs: 5_000 });
  await source.end(waiting);
  expect(source.kinds(waiting)).toEqual(['released']);
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
});

// ── Leases, stealing, reports ───────────────────────────────────────────────────────────────────────

test('code that blocks its thread for three leases keeps its lease', async () => {
  const { source } = setup({ leaseMs: 300 });
  const token = source.add('block', [900]);
  expect(await source.end(token)).toMatchObject({ kind: 'succeeded', result: '"unblocked"' });
  expect(source.extended.filter((tokens) => tokens.includes(token)).length).toBeGreaterThanOrEqual(3);
});

test('a lease that was lost stops its task', async () => {
  const { source } = setup({ leaseMs: 150 });
  const token = source.add('block');
  await source.until(() => source.kinds(token).includes('started'));
  source.lost.add(token);
  expect(await source.end(source.add('echo', [1]))).toMatchObject({ kind: 'succeeded' });
  expect(source.kinds(token)).toEqual(['started']);
});

test('what has waited for a third of its lease goes back to the store', async () => {
  const { source } = setup({ leaseMs: 150 });
  await teachShort(source);
  source.add('block');
  const waiting = source.add('echo', [1]);
  await source.end(waiting);
  expect(source.kinds(waiting)).toEqual(['released']);
});

test('an idle thread takes what waits behind a long task', async () => {
  const { source } = setup({ threads: 2 });
  await teachShort(source);
  const blocked = [source.add('block', [])];
  const waiting = Array.from({ length: 20 }, (_, n) => source.add('echo', [n]));
  for (const token of waiting) {
    expect(await source.end(token)).toMatchObject({ kind: 'succeeded' });
    expect(source.kinds(token)).toEqual(['started', 'succeeded']);
  }
  expect(source.kinds(blocked[0]!)).toEqual(['started']);
});

test('outcomes survive a store that fails, and nothing is lost or repeated', async () => {
  const errors: string[] = [];
  const { source, pool } = setup({ onError: (_, during) => errors.push(during) });
  let failures = 3;
  source.beforeSettle = () => {
    if (failures-- > 0) throw new Error('disk full');
  };
  const tokens = Array.from({ length: 50 }, (_, n) => source.add('echo', [n]));
  for (const token of tokens) await source.end(token);
  for (const token of tokens) expect(source.kinds(token)).toEqual(['started', 'succeeded']);
  expect(errors).toEqual(Array(3).fill('settling outcomes'));
  await source.until(() => pool.stats().unsettled === 0);
});

test('nothing more is acquired while the store owes 2,000 answers', async () => {
  const { source, pool } = setup({ threads: 2 });
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  source.beforeSettle = () => gate;
  const tokens = Array.from({ length: 3_000 }, (_, n) => source.add('echo', [n]));
  await expect
    .poll(() => pool.stats().unsettled > 2_000 && pool.stats().busy === 0, { timeout: 20_000 })
    .toBe(true);
  expect(source.acquired.length).toBeLessThan(1_200);
  open();
  for (const token of tokens) await source.end(token);
  for (const token of tokens) expect(source.kinds(token)).toEqual(['started', 'succeeded']);
});

test('nothing more is acquired while results of 64 MiB wait for the store', async () => {
  const { source, pool } = setup({ limits: { maxResultBytes: 16_000_000 } });
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  source.beforeSettle = () => gate;
  const tokens = Array.from({ length: 60 }, () => source.add('returns', ['text', 4_000_000]));
  await expect
    .poll(() => pool.stats().unsettled >= 34 && pool.stats().busy === 0, { timeout: 20_000 })
    .toBe(true);
  expect(source.acquired.length).toBeLessThan(50);
  open();
  for (const token of tokens) expect((await source.end(token)).kind).toBe('succeeded');
});

test('asks for few tasks while they are long and for many once they are short', async () => {
  const { source } = setup();
  const slow = Array.from({ length: 3 }, () => source.add('sleep', [60]));
  for (const token of slow) await source.end(token);
  expect(new Set(source.asked)).toEqual(new Set([1]));
  const short = Array.from({ length: 300 }, (_, n) => source.add('echo', [n]));
  for (const token of short) await source.end(token);
  expect(Math.max(...source.asked)).toBeGreaterThan(4);
  expect(Math.max(...source.asked)).toBeLessThanOrEqual(64);
});

// ── Output ──────────────────────────────────────────────────────────────────────────────────────────

test('what a module prints is told line by line, with its task, and a flood is cut', async () => {
  const { source, lines } = setup();
  await source.end(source.add('print', [500]));
  expect(lines[0]).toEqual({
    algorithm: 'print',
    taskId: 'tsk_01890000000070008000000000000001_0_1',
    stream: 'stdout',
    line: 'line 1',
  });
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)?.line).toBe('… 402 lines dropped');
});

test('output of both streams is cut to lines of 2,000 characters', async () => {
  const { source, lines } = setup();
  await source.end(source.add('print', [1]));
  expect(lines.map(({ stream, line }) => [stream, line.length])).toEqual([
    ['stdout', 6],
    ['stderr', 2_000],
    ['stdout', 14],
  ]);
});

// ── Start and stop ──────────────────────────────────────────────────────────────────────────────────

test('is alive while it runs, and reports its threads', async () => {
  const { source, pool } = setup({ threads: 2 });
  await source.end(source.add('echo'));
  await expect.poll(() => pool.stats()).toEqual({ threads: 2, busy: 0, waiting: 0, unsettled: 0 });
  expect(pool.alive()).toBe(true);
  expect(await pool.stop(0)).toEqual({ unsettled: 0 });
  expect(pool.alive()).toBe(false);
  expect(pool.stats().threads).toBe(0);
});

test('stopping waits for what runs and gives back what waits', async () => {
  const { source, pool } = setup();
  await teachShort(source);
  const running = source.add('sleep', [150]);
  const waiting = source.add('echo');
  await source.until(() => source.kinds(running).includes('started') && source.acquired.includes(waiting));
  const late = source.add('echo');
  await pool.stop(5_000);
  expect(source.kinds(running)).toEqual(['started', 'succeeded']);
  expect(source.kinds(waiting)).toEqual(['released']);
  expect(['', 'released']).toContain(source.kinds(late).join());
});

test.each([
  ['block', []],
  ['wait', ['obeys']],
  ['wait', ['ignores']],
])('past the deadline a running task is reported as expired: %s %j', async (name, input) => {
  const { source, pool } = setup();
  const token = source.add(name, input);
  await source.until(() => source.kinds(token).includes('started'));
  await pool.stop(0);
  expect(source.kinds(token).filter((kind) => kind !== 'progress')).toEqual(['started', 'expired']);
});

test('modules are told of the end of their thread', async () => {
  const { source, pool, lines } = setup();
  await source.end(source.add('hook'));
  await pool.stop(1_000);
  expect(lines.map(({ line }) => line)).toEqual(['exit was called']);
});

test('stopping twice is stopping once', async () => {
  const { pool } = setup();
  expect(pool.stop(0)).toBe(pool.stop(0));
  expect(() => pool.start()).toThrow('started once');
});

/** Until the pool has learnt that tasks are short, it hands them out one by one. */
async function teachShort(source: FakeSource): Promise<void> {
  for (const [name, input] of [
    ['echo', []],
    ['block', [0]],
    ['sleep', [0]],
  ] as const) {
    const tokens = Array.from({ length: 12 }, () => source.add(name, [...input]));
    for (const token of tokens) await source.end(token);
  }
}
