import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import {
  handleProtocols,
  makeServer,
  type Context as SocketContext,
  type SubscribePayload,
} from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { apiError } from '../../schema/api-error.js';
import type { Viewer } from '../../schema/context.js';
import type { Clock, Timer } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Auth } from './auth.js';
import type { Graphql } from './graphql.js';
import type { HttpQuotas } from './quota.js';

/** Twice a minute would do for most proxies; five times is safe for all that were heard of. */
const PING_EVERY_MS = 12_000;
/** A client that takes nothing for this long is not coming back: it resumes elsewhere with its cursor. */
const STALLED_AFTER_MS = 300_000;
const MAX_OPERATIONS = 100;
/** A socket with more than this on its way to the client is not read from. */
const MAX_UNSENT_BYTES = 1024 * 1024;

export interface WebsocketOptions {
  graphql: Graphql;
  auth: Auth;
  quotas: HttpQuotas;
  clock: Clock;
  log: Log;
  maxMessageBytes: number;
  /** Whether new operations are refused. */
  draining(): boolean;
}

interface Extra {
  socket: WebSocket;
  request: IncomingMessage;
  requestId: string;
  /** As given when the socket was opened. */
  credentials: string | undefined;
  viewer: Viewer | null;
}

interface Health {
  answered: boolean;
  /** When the socket last took something, or was seen with nothing to take. */
  drainedAt: number;
}

export interface Websockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, requestId: string): void;
  /** Tells every client to go and come back: 1001. */
  goAway(): void;
  /** Ends what is still open, without a word. */
  terminate(): void;
}

/** GraphQL over WebSocket: the protocol graphql-transport-ws, by graphql-ws. */
export function createWebsockets(options: WebsocketOptions): Websockets {
  const { graphql, auth, quotas, clock, log } = options;
  const protocol = makeServer<Record<string, unknown>, Extra>({
    onConnect: async ({ connectionParams, extra }) => {
      const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
      const header = extra.request.headers.authorization;
      extra.credentials = typeof given === 'string' ? given : header;
      extra.viewer = await auth.viewerOf(extra.credentials);
      if (extra.viewer) return hold(extra, quotas.openSocket(extra.viewer));
      // False alone would close with 4403, which says that the key is good but may not.
      extra.socket.close(4401, 'Unauthorized');
      return false;
    },
    onSubscribe: async (context, _id, payload) => {
      // Asked again for each operation: a key may have ended since, or the first one been made.
      context.extra.viewer = await auth.viewerOf(context.extra.credentials);
      if (context.extra.viewer) return operation(options, context, payload);
      context.extra.socket.close(4401, 'Unauthorized');
      return [apiError('UNAUTHENTICATED', 'the API key of this socket is not valid any more')];
    },
    execute: (args) => runner(graphql).execute(args),
    subscribe: (args) => runner(graphql).subscribe(args),
    onNext: (_context, _id, _payload, _args, result) =>
      result.errors && ({ ...result, errors: result.errors.map(shown) } as FormattedExecutionResult),
    onError: (_context, _id, _payload, errors) => errors.map(shown),
  });

  const server = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols,
  });
  const health = new Map<WebSocket, Health>();
  let timer: Timer | null = null;
  const sweep = () => {
    for (const [socket, state] of health) check(socket, state, clock.now());
    timer = health.size > 0 ? clock.after(PING_EVERY_MS, sweep) : null;
  };

  const open = (socket: WebSocket, request: IncomingMessage, requestId: string) => {
    const state: Health = { answered: true, drainedAt: clock.now() };
    health.set(socket, state);
    timer ??= clock.after(PING_EVERY_MS, sweep);
    const extra: Extra = { socket, request, requestId, credentials: undefined, viewer: null };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        // graphql-ws pulls the next event when this resolves: a slow client costs one message, not a queue.
        send: (data) =>
          new Promise((resolve) => {
            if (socket.readyState !== socket.OPEN) return resolve();
            socket.send(data, () => {
              state.drainedAt = clock.now();
              if (socket.isPaused && socket.bufferedAmount < MAX_UNSENT_BYTES) socket.resume();
              resolve();
            });
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data) => {
            // Every message may be answered (a ping with its payload): who does not read is not read from.
            if (socket.bufferedAmount >= MAX_UNSENT_BYTES) socket.pause();
            handle(String(data)).catch((error: unknown) => {
              if (/^Unexpected message of type/.test(messageOf(error))) {
                socket.close(4400, 'Unexpected message');
                return;
              }
              log.error({ err: error, requestId }, 'unexpected error');
              socket.close(4500, 'Internal server error');
            });
          }),
      },
      extra,
    );
    socket.on('pong', () => {
      state.answered = true;
    });
    // A message above the limit or a bad frame: ws closes the socket with the right code by itself.
    socket.on('error', (error) => log.debug({ err: error, requestId }, 'websocket error'));
    socket.once('close', (code, reason) => {
      health.delete(socket);
      log.info({ requestId, code, account: extra.viewer?.account.id }, 'websocket closed');
      closed(code, String(reason)).catch((error: unknown) =>
        log.error({ err: error, requestId }, 'unexpected error'),
      );
    });
  };

  return {
    upgrade: (request, socket, head, requestId) =>
      server.handleUpgrade(request, socket, head, (opened) => open(opened, request, requestId)),
    goAway() {
      timer?.cancel();
      timer = null;
      for (const socket of health.keys()) socket.close(1001, 'Going away');
    },
    terminate() {
      for (const socket of health.keys()) socket.terminate();
    },
  };
}

/** Keeps the count of a socket for as long as it is open; false where it is one too many. */
function hold({ socket }: Extra, opened: ReturnType<HttpQuotas['openSocket']>): boolean {
  if (typeof opened === 'object') {
    socket.close(4429, 'Too many sockets');
    return false;
  }
  if (socket.readyState === socket.CLOSED) opened();
  else socket.once('close', opened);
  return true;
}

/** One look at a socket: a dead one is ended, a stuck one after a while, any other is pinged. */
function check(socket: WebSocket, state: Health, now: number): void {
  if (socket.bufferedAmount > 0) {
    // The pong would wait behind what is not taken: no ping, no verdict.
    if (now - state.drainedAt >= STALLED_AFTER_MS) socket.close(1013, 'Too slow');
    return;
  }
  state.drainedAt = now;
  if (!state.answered) {
    socket.terminate();
    return;
  }
  state.answered = false;
  socket.ping();
}

/** The execution arguments of an operation, or the errors that keep it from running. */
async function operation(
  { graphql, quotas, draining }: WebsocketOptions,
  { extra, subscriptions }: SocketContext<Record<string, unknown>, Extra>,
  payload: SubscribePayload,
) {
  if (draining()) return [apiError('UNAVAILABLE', 'the server is going down: connect again')];
  const tooMany = quotas.take(extra.viewer!);
  if (tooMany) return [apiError('LIMIT_REACHED', tooMany.message, { retryAfterMs: tooMany.retryAfterMs })];
  if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
    return [
      apiError(
        'LIMIT_REACHED',
        `one socket may run at most ${MAX_OPERATIONS} operations at once: complete some, or open another socket`,
      ),
    ];
  }
  const facts = { requestId: extra.requestId, viewer: extra.viewer!, params: payload };
  const { schema, parse, validate, contextFactory } = graphql.getEnveloped(facts as never);
  try {
    const document = parse(payload.query);
    const errors = validate(schema, document);
    if (errors.length > 0) return errors;
    return {
      schema,
      document,
      operationName: payload.operationName,
      variableValues: payload.variables,
      contextValue: await contextFactory(),
    };
  } catch (error) {
    // Left to graphql-ws it would close the socket, and every other operation with it.
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function runner(graphql: Graphql) {
  return graphql.getEnveloped({} as never);
}

/** An error as the client sees it: without the hints meant for HTTP statuses. */
function shown(error: GraphQLError): GraphQLFormattedError {
  const { extensions: { http: _http, ...extensions } = {}, ...rest } = error.toJSON();
  return { ...rest, ...(Object.keys(extensions).length > 0 && { extensions }) };
}
