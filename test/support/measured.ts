import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askAt } from './process.js';
import { ALGORITHMS } from './world.js';

const SERVER = fileURLToPath(new URL('./measured-server.mjs', import.meta.url));

/** A server in a process of its own whose memory can be looked at. */
export class MeasuredServer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<MeasuredServer> {
    const folder = await mkdtemp(join(tmpdir(), 'carillon-measured-'));
    const child = fork(SERVER, {
      execArgv: ['--expose-gc'],
      env: {
        PATH: process.env['PATH'] ?? '',
        PORT: '0',
        CARILLON_DATA_DIR: folder,
        CARILLON_ALGORITHMS_DIR: ALGORITHMS,
        CARILLON_WORKER_THREADS: '1',
        ...env,
      },
    });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return new MeasuredServer(child, folder, url);
  }

  /** Bytes held once everything that can be collected is: heap and buffers, which RSS would follow late. */
  async held(): Promise<number> {
    this.child.send('memory');
    const [{ memory }] = (await once(this.child, 'message')) as [{ memory: NodeJS.MemoryUsage }];
    return memory.heapUsed + memory.external;
  }

  /** Bytes resident at most since it was started, threads included. */
  async peak(): Promise<number> {
    this.child.send('memory');
    const [{ peak }] = (await once(this.child, 'message')) as [{ peak: number }];
    return peak;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  ask<T>(query: string, variables: object = {}): Promise<T> {
    return askAt<T>(this.url, query, variables);
  }

  async stop(): Promise<void> {
    this.child.disconnect();
    await once(this.child, 'exit');
    await rm(this.folder, { recursive: true, force: true });
  }
}
