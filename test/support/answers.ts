import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';

/** Every way to put a GraphQL operation to the server. */
export const transports = ['POST', 'GET', 'stream by POST', 'stream by GET', 'WebSocket'] as const;
export type Transport = (typeof transports)[number];

export interface Asked {
  query: string;
  variables?: Record<string, unknown>;
  /** "Bearer …". */
  authorization: string;
  headers?: Record<string, string>;
}

/** What changes from answer to answer and tells of no account. */
const UNSTEADY = ['date', 'connection', 'keep-alive'];

/**
 * The bytes of an answer as they come: head and body over HTTP, each event of a stream, each message of a socket.
 * The signal ends it while it waits, which `return` could not.
 */
export async function* answers(
  url: string,
  transport: Transport,
  asked: Asked,
  signal = new AbortController().signal,
): AsyncGenerator<string, void, void> {
  if (transport === 'WebSocket') yield* messages(url, asked, signal);
  else yield* overHttp(url, transport, asked, signal);
}

/** Whether a part is an event of a subscription, or the result of an operation. */
export function isNext(part: string): boolean {
  return /^event: next|^\{"id":"1","type":"next"/m.test(part);
}

/** All that is answered: to the end, or to the `take`-th answer of a stream or socket. */
export async function told(
  url: string,
  transport: Transport,
  asked: Asked,
  take = Number.POSITIVE_INFINITY,
): Promise<string> {
  const parts: string[] = [];
  let taken = 0;
  for await (const part of answers(url, transport, asked)) {
    parts.push(part);
    if (isNext(part) && ++taken === take) break;
  }
  return parts.join('\n');
}

async function* overHttp(
  url: string,
  transport: Transport,
  { query, variables = {}, authorization, headers = {} }: Asked,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const post = transport.endsWith('POST');
  const target = new URL(url);
  if (!post) {
    target.searchParams.set('query', query);
    target.searchParams.set('variables', JSON.stringify(variables));
  }
  const call = request(target, {
    method: post ? 'POST' : 'GET',
    agent: false,
    signal,
    headers: {
      authorization,
      accept: transport.startsWith('stream') ? 'text/event-stream' : 'application/json',
      'x-request-id': 'isolation',
      ...(post && { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  call.end(post ? JSON.stringify({ query, variables }) : '');
  try {
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    yield headOf(response);
    response.setEncoding('utf8');
    let text = '';
    for await (const chunk of response) {
      text += chunk as string;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) yield block;
    }
    if (text !== '') yield text;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    call.destroy();
  }
}

function headOf({ statusCode, headers }: IncomingMessage): string {
  const steady = Object.entries(headers).filter(([name]) => !UNSTEADY.includes(name));
  return `${statusCode} ${JSON.stringify(Object.fromEntries(steady.sort(([a], [b]) => a.localeCompare(b))))}`;
}

async function* messages(
  url: string,
  { query, variables = {}, authorization }: Asked,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
  signal.addEventListener('abort', () => socket.terminate());
  const arrived: string[] = [];
  let wake: () => void = () => {};
  let closed = false;
  socket.on('message', (data) => {
    arrived.push(String(data));
    wake();
  });
  socket.on('close', (code) => {
    closed = true;
    arrived.push(`closed with ${code}`);
    wake();
  });
  try {
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization } }));
    for (;;) {
      while (arrived.length === 0) {
        if (closed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const message = arrived.shift()!;
      if (message === '{"type":"connection_ack"}') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
        continue;
      }
      yield message;
      if (/"type":"(complete|error)"/.test(message)) return;
    }
  } finally {
    socket.terminate();
  }
}
