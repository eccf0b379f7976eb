import type { Readable } from 'node:stream';
import type { Call, Caller, CallResult } from '../caller.js';
import type { AttemptOutcome } from '../delivery.js';
import { checkUrl, type DestinationPolicy } from '../destination.js';
import { guardedConnector, type Lookup } from './connector.js';
import { BLOCKED, type Failure, failureOf, notResolvedInTime, timedOut } from './failure.js';
import { Origins, type Slot } from './origins.js';

export interface CallerOptions {
  policy: DestinationPolicy;
  /** How names are resolved; the system's resolver by default. */
  lookup?: Lookup;
  /** Trusted roots in place of the system's, PEM. */
  ca?: string[];
  /** Measures durations, in ms. The timers are real whatever it says. */
  now?: () => number;
  connectionsPerOrigin?: number;
  maxOrigins?: number;
}

const USER_AGENT = 'Carillon/1';
/** So much of an answer is read, so that its connection can be used again; a longer one costs the connection. */
const MAX_ANSWER_BYTES = 64 * 1024;
const SNIPPET_BYTES = 1024;
/** The body of an answer gets what is left of the timeout, and at least this. */
const MIN_BODY_MS = 1_000;

/**
 * Posts to receivers under the policy. A call waits at most its `timeoutMs` for a connection of its origin to be
 * free, then runs: it ends within 2 × timeoutMs + 1 s. `durationMs` is the time from the start of connecting to the
 * end of the answer's headers. Redirects are never followed, answers never decompressed.
 */
export function createCaller(options: CallerOptions): Caller {
  const now = options.now ?? (() => performance.now());
  const connector = guardedConnector(options);
  const origins = new Origins({
    connect: connector.connect,
    connectionsPerOrigin: options.connectionsPerOrigin ?? 64,
    maxOrigins: options.maxOrigins ?? 512,
  });
  let closed = false;

  async function call(call: Call): Promise<CallResult> {
    // Judged again at every call: the policy may be another one than when the URL was accepted.
    if ('problem' in checkUrl(call.url, options.policy)) return failed(BLOCKED, 0);
    const url = new URL(call.url);
    const slot = await origins.acquire(url.origin, call.timeoutMs);
    if (slot === null) return failed(closed ? STOPPING : BUSY, 0);
    return exchange(slot, url, call);
  }

  async function exchange(slot: Slot, url: URL, call: Call): Promise<CallResult> {
    const abort = new AbortController();
    const startedAt = now();
    const elapsed = () => Math.max(0, Math.round(now() - startedAt));
    const answering = slot.pool.request({
      method: 'POST',
      path: url.pathname + url.search,
      headers: headerList(call),
      body: call.body,
      signal: abort.signal,
    });
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, call.timeoutMs, null);
    });
    try {
      const answer = await Promise.race([answering, expired]);
      const durationMs = elapsed();
      if (answer === null) return failed(lateness(url, call), durationMs);
      const start = await readStart(answer.body, Math.max(MIN_BODY_MS, call.timeoutMs - durationMs));
      return answered(answer.statusCode, snippet(start), durationMs);
    } catch (error) {
      return failed(closed ? STOPPING : failureOf(error), elapsed());
    } finally {
      clearTimeout(timer);
      abort.abort();
      // undici drops a request that waits for its connection only when that is made or given up: so long it
      // occupies the connection, and the call must not wait for it.
      answering.then(
        ({ body }) => body.destroy(),
        () => {},
      );
      answering.then(slot.release, slot.release);
    }
  }

  /** A resolver that hangs is not the receiver's slowness, and must not start a cool-down of its URL. */
  function lateness(url: URL, call: Call): Failure {
    return connector.isResolving(url.hostname) ? notResolvedInTime(call.timeoutMs) : timedOut(call.timeoutMs);
  }

  return {
    call,
    async close() {
      closed = true;
      const ended = origins.close();
      connector.close();
      await ended;
    },
  };
}

const STOPPING: Failure = {
  outcome: 'CONNECTION_ERROR',
  message: 'The call was ended because the server is stopping.',
};
const BUSY: Failure = {
  outcome: 'CONNECTION_ERROR',
  message: 'Too many calls to this host were under way.',
};

function headerList(call: Call): string[] {
  const own = call.headers.some(({ name }) => name.toLowerCase() === 'user-agent');
  const headers = call.headers.flatMap(({ name, value }) => [name, value]);
  return own ? headers : ['user-agent', USER_AGENT, ...headers];
}

/** The first bytes of a body. Whatever happens to the rest, the answer's status stands. */
function readStart(body: Readable, ms: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const kept: Buffer[] = [];
    let bytes = 0;
    const finish = () => {
      clearTimeout(timer);
      // Before its end this closes the connection; after it, it does nothing.
      body.destroy();
      resolve(Buffer.concat(kept).subarray(0, SNIPPET_BYTES));
    };
    const timer = setTimeout(finish, ms);
    body.on('error', finish);
    body.on('close', finish);
    body.on('end', finish);
    body.on('data', (chunk: Buffer) => {
      if (bytes < SNIPPET_BYTES) kept.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) finish();
    });
  });
}

/** Text that can be stored and shown anywhere: without control characters, or half a character at its end. */
function snippet(start: Buffer): string | null {
  const text = new TextDecoder().decode(start, { stream: true });
  return text === '' ? null : text.replace(/[\t\n\r]/g, ' ').replace(/\p{Cc}/gu, '\ufffd');
}

function answered(statusCode: number, responseSnippet: string | null, durationMs: number): CallResult {
  const outcome = outcomeOf(statusCode);
  const message = outcome === 'DELIVERED' ? null : `${ANSWERS[outcome]} (status ${statusCode}).`;
  return { outcome, statusCode, responseSnippet, durationMs, message };
}

type AnswerOutcome = Extract<AttemptOutcome, 'DELIVERED' | 'GONE' | 'REDIRECT' | 'HTTP_ERROR'>;

const ANSWERS: Record<Exclude<AnswerOutcome, 'DELIVERED'>, string> = {
  GONE: 'The receiver wants no more calls',
  REDIRECT: 'The receiver answered with a redirect, which is not followed',
  HTTP_ERROR: 'The receiver answered with an error',
};

function outcomeOf(statusCode: number): AnswerOutcome {
  if (statusCode >= 200 && statusCode < 300) return 'DELIVERED';
  if (statusCode >= 300 && statusCode < 400) return 'REDIRECT';
  return statusCode === 410 ? 'GONE' : 'HTTP_ERROR';
}

function failed({ outcome, message }: Failure, durationMs: number): CallResult {
  return { outcome, statusCode: null, responseSnippet: null, durationMs, message };
}
