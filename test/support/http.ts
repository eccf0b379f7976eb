import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { createHttpServer, type HttpServerOptions } from '../../src/http/server.js';
import { ACCOUNT, type Answer, type Backing, ports, recordingLog } from './api.js';

/** A store that answers what every request asks: no keys, and the default account. */
export const keyless = {
  hasApiKeys: async () => false,
  account: async () => ({ ...ACCOUNT }),
};

/** A real server on a free port of 127.0.0.1, closed when the test is. */
export async function serve(backing: Backing = {}, changes: Partial<HttpServerOptions> = {}) {
  const log = recordingLog();
  const server = createHttpServer({
    ...ports({ ...backing, store: { ...keyless, ...backing.store } }),
    clock: backing.clock ?? systemClock,
    log,
    defaultAccountId: ACCOUNT.id,
    allowedOrigins: [],
    ready: async () => [],
    ...changes,
  });
  const { port, url } = await server.listen(0, '127.0.0.1');
  onTestFinished(() => server.close(1_000));
  return { server, log, port, url };
}

export interface Sent {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: Answer & Record<string, unknown>;
}

/** One request, with the headers exactly as given: fetch would set or forbid some of them. */
export function send(
  url: string,
  {
    method = 'POST',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        let json: unknown = null;
        try {
          json = JSON.parse(text);
        } catch {
          // Some answers are no JSON; `text` has them.
        }
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: json as Sent['json'],
        });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** A GraphQL POST as every client sends it. */
export function post(url: string, query: string, headers: Record<string, string> = {}): Promise<Sent> {
  return send(`${url}/graphql`, {
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
}

/** A promise and the function that keeps it. */
export function later<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((keep) => {
    resolve = keep;
  });
  return { promise, resolve };
}

/** A source of events that a test feeds by hand, and that tells when its reader has left. */
export function source<T>() {
  const waiting: ((step: IteratorResult<T, undefined>) => void)[] = [];
  const ready: T[] = [];
  const left = later<void>();
  const asked = later<void>();
  let pulls = 0;
  const generator: AsyncGenerator<T> = {
    next: () =>
      new Promise((resolve) => {
        pulls++;
        asked.resolve();
        const value = ready.shift();
        if (value !== undefined) resolve({ done: false, value });
        else waiting.push(resolve);
      }),
    return: async () => {
      left.resolve();
      for (const resolve of waiting) resolve({ done: true, value: undefined });
      return { done: true, value: undefined };
    },
    throw: async (error) => {
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  return {
    generator,
    /** Resolves when the reader has asked for its first value. */
    pulled: asked.promise,
    /** Resolves when the reader has ended the source. */
    returned: left.promise,
    pulls: () => pulls,
    push(value: T) {
      const resolve = waiting.shift();
      if (resolve) resolve({ done: false, value });
      else ready.push(value);
    },
    end() {
      for (const resolve of waiting) resolve({ done: true, value: undefined });
    },
  };
}
