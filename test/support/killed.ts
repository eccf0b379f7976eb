import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askAt, freePort, MAIN, ServerProcess } from './process.js';
import { ALGORITHMS } from './world.js';

/** A server in a process of its own, to be killed and started again on the same folder and port. */
export class KilledServer {
  private constructor(
    readonly folder: string,
    readonly url: string,
    private readonly env: Record<string, string>,
    private server: ServerProcess,
  ) {}

  static async open(more: Record<string, string> = {}): Promise<KilledServer> {
    const folder = await mkdtemp(join(tmpdir(), 'carillon-killed-'));
    const port = await freePort();
    const env = {
      PORT: String(port),
      CARILLON_DATA_DIR: folder,
      CARILLON_ALGORITHMS_DIR: ALGORITHMS,
      CARILLON_WORKER_THREADS: '2',
      LOG_LEVEL: 'error',
      ...more,
    };
    const opened = new KilledServer(
      folder,
      `http://127.0.0.1:${port}`,
      env,
      ServerProcess.spawn(MAIN, [], env),
    );
    await opened.server.ready(opened.url);
    return opened;
  }

  async kill(): Promise<void> {
    await this.server.kill('SIGKILL');
  }

  async start(): Promise<void> {
    this.server = ServerProcess.spawn(MAIN, [], this.env);
    await this.server.ready(this.url);
  }

  ask<T>(query: string, variables: object = {}): Promise<T> {
    return askAt<T>(this.url, query, variables);
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
