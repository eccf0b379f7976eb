import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, MAIN, ServerProcess } from '../support/process.js';
import { ALGORITHMS, World } from '../support/world.js';

describe('review: a server', () => {
  let cleanup: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const run of cleanup.reverse()) await run();
    cleanup = [];
  });

  it('outlives a pipeline of two kilobytes that names a large range many times', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'carillon-review-'));
    cleanup.push(() => rm(folder, { recursive: true, force: true }));
    const port = await freePort();
    const start = async () => {
      const server = ServerProcess.spawn(MAIN, [], {
        PORT: String(port),
        CARILLON_DATA_DIR: folder,
        CARILLON_ALGORITHMS_DIR: ALGORITHMS,
        CARILLON_WORKER_THREADS: '1',
        LOG_LEVEL: 'error',
        NODE_OPTIONS: '--max-old-space-size=768',
      });
      cleanup.push(() => server.kill('SIGKILL'));
      const late = new Promise<void>((resolve) => setTimeout(resolve, 5_000));
      await Promise.race([server.ready(`http://127.0.0.1:${port}`), late]);
      return server;
    };
    /** How the process ended within the time, or null while it lives. */
    const fate = async (server: ServerProcess) => {
      for (let turn = 0; turn < 100; turn++) {
        if (server.child.exitCode !== null || server.child.signalCode !== null) {
          return `${server.child.exitCode ?? server.child.signalCode}: ${/FATAL ERROR.*/.exec(server.stderr)?.[0]}`;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return null;
    };
    const ask = async (query: string, variables: object = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(15_000),
      });
      return (await response.json()) as unknown;
    };
    const first = await start();
    const input = Array.from({ length: 100 }, () => '#[1...1000000]');
    const d = { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'noop', input }] };
    await ask('mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }', { d }).catch(() => {});
    const ends = [await fate(first)];
    // The job was accepted: whoever starts again expands it again.
    if (ends[0] !== null) for (let turn = 0; turn < 2; turn++) ends.push(await fate(await start()));
    expect(ends).toEqual([null]);
  }, 90_000);

  it('hands a large shared input to many tasks without holding its event loop', async () => {
    const world = await World.open();
    cleanup.push(() => world.close());
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }, 5);
    cleanup.push(async () => clearInterval(timer));
    const rss = process.memoryUsage().rss;
    let peak = rss;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    cleanup.push(async () => clearInterval(watch));
    // Warm: the pool knows that the algorithm takes no time, and gives each thread many at once.
    await world.ended(await world.submit({ name: 'w', nodes: [{ nodeName: 'a', algorithmName: 'noop', input: ['#[1...500]'] }] }));
    const warm = longest;
    longest = 0;
    const jobId = await world.submit({
      name: 'p',
      flowInput: { big: 'x'.repeat(1_900_000) },
      nodes: [{ nodeName: 'a', algorithmName: 'noop', input: ['#[1...500]', '@flowInput.big'] }],
    });
    await world.ended(jobId);
    console.log(`stall: warm ${warm.toFixed(0)} ms, with 1.9 MB shared input ${longest.toFixed(0)} ms; memory grew by ${((peak - rss) / 2 ** 20).toFixed(0)} MiB`);
    expect(longest).toBeLessThan(100);
  }, 90_000);

  it('ends a job whose algorithm is no longer there', async () => {
    const world = await World.open();
    cleanup.push(() => world.close());
    // A queue nobody serves any more looks the same as an algorithm that was removed before a restart.
    const jobId = await world.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'nap', input: [3_000] }, { nodeName: 'b', algorithmName: 'noop', input: ['@a'] }] });
    const empty = await mkdtemp(join(tmpdir(), 'carillon-algorithms-'));
    cleanup.push(() => rm(empty, { recursive: true, force: true }));
    Object.assign((world as unknown as { config: object }).config, { algorithmsDir: empty });
    await world.restart();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const { job } = await world.ask<{ job: { status: string } }>('query ($id: ID!) { job(id: $id) { status } }', { id: jobId });
    expect(job.status).toBe('FAILED');
  }, 60_000);
});
