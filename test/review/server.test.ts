import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, MAIN, ServerProcess } from '../support/process.js';
import { ALGORITHMS } from '../support/world.js';

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
    await ask(
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }',
      { d },
    ).catch(() => {});
    const ends = [await fate(first)];
    // The job was accepted: whoever starts again expands it again.
    if (ends[0] !== null) for (let turn = 0; turn < 2; turn++) ends.push(await fate(await start()));
    expect(ends).toEqual([null]);
  }, 90_000);
});
