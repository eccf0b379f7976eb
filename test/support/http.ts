import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { createSource, type Item, type Source, type Told } from '../../src/engine/source.js';
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

let topics = 0;

/** A source that a test feeds by hand: what it has told so far can be read again from any place. */
export function source<T>(values: readonly T[] = [], changes: Partial<Source<T>> = {}) {
  const log: Item<T>[] = values.map((value, index) => ({ position: index + 1, value }));
  const tellers = new Set<(told: Told<T>) => void>();
  const asked = later<void>();
  const left = later<void>();
  let ended = false;
  let failure: unknown = null;
  let reads = 0;
  // That it has ended, or failed, is one more thing to come to.
  const told = () => log.length + (ended || failure !== null ? 1 : 0);
  const after = (position: number) => log.filter((item) => item.position > position);
  const page = (position: number) => ({
    items: after(position),
    through: ended ? told() : log.length,
    ended,
  });
  return {
    source: createSource<T>({
      topic: `test ${++topics}`,
      after: 0,
      paceMs: 0,
      cursorOf: null,
      open(tell) {
        tellers.add(tell);
        return {
          ready: Promise.resolve(told()),
          position: told,
          recent: (position) => (failure === null ? page(position) : null),
          async read(position) {
            reads++;
            asked.resolve();
            const found = page(position);
            if (failure !== null && found.items.length === 0) throw failure;
            return found;
          },
          close() {
            tellers.delete(tell);
            left.resolve();
          },
        };
      },
      ...changes,
    }),
    /** Resolves when somebody has begun to follow. */
    followed: asked.promise,
    /** Resolves when nobody follows any more. */
    left: left.promise,
    reads: () => reads,
    push(value: T, last = false) {
      const item = { position: log.length + 1, value };
      log.push(item);
      ended ||= last;
      for (const tell of tellers) tell({ position: item.position, item, last });
    },
    /** It ends without another value. */
    end() {
      ended = true;
      for (const tell of tellers) tell({ position: told(), item: null, last: true });
    },
    /** Whoever has read everything is told an error. */
    fail(error: unknown) {
      failure = error;
      for (const tell of tellers) tell({ position: told(), item: null, last: false });
    },
  };
}
