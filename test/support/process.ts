import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
export const CLI = fileURLToPath(new URL('../../dist/src/cli/carillon.js', import.meta.url));

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The data of an operation that must not fail, of a server in another process. */
export async function askAt<T>(url: string, query: string, variables: object): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A server (or command) in a process of its own, which tests may kill. */
export class ServerProcess {
  stdout = '';
  stderr = '';
  private readonly exited: Promise<unknown>;

  private constructor(readonly child: ChildProcess) {
    child.stdout!.on('data', (chunk) => {
      this.stdout += chunk;
    });
    child.stderr!.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.exited = once(child, 'exit');
  }

  /** Nothing of this process's environment reaches it but PATH. */
  static spawn(file: string, args: string[], env: Record<string, string>, cwd?: string): ServerProcess {
    const path = process.env['PATH'] ?? '';
    return new ServerProcess(spawn(process.execPath, [file, ...args], { cwd, env: { PATH: path, ...env } }));
  }

  /** Resolves once the server says it is ready. */
  async ready(url: string): Promise<void> {
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`the server ended: ${this.stderr || this.stdout}`);
      const answer = await fetch(`${url}/readyz`).catch(() => null);
      if (answer?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async finished(): Promise<Finished> {
    await this.exited;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<Finished> {
    this.child.kill(signal);
    return this.finished();
  }
}
