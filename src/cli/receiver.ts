import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { verify } from '../client/receiver.js';
import { messageOf, shown } from '../errors.js';
import { secretProblem } from '../secret.js';

export interface ReceiverOptions {
  /** 0: any free one. */
  port: number;
  /** Loopback unless said otherwise. */
  host?: string;
  /** Checks signatures where given, `whsec_…`. */
  secret?: string;
  /** Of every answer. */
  status?: number;
  /** Before every answer. */
  delayMs?: number;
  /** Of every answer; empty by default. */
  body?: string;
  print: (line: string) => void;
  /** Told of every call, once its body has arrived and before it is answered. */
  onCall?: (call: ReceivedCall) => void;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface ReceivedCall {
  receivedAt: number;
  event: string | null;
  webhookId: string | null;
  attempt: string | null;
  jobId: string | null;
  /** "signature ok", "BAD signature: reason" or "not checked: no secret". */
  verdict: string;
  body: string;
}

export interface RunningReceiver {
  url: string;
  close(): Promise<void>;
}

/** Well above the largest body that is sent. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const SHOWN_BODY = 500;

/** Starts a receiver that prints each call on two lines and answers as told. Rejects where it cannot listen. */
export async function runReceiver(options: ReceiverOptions): Promise<RunningReceiver> {
  const { host = '127.0.0.1', status = 200, delayMs = 0, body = '', print, now = Date.now } = options;
  const timers = new Set<NodeJS.Timeout>();

  const server = createServer(async (request, response) => {
    const bytes = await bodyOf(request);
    if (bytes === null) {
      response.writeHead(413).end();
      return;
    }
    const call = await received(request, bytes, options.secret, now);
    for (const line of linesOf(call)) print(line);
    options.onCall?.(call);
    const timer = setTimeout(() => {
      timers.delete(timer);
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
    }, delayMs);
    timers.add(timer);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, resolve);
  });
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearTimeout(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Null where it is too large or breaks off. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_BODY_BYTES) return null;
      chunks.push(chunk as Buffer);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}

async function received(
  request: IncomingMessage,
  bytes: Buffer,
  secret: string | undefined,
  now: () => number,
): Promise<ReceivedCall> {
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    receivedAt: now(),
    event: header('x-carillon-event'),
    webhookId: header('webhook-id'),
    attempt: header('x-carillon-attempt'),
    jobId: header('x-carillon-job-id'),
    verdict: await verdictOf(request, bytes, secret, now),
    body: bytes.toString('utf8'),
  };
}

async function verdictOf(
  request: IncomingMessage,
  bytes: Buffer,
  secret: string | undefined,
  now: () => number,
): Promise<string> {
  if (secret === undefined) return 'not checked: no secret';
  try {
    await verify(secret, request.headers, bytes, { now });
    return 'signature ok';
  } catch (error) {
    return `BAD signature: ${messageOf(error)}`;
  }
}

function linesOf(call: ReceivedCall): string[] {
  const head = [
    new Date(call.receivedAt).toISOString(),
    call.event ?? 'no event',
    call.webhookId ?? 'no webhook-id',
    `attempt ${call.attempt ?? '?'}`,
    `job ${call.jobId ?? '-'}`,
    call.verdict,
  ].join('  ');
  const body = call.body.length > SHOWN_BODY ? `${call.body.slice(0, SHOWN_BODY)}…` : call.body;
  return [printable(head), `    ${printable(body)}`];
}

/** Whoever calls writes to this terminal: control characters could move its cursor or worse. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

// ── The command ─────────────────────────────────────────────────────────────────────────────────────

/** Where a command writes, and what ends it. */
export interface CommandIo {
  print: (line: string) => void;
  printError: (line: string) => void;
  exitCode: (code: number) => void;
  /** Resolves when the command shall end. */
  stopped: () => Promise<void>;
}

const consoleIo: CommandIo = {
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  exitCode: (code) => {
    process.exitCode = code;
  },
  stopped: () =>
    new Promise((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    }),
};

const HELP = `usage: carillon receiver [flags]

Prints every webhook it is sent, and whether its signature is right. Runs until interrupted.

  --port 8080        where to listen; 0 takes a free port
  --host 127.0.0.1   the address to listen on
  --secret whsec_…   checks signatures with it; not checked where not given
  --status 200       of every answer, 200 to 599: 500 shows what retries look like, 410 ends them
  --delay-ms 0       before every answer: above the webhook's timeout (5000) it shows a cool-down
  --body text        of every answer; empty where not given
  --help             this text`;

/**
 * `carillon receiver`: runs until interrupted. Bad flags: one sentence on standard error, exit code 2; 1 where the
 * port cannot be used.
 */
export async function receiverCommand(argv: string[], io: CommandIo = consoleIo): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.print(HELP);
    return;
  }
  let options: Omit<ReceiverOptions, 'print'>;
  try {
    options = parseFlags(argv);
  } catch (error) {
    // parseArgs explains some of its errors over several lines.
    io.printError(`carillon receiver: ${printable(messageOf(error))}`);
    io.exitCode(2);
    return;
  }
  let receiver: RunningReceiver;
  try {
    receiver = await runReceiver({ ...options, print: io.print });
  } catch (error) {
    io.printError(`carillon receiver: cannot listen on port ${options.port}: ${messageOf(error)}`);
    io.exitCode(1);
    return;
  }
  io.print(`Listening on ${receiver.url}, answering ${options.status} after ${options.delayMs} ms`);
  await io.stopped();
  await receiver.close();
}

function parseFlags(argv: string[]): Omit<ReceiverOptions, 'print'> {
  const { values } = parseArgs({
    args: argv,
    options: {
      port: { type: 'string', default: '8080' },
      host: { type: 'string', default: '127.0.0.1' },
      secret: { type: 'string' },
      status: { type: 'string', default: '200' },
      'delay-ms': { type: 'string', default: '0' },
      body: { type: 'string', default: '' },
    },
  });
  const secretWrong = values.secret === undefined ? null : secretProblem(values.secret);
  if (secretWrong !== null) throw new Error(`--secret ${secretWrong}`);
  return {
    port: whole('--port', values.port, 0, 65_535),
    host: values.host,
    status: whole('--status', values.status, 200, 599),
    delayMs: whole('--delay-ms', values['delay-ms'], 0, 3_600_000),
    body: values.body,
    ...(values.secret === undefined ? {} : { secret: values.secret }),
  };
}

function whole(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${flag} must be a whole number from ${min} to ${max}, got ${shown(text)}`);
}
