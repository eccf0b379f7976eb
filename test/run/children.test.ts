import { EventEmitter, once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { ChildJobs, ChildTask } from '../../src/child.js';
import { systemClock } from '../../src/clock.js';
import { Children } from '../../src/run/children.js';
import type { Held } from '../../src/run/held.js';
import { createPool, type Pool, type PoolOptions } from '../../src/run/pool.js';
import { FakeSource, fixture } from './fake-source.js';

const pools: Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop(0)));
});

/** Jobs that end when the test says so. */
class FakeJobs implements ChildJobs {
  readonly open = new Map<string, (error: Error | null) => void>();
  readonly tasks: ChildTask[] = [];
  readonly #changes = new EventEmitter();

  run(task: ChildTask, request: { name: unknown }): Promise<string> {
    this.tasks.push(task);
    return new Promise((resolve, reject) => {
      this.open.set(String(request.name), (error) => {
        this.open.delete(String(request.name));
        if (error) reject(error);
        else resolve(JSON.stringify([{ nodeName: request.name }]));
      });
      this.#changes.emit('change');
    });
  }

  async until(count: number): Promise<void> {
    while (this.open.size < count) await once(this.#changes, 'change');
  }

  end(name: string, error: Error | null = null): void {
    this.open.get(name)!(error);
  }
}

function setup(options: Partial<PoolOptions> = {}) {
  const source = new FakeSource();
  const jobs = new FakeJobs();
  const pool = createPool({
    threads: 1,
    algorithms: new Map(['asks', 'echo', 'block'].map(fixture)),
    tasks: source,
    children: jobs,
    clock: systemClock,
    worker: 'test',
    limits: { graceMs: 100, lingerMs: 0, quietMs: 0, stuckMs: 50 },
    log: () => {},
    ...options,
  });
  pools.push(pool);
  pool.start();
  return { source, jobs, pool };
}

const resultOf = async (source: FakeSource, token: string): Promise<unknown> => {
  const end = await source.end(token);
  return 'result' in end ? JSON.parse(end.result) : end;
};

test('a task that waits for a job lets others run, and the thread for them goes when it has ended', async () => {
  const { source, jobs, pool } = setup();
  const asking = source.add('asks', ['a'], { accountId: 'acc_7' });
  await jobs.until(1);
  expect(jobs.tasks).toMatchObject([{ token: asking, accountId: 'acc_7' }]);
  expect(await resultOf(source, source.add('echo', [1]))).toEqual([1]);
  expect(source.kinds(asking)).toEqual(['started']);
  jobs.end('a');
  expect(await resultOf(source, asking)).toEqual([[{ nodeName: 'a' }]]);
  await source.until(() => pool.stats().threads === 1);
  expect(await resultOf(source, source.add('echo', [2]))).toEqual([2]);
});

test('what was handed to a thread behind a task that waits does not wait with it', async () => {
  const { source, jobs } = setup();
  const tokens = [source.add('echo', [0]), source.add('asks', ['a']), source.add('echo', [1])];
  await jobs.until(1);
  expect(await resultOf(source, tokens[2]!)).toEqual([1]);
  jobs.end('a');
  await source.end(tokens[1]!);
});

test('a task has many jobs at once, and one thread for them', async () => {
  const { source, jobs, pool } = setup();
  const names = Array.from({ length: 101 }, (_, index) => `j${index}`);
  const asking = source.add('asks', names);
  await jobs.until(100);
  await source.until(() => pool.stats().threads === 2);
  jobs.end('j0', new Error('no'));
  for (const name of [...jobs.open.keys()]) jobs.end(name);
  const result = (await resultOf(source, asking)) as unknown[];
  expect(result[0]).toBe('no');
  expect(result[1]).toEqual([{ nodeName: 'j1' }]);
  expect(result[100]).toBe('a task may have 100 jobs of its own under way: wait for one of them to end');
});

test('where four tasks a thread wait, the next one is refused, and there are no more threads', async () => {
  const { source, jobs, pool } = setup();
  const asking = ['a', 'b', 'c', 'd'].map((name) => source.add('asks', [name]));
  await jobs.until(4);
  const [refused] = (await resultOf(source, source.add('asks', ['e']))) as string[];
  expect(refused).toMatch(/^4 tasks on this server wait for jobs that they have started/);
  expect(pool.stats().threads).toBe(5);
  for (const name of ['a', 'b', 'c', 'd']) jobs.end(name);
  await Promise.all(asking.map((token) => source.end(token)));
  await source.until(() => pool.stats().threads === 1);
});

test('while tasks wait, those of algorithms that start jobs are left behind as long as there is anything else', async () => {
  const limits = { graceMs: 100, lingerMs: 0, quietMs: 60_000, stuckMs: 60_000 };
  const { source, jobs } = setup({ limits });
  const first = source.add('asks', ['a']);
  await jobs.until(1);
  const [second, third] = [source.add('asks', ['b']), source.add('echo', [1])];
  expect(await resultOf(source, third)).toEqual([1]);
  expect(source.acquired).toEqual([first, third]);
  jobs.end('a');
  await source.end(first);
  await jobs.until(1);
  expect(jobs.tasks.map(({ token }) => token)).toEqual([first, second]);
  jobs.end('b');
  await source.end(second);
});

test('what was acquired before it was known to start jobs is handed back once too many wait', async () => {
  const limits = { graceMs: 100, lingerMs: 0, quietMs: 60_000, stuckMs: 60_000 };
  const { source, jobs } = setup({ limits });
  await source.end(source.add('echo', [0]));
  // So short that a thread takes many of them at once.
  for (let index = 0; index < 40; index++) source.add('echo', [index]);
  const asking = [source.add('asks', ['a']), source.add('asks', ['b'])];
  await jobs.until(1);
  await source.until(() => !source.acquired.includes(asking[1]!) || source.kinds(asking[1]!).length > 0);
  expect([[], ['released']]).toContainEqual(source.kinds(asking[1]!));
  jobs.end('a');
  await source.end(asking[0]!);
});

test('a task that is cancelled while it waits frees its thread, and counts no more', async () => {
  const { source, jobs, pool } = setup();
  const asking = source.add('asks', ['a']);
  await jobs.until(1);
  source.revoke(asking);
  await source.until(() => pool.stats().threads === 1);
  expect(await resultOf(source, source.add('echo', [1]))).toEqual([1]);
  expect(source.kinds(asking)).toEqual(['started']);
});

test('a pool without jobs says so', async () => {
  const source = new FakeSource();
  const pool = createPool({
    threads: 1,
    algorithms: new Map([fixture('asks')]),
    tasks: source,
    clock: systemClock,
    worker: 'test',
    log: () => {},
  });
  pools.push(pool);
  pool.start();
  expect(await resultOf(source, source.add('asks', ['a']))).toEqual([
    'this server starts no jobs for algorithms',
  ]);
});

test('a hundred large jobs that a task asks for in one go are read one in a turn of the event loop', async () => {
  let [turn, open] = [0, true];
  const count = () => {
    turn++;
    if (open) setImmediate(count);
  };
  setImmediate(count);
  const turns: number[] = [];
  const jobs: ChildJobs = {
    async run() {
      turns.push(turn);
      return null;
    },
  };
  const children = new Children(jobs, 1, { quietMs: 0, stuckMs: 0 }, () => {});
  const held = { task: { algorithmName: 'asks' } } as Held;
  const request = { kind: 'algorithm', name: 'echo', input: ['x'.repeat(100_000)] };
  const json = JSON.stringify({ request, includeResult: false });
  const answers = await Promise.all(Array.from({ length: 100 }, () => children.start(held, json)));
  open = false;
  expect(answers).toEqual(Array(100).fill({ results: null }));
  expect(new Set(turns).size).toBe(100);
  expect(children.waiting).toBe(0);
});

test('a request that is no JSON is refused, and one of a task that has ended meanwhile is not read', async () => {
  const { jobs } = setup();
  const children = new Children(jobs, 1, { quietMs: 0, stuckMs: 0 }, () => {});
  const held = { task: { algorithmName: 'asks' } } as Held;
  expect(await children.start(held, '{')).toMatchObject({ problem: expect.stringMatching(/JSON/) });
  const late = children.start(held, '{"request":{"name":"a"}}');
  children.ended(held);
  expect(await late).toEqual({ problem: 'the task has ended' });
  expect(jobs.tasks).toEqual([]);
});
