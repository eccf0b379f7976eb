import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ExecutionResult, FormattedExecutionResult, GraphQLError } from 'graphql';
import { handleProtocols, makeServer, type ServerOptions, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { apiError } from '../../schema/api-error.js';
import type { Clock } from '../clock.js';
import { isSource } from '../engine/source.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Viewer } from '../viewer.js';
import type { Auth } from './auth.js';
import type { Hub } from './hub.js';
import { exceeded, limits } from './limits.js';
import type { LiveConnection, LiveConnections } from './live-connections.js';
import type { Masking } from './masking.js';
import { OperationIds } from './operation-ids.js';
import type { Operations } from './operations.js';
import { type Backlog, Outlet } from './outlet.js';
import { parked } from './parked.js';
import type { HttpQuotas } from './quota.js';

/** A socket with more than this on its way to the client is not read from. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** What a socket may say before it is let in, frames and all: as much as the headers of a request. */
const MAX_UNKNOWN_BYTES = 16 * 1024;

export interface WebsocketOptions {
  operations: Operations;
  hub: Hub;
  masking: Masking;
  connections: LiveConnections;
  backlog: Backlog;
  auth: Auth;
  quotas: HttpQuotas;
  clock: Clock;
  log: Log;
  maxMessageBytes: number;
  /** Whether new operations are refused. */
  draining(): boolean;
}

type MaskedResult = Parameters<Masking['masked']>[0];

interface Extra {
  socket: WebSocket;
  request: IncomingMessage;
  requestId: string;
  outlet: Outlet;
  connection: LiveConnection;
  ids: OperationIds;
  /** It has been let in: from now on it may say more. */
  known(): void;
}

export interface Websockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, requestId: string): void;
}

/** GraphQL over WebSocket: the protocol graphql-transport-ws, by graphql-ws; the hub writes the events. */
export function createWebsockets(options: WebsocketOptions): Websockets {
  const { log, connections, backlog, clock } = options;
  const protocol = makeServer(protocolOptions(options));
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols,
  });

  const open = (socket: WebSocket, request: IncomingMessage, requestId: string) => {
    const outlet = new Outlet(request.socket as Socket, backlog, clock.now());
    const connection = connections.add({
      outlet,
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
      ping: () => socket.ping(),
    });
    const ids = new OperationIds(limits.socketOperations.maximum);
    const known = untilKnown(request.socket, () => {
      socket.close(1009, 'Too much before connection_ack');
      setImmediate(() => socket.terminate());
    });
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        // graphql-ws goes on when this resolves. Results of queries are bounded, and events are the hub's.
        send: (data) =>
          new Promise((resolve) => {
            const text = ids.outward(data);
            if (text === null || socket.readyState !== socket.OPEN) return resolve();
            socket.send(text, () => resolve());
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data) => {
            // Every message may be answered (a ping with its payload): who does not read is not read from.
            if (socket.bufferedAmount >= MAX_UNSENT_BYTES) {
              socket.pause();
              outlet.whenDrained(() => socket.resume());
            }
            const message = ids.inward(String(data));
            if (message === null) return;
            if ('close' in message) return socket.close(message.close, message.reason);
            // It takes what is parsed already, though its type does not say so.
            handle(message.pass as string).catch((error: unknown) => {
              if (/^Unexpected message of type/.test(messageOf(error))) {
                socket.close(4400, 'Unexpected message');
                return;
              }
              log.error({ err: error, requestId }, 'unexpected error');
              socket.close(4500, 'Internal server error');
            });
          }),
      },
      { socket, request, requestId, outlet, connection, ids, known },
    );
    socket.on('pong', () => connection.answered());
    // A message above the limit or a bad frame: ws closes the socket with the right code by itself.
    socket.on('error', (error) => log.debug({ err: error, requestId }, 'websocket error'));
    socket.once('close', (code, reason) => {
      outlet.close();
      connection.closed(code);
      log.info({ requestId, code, account: connection.viewer?.account.id }, 'websocket closed');
      closed(code, String(reason)).catch((error: unknown) =>
        log.error({ err: error, requestId }, 'unexpected error'),
      );
    });
  };

  return {
    upgrade: (request, socket, head, requestId) =>
      server.handleUpgrade(request, socket, head, (opened) => open(opened, request, requestId)),
  };
}

function protocolOptions(options: WebsocketOptions): ServerOptions<Record<string, unknown>, Extra> {
  const { operations, hub, masking, auth, quotas } = options;
  return {
    onConnect: async ({ connectionParams, extra }) => {
      const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
      const credentials = typeof given === 'string' ? given : extra.request.headers.authorization;
      const viewer = await auth.viewerOf(credentials);
      if (viewer) {
        extra.connection.admit(credentials, viewer);
        const held = hold(extra.socket, quotas.openSocket(viewer));
        if (held) extra.known();
        return held;
      }
      // False alone would close with 4403, which says that the key is good but may not.
      extra.socket.close(4401, 'Unauthorized');
      return false;
    },
    onSubscribe: async ({ extra }, id, payload) => {
      // Asked again for each operation: a key may have ended since, or the first one been made.
      const viewer = await auth.viewerOf(extra.connection.credentials);
      if (!viewer) {
        extra.socket.close(4401, 'Unauthorized');
        return [apiError('UNAUTHENTICATED', 'the API key of this socket is not valid any more')];
      }
      const refused = refusal(options, viewer, extra.ids.isOver(id));
      return refused ? [refused] : prepare(options, extra, viewer, id, payload);
    },
    execute: (args) => operations.execute(args),
    subscribe: async (args) => {
      const source = await operations.source(args);
      return (isSource(source) ? source : failing(source)) as AsyncIterableIterator<ExecutionResult>;
    },
    // Runs before graphql-ws looks whether the client still wants it; nothing is followed before it asks for more.
    onOperation: ({ extra }, id, _payload, args, result) => {
      if (!isSource(result)) return undefined;
      const { socket, outlet, ids } = extra;
      const head = `{"id":${JSON.stringify(ids.given(id))},"type":"next","payload":`;
      return parked((end) =>
        hub.follow(result, args, {
          ready: () => socket.readyState === socket.OPEN && outlet.takesMore(),
          whenReady: (callback) => outlet.whenDrained(callback),
          send: ({ text }) => socket.send(`${head}${text}}`),
          together: (run) => outlet.together(run),
          end,
        }),
      );
    },
    onNext: ({ extra }, _id, _payload, _args, result) =>
      result.errors && (masking.masked(result as MaskedResult, extra.requestId) as FormattedExecutionResult),
    onError: ({ extra }, _id, _payload, errors) =>
      errors
        .flatMap((error) =>
          error.originalError instanceof NotFollowed ? error.originalError.errors : [error],
        )
        .map((error) => masking.shown(error, extra.requestId).toJSON()),
  };
}

/** Counts what comes in until the function is called that it answers; nobody else bounds what strangers have kept here. */
function untilKnown(socket: Duplex, tooMuch: () => void): () => void {
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_UNKNOWN_BYTES) return;
    socket.off('data', count);
    tooMuch();
  };
  socket.on('data', count);
  return () => void socket.off('data', count);
}

/** Keeps the count of a socket for as long as it is open; false where it is one too many. */
function hold(socket: WebSocket, opened: ReturnType<HttpQuotas['openSocket']>): boolean {
  if (typeof opened === 'object') {
    socket.close(4429, 'Too many sockets');
    return false;
  }
  if (socket.readyState === socket.CLOSED) opened();
  else socket.once('close', opened);
  return true;
}

function refusal(
  { quotas, draining }: WebsocketOptions,
  viewer: Viewer,
  isOver: boolean,
): GraphQLError | null {
  if (draining()) return apiError('UNAVAILABLE', 'the server is going down: connect again');
  const tooMany = quotas.take(viewer);
  if (tooMany) return apiError('LIMIT_REACHED', tooMany.message, { retryAfterMs: tooMany.retryAfterMs });
  if (!isOver) return null;
  return exceeded(limits.socketOperations, 'one more');
}

async function prepare(
  { operations }: WebsocketOptions,
  { requestId, ids }: Extra,
  viewer: Viewer,
  id: string,
  payload: SubscribePayload,
) {
  const prepared = await operations.prepare(payload, { requestId, viewer, length: ids.lengthOf(id) });
  return Array.isArray(prepared) ? prepared : prepared.args;
}

/** Why a subscription cannot be followed. */
class NotFollowed extends Error {
  constructor(readonly errors: readonly GraphQLError[]) {
    super('the subscription cannot be followed');
  }
}

/** What cannot be followed ends with an `error` message, like everything that fails before its first result. */
function failing(errors: readonly GraphQLError[]): AsyncIterable<never> {
  return {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new NotFollowed(errors)) }),
  };
}
