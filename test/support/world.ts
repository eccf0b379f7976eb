import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from 'graphql-ws';
import { Webhook as Verifier } from 'standardwebhooks';
import { WebSocket } from 'ws';
import { type App, type Seams, startApp } from '../../src/app.js';
import { type Config, readConfig } from '../../src/config.js';
import type { Log } from '../../src/log.js';
import { startReceiver, type TestReceiver } from './receiver.js';

export const ALGORITHMS = fileURLToPath(new URL('../algorithms', import.meta.url));

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export interface Answer<T = Record<string, never>> {
  status: number;
  data: T | null;
  errors: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[] | undefined;
}

/** A server of its own for one test: real HTTP, real WebSocket, a real file. */
export class World {
  private readonly cleanups: (() => unknown)[] = [];
  private readonly clients: Client[] = [];

  private constructor(
    public app: App,
    readonly folder: string,
    private readonly config: Config,
    private readonly log: Log,
    private readonly seams: Seams,
  ) {}

  static async open(env: Record<string, string> = {}, seams: Seams = {}, log: Log = silent): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'carillon-world-'));
    const config = readConfig({
      PORT: '0',
      CARILLON_DATA_DIR: folder,
      CARILLON_ALGORITHMS_DIR: ALGORITHMS,
      CARILLON_WORKER_THREADS: '2',
      CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      CARILLON_SHUTDOWN_MS: '1000',
      ...env,
    });
    return new World(await startApp(config, log, seams), folder, config, log, seams);
  }

  get url(): string {
    return `${this.app.url}/graphql`;
  }

  /** Stops the server and starts it again on the same data. */
  async restart(): Promise<void> {
    await this.app.close();
    this.app = await startApp(this.config, this.log, this.seams);
  }

  async post(body: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  }

  async graphql<T>(
    query: string,
    variables: object = {},
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await this.post(JSON.stringify({ query, variables }), headers);
    return { status: response.status, ...((await response.json()) as Omit<Answer<T>, 'status'>) };
  }

  /** The data of an operation that must not fail. */
  async ask<T>(query: string, variables: object = {}): Promise<T> {
    const { data, errors } = await this.graphql<T>(query, variables);
    if (errors || data === null) throw new Error(`unexpected errors: ${JSON.stringify(errors)}`);
    return data;
  }

  client(options: { connectionParams?: Record<string, unknown> } = {}): Client {
    const url = this.url.replace('http', 'ws');
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, lazy: true, ...options });
    this.clients.push(client);
    return client;
  }

  /** Everything a subscription says over WebSocket until it completes. */
  async follow<T>(query: string, variables: Record<string, unknown> = {}): Promise<T[]> {
    const items: T[] = [];
    for await (const result of this.client().iterate<T>({ query, variables })) {
      if (result.errors) throw new Error(JSON.stringify(result.errors));
      items.push(result.data as T);
    }
    return items;
  }

  async receiver(): Promise<TestReceiver> {
    const receiver = await startReceiver();
    this.cleanups.push(() => receiver.close());
    return receiver;
  }

  /** Checks calls with the library that receivers use. */
  async verifier(): Promise<Verifier> {
    const { rotateAccountWebhookSecret } = await this.ask<{ rotateAccountWebhookSecret: { secret: string } }>(
      'mutation { rotateAccountWebhookSecret(input: {}) { secret } }',
    );
    return new Verifier(rotateAccountWebhookSecret.secret);
  }

  async submit(descriptor: object): Promise<string> {
    const { submitDescriptor } = await this.ask<{
      submitDescriptor: { job: { id: string } | null; userErrors: unknown[] };
    }>(
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { code message path } } }',
      { d: descriptor },
    );
    if (!submitDescriptor.job) throw new Error(JSON.stringify(submitDescriptor.userErrors));
    return submitDescriptor.job.id;
  }

  /** Resolves with the job's events once it has ended. */
  async ended(jobId: string): Promise<{ type: string; sequence: number; cursor: string }[]> {
    const items = await this.follow<{ jobEvents: { type: string; sequence: number; cursor: string } }>(
      'subscription ($id: ID!) { jobEvents(jobId: $id) { type sequence cursor } }',
      { id: jobId },
    );
    return items.map((item) => item.jobEvents);
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client.dispose();
    await this.app.close();
    for (const cleanup of this.cleanups) await cleanup();
    await rm(this.folder, { recursive: true, force: true });
  }
}
