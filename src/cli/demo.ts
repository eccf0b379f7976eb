import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from 'graphql-ws';
import pino from 'pino';
import { WebSocket } from 'ws';
import { startApp } from '../app.js';
import { readConfig } from '../config.js';
import { messageOf } from '../errors.js';
import { type DemoEvent, type DemoResult, Screen } from './demo-screen.js';
import { OwedWebhooks } from './demo-webhooks.js';
import { runReceiver } from './receiver.js';

export interface DemoOptions {
  print: (line: string) => void;
  color: boolean;
  algorithmsDir: string;
  /** For all of it: a demonstration that hangs explains nothing. */
  deadlineMs: number;
  /** Resolves when somebody wants it to end. */
  stopped: Promise<void>;
}

const DEADLINE_MS = 20_000;
// dist/src/cli/demo.js is one folder deeper than src/cli/demo.ts.
const ALGORITHMS = import.meta.url.endsWith('.ts')
  ? '../../examples/algorithms'
  : '../../../examples/algorithms';

/** `carillon demo`: everything at once, on this machine, and nothing is left behind. Exit code 1 where it fails. */
export async function demoCommand(argv: string[]): Promise<void> {
  parseArgs({ args: argv, options: {} });
  const { NO_COLOR, TERM } = process.env as Record<string, string | undefined>;
  try {
    await runDemo({
      print: (line) => process.stdout.write(`${line}\n`),
      color: process.stdout.isTTY === true && !NO_COLOR && TERM !== 'dumb',
      algorithmsDir: fileURLToPath(new URL(ALGORITHMS, import.meta.url)),
      deadlineMs: DEADLINE_MS,
      stopped: new Promise((resolve) => {
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
      }),
    });
  } catch (error) {
    process.stderr.write(`carillon demo: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

/** HKube's example of a batch, less its webhooks. */
const NODES = [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }];

const ROTATE = 'mutation { rotateAccountWebhookSecret(input: {}) { secret } }';
const SUBMIT = `mutation ($input: SubmitPipelineInput!) {
  submitPipeline(input: $input) { job { id } userErrors { message } }
}`;
const FOLLOW = `subscription ($jobId: ID!) {
  jobEvents(jobId: $jobId) {
    sequence type
    ... on JobStatusChanged { progress { percent details } error { message } }
    ... on JobProgressed { progress { percent details } }
    ... on TaskStatusChanged { nodeName batchId error { message } }
    ... on TaskProgressed { nodeName batchId message }
  }
}`;
const RESULTS = 'query ($id: ID!) { job(id: $id) { status results { nodes { nodeName batchId result } } } }';

/** Rejects with one sentence: what went wrong, or what had not come when the time was over. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const screen = new Screen(options.print, options.color);
  const closers = new Closers();
  // What is still to come; a sentence about it is all that a failed demonstration has to say.
  const missing = new Set(['the job']);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Error(`not done within ${options.deadlineMs / 1_000} s; missing: ${[...missing].join(', ')}`),
      );
    }, options.deadlineMs);
  });
  try {
    const interrupted = options.stopped.then(() => Promise.reject(new Error('interrupted')));
    await Promise.race([play(options, screen, missing, closers), deadline, interrupted]);
  } finally {
    clearTimeout(timer);
    await closers.close();
  }
  screen.goodbye();
}

async function play(
  { algorithmsDir }: DemoOptions,
  screen: Screen,
  missing: Set<string>,
  closers: Closers,
): Promise<void> {
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'carillon-demo-'));
  closers.add(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const config = readConfig({
    PORT: '0',
    CARILLON_DATA_DIR: folder,
    CARILLON_ALGORITHMS_DIR: algorithmsDir,
    CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8,::1/128',
    CARILLON_SHUTDOWN_MS: '1000',
  });
  const app = await startApp(config, pino({ level: 'silent' }));
  closers.add(() => app.close());
  const url = `${app.url}/graphql`;

  const { rotateAccountWebhookSecret } = await ask<{ rotateAccountWebhookSecret: { secret: string } }>(
    url,
    ROTATE,
  );
  const webhooks = new OwedWebhooks(missing);
  const receiver = await runReceiver({
    port: 0,
    secret: rotateAccountWebhookSecret.secret,
    print: () => {},
    onCall: (call) => {
      screen.webhook(call);
      webhooks.came(call);
    },
  });
  closers.add(() => receiver.close());
  screen.welcome(url, receiver.url);

  const progress = `${receiver.url}progress`;
  const result = `${receiver.url}result`;
  const input = { name: 'batch', nodes: NODES, webhooks: { progress, result } };
  screen.submitting(input);
  const { submitPipeline } = await ask<{
    submitPipeline: { job: { id: string } | null; userErrors: { message: string }[] };
  }>(url, SUBMIT, { input });
  const { job, userErrors } = submitPipeline;
  if (!job)
    throw new Error(`the pipeline was refused: ${userErrors.map(({ message }) => message).join('; ')}`);
  missing.delete('the job');
  missing.add('the end of the job');
  screen.submitted(job.id);

  const client = createClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket });
  closers.add(() => client.dispose());
  const variables = { jobId: job.id };
  let events = 0;
  for await (const { data, errors } of client.iterate<{ jobEvents: DemoEvent }>({
    query: FOLLOW,
    variables,
  })) {
    if (!data) throw new Error(`the subscription failed: ${errors?.[0]?.message}`);
    screen.event(data.jobEvents);
    events++;
  }
  missing.delete('the end of the job');
  await webhooks.complete;

  const ended = await ask<{ job: { status: string; results: { nodes: DemoResult[] } } }>(url, RESULTS, {
    id: job.id,
  });
  screen.results(ended.job.status, ended.job.results.nodes);
  screen.summary(events, webhooks.count, performance.now() - startedAt);
}

/** Closes in reverse order; what is added after that, by a start that took too long, is closed at once. */
class Closers {
  #closers: (() => unknown)[] | null = [];

  add(close: () => unknown): void {
    if (this.#closers) this.#closers.push(close);
    else Promise.resolve(close()).catch(() => {});
  }

  async close(): Promise<void> {
    const closers = this.#closers ?? [];
    this.#closers = null;
    const ended: PromiseSettledResult<unknown>[] = [];
    for (const close of closers.reverse()) {
      ended.push(...(await Promise.allSettled([Promise.resolve().then(close)])));
    }
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

async function ask<T>(url: string, query: string, variables: object = {}): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T | null; errors?: { message: string }[] };
  if (!data) throw new Error(`the server refused: ${errors?.[0]?.message ?? `status ${response.status}`}`);
  return data;
}
