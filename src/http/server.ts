import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createContext } from '../../schema/context.js';
import { createSchema } from '../../schema/schema.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { createAuth, UNAUTHENTICATED } from './auth.js';
import { lengthRefusal, readBody, typeRefusal } from './body.js';
import { acceptFor, browserRefusal, wantsStream } from './browser.js';
import { graphiqlHeaders, graphiqlPage } from './graphiql.js';
import { createGraphql } from './graphql.js';
import { Hub } from './hub.js';
import { LiveConnections } from './live-connections.js';
import { createMasking } from './masking.js';
import { createOperations, type OperationParams } from './operations.js';
import { Backlog } from './outlet.js';
import { bodyParams, queryParams } from './params.js';
import { type Refusal, refusalBody, sendRefusal } from './refusal.js';
import { respond } from './respond.js';
import { createRoutes, GRAPHQL_METHODS, GRAPHQL_PATH, routeListener } from './routes.js';
import { serveStream } from './sse.js';
import { createWebsockets } from './websocket.js';

export const MAX_BODY_BYTES = 2 * 1024 * 1024;

export interface HttpServerOptions {
  engine: Engine;
  store: Store;
  clock: Clock;
  log: Log;
  /** Whose server it is as long as there is no API key. */
  defaultAccountId: string;
  /** Origins of web applications that may call. */
  allowedOrigins: readonly string[];
  /** Largest request body, and WebSocket message, in bytes; 2 MiB where not given. */
  maxBodyBytes?: number;
  /** Why the server is not ready, beside that it drains; empty: it is. */
  ready(): Promise<string[]>;
  /** What an operator should mend though the server is ready: /readyz says it beside. */
  warnings?: () => Promise<string[]>;
}

export interface HttpServer {
  /** Port 0 takes a free one. Rejects with one sentence where the port is taken or the address is not ours. */
  listen(port: number, host: string): Promise<{ port: number; url: string }>;
  /** From now on new operations get 503, /readyz says no, and what runs goes on. */
  drain(): void;
  /** Ends streams and sockets (1001), waits for requests to end, and after the deadline cuts what is left. */
  close(deadlineMs: number): Promise<void>;
}

const DRAINING: Refusal = {
  status: 503,
  code: 'UNAVAILABLE',
  message: 'the server is going down: try again',
  headers: { 'retry-after': '1', connection: 'close' },
};

/** The one server that owns the port: GraphQL over HTTP, server-sent events and WebSocket, and the other routes. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { engine, store, clock, log, allowedOrigins, maxBodyBytes = MAX_BODY_BYTES } = options;
  const auth = createAuth(options);
  const graphql = createGraphql({ schema: createSchema(), engine, store, clock, log, allowedOrigins });
  let draining = false;
  const masking = createMasking(log);
  const operations = createOperations(graphql, masking);
  const hub = new Hub({
    ...masking,
    clock,
    contextFor: (viewer, requestId) =>
      createContext({ viewer, requestId, lastEventId: null, engine, store, now: () => clock.now() }),
  });
  const connections = new LiveConnections(clock, auth, (error) =>
    log.error({ err: error }, 'the keys of open connections could not be checked'),
  );
  const backlog = new Backlog();
  const live = { operations, hub, masking, connections, backlog, auth, clock, log };
  const websockets = createWebsockets({
    ...live,
    maxMessageBytes: maxBodyBytes,
    draining: () => draining,
  });
  const routes = routeListener(
    createRoutes({
      log,
      warnings: options.warnings,
      ready: async () => (draining ? ['the server is going down'] : options.ready()),
    }),
  );

  /** What every request is checked for, whatever it wants. */
  const refusalOf = async (request: IncomingMessage, upgrade: boolean): Promise<Refusal | null> => {
    const { method = 'GET', headers } = request;
    const browser = browserRefusal({ method, headers, upgrade }, { allowedOrigins }, await auth.keyless());
    return browser ?? lengthRefusal(request, maxBodyBytes);
  };

  const serveGraphql = async (
    request: IncomingMessage,
    response: ServerResponse,
    facts: Facts,
  ): Promise<Refusal | null> => {
    const { method = 'GET', headers } = request;
    if (method === 'GET' && headers.accept?.includes('text/html')) {
      response.writeHead(200, graphiqlHeaders).end(graphiqlPage());
      return null;
    }
    if (draining) return DRAINING;
    if (!GRAPHQL_METHODS.includes(method)) {
      return {
        status: 405,
        code: 'BAD_USER_INPUT',
        message: `the method must be GET or POST, got ${method}`,
        headers: { allow: 'GET, POST' },
      };
    }
    // A preflight carries no key: it asks whether one may be sent.
    const viewer = method === 'OPTIONS' ? null : await auth.viewerOf(headers.authorization);
    if (!viewer && method !== 'OPTIONS') return UNAUTHENTICATED;
    facts.account = viewer?.account.id;
    const wrongType = method === 'POST' ? typeRefusal(request) : null;
    if (wrongType) return wrongType;
    const body = method === 'POST' ? await readBody(request, maxBodyBytes) : undefined;
    if (typeof body === 'object') return body;
    if (viewer && wantsStream(headers.accept)) {
      const params = paramsOf(request, body);
      const { requestId } = facts;
      if (params && (await serveStream(live, { request, response, params, viewer, requestId }))) return null;
    }
    const answer = await graphql.fetch(
      // The Host header is the client's to choose, and of no use here.
      `http://localhost${targetOf(request)}`,
      { method, headers: { ...headerLines(request), accept: acceptFor(headers.accept) } },
      { requestId: facts.requestId, ...(viewer && { viewer }), ...(body !== undefined && { body }) } as never,
    );
    await respond(answer, response);
    return null;
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const facts: Facts = { requestId: requestIdOf(request), account: undefined };
    response.setHeader('x-request-id', facts.requestId);
    // Also on what is refused: a page that may call must be able to read why it could not.
    const { origin } = request.headers;
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('vary', 'Origin');
    }
    logWhenDone(log, clock, request, response, facts);
    try {
      let refusal = await refusalOf(request, false);
      if (!refusal) {
        if (pathOf(request) === GRAPHQL_PATH) refusal = await serveGraphql(request, response, facts);
        else await routes(request, response);
      }
      if (refusal) sendRefusal(response, refusal);
    } catch (error) {
      // A client that left in the middle of its request is nobody's bug, and there is no one to answer.
      if (request.destroyed && !request.complete) return;
      log.error({ err: error, requestId: facts.requestId }, 'unexpected error');
      const failure: Refusal = { status: 500, code: 'INTERNAL', message: 'Unexpected error.' };
      if (!response.headersSent) sendRefusal(response, failure, { requestId: facts.requestId });
      else response.destroy();
    }
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const requestId = requestIdOf(request);
    let refusal = await refusalOf(request, true);
    if (pathOf(request) !== GRAPHQL_PATH) {
      refusal ??= { status: 404, code: 'NOT_FOUND', message: `WebSockets are served at ${GRAPHQL_PATH}` };
    }
    if (draining) refusal ??= DRAINING;
    log.info({ path: pathOf(request), status: refusal?.status ?? 101, requestId }, 'upgrade');
    if (refusal) refuseUpgrade(socket, refusal, requestId);
    else websockets.upgrade(request, socket, head, requestId);
  };

  const server = createServer((request, response) => void serve(request, response));
  server.on('upgrade', (request, socket, head) => {
    // Until ws takes over nobody else listens, and an error without a listener ends the process.
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => {
      log.error({ err: error }, 'unexpected error');
      socket.destroy();
    });
  });

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, port, host)));
        server.listen(port, host, () => {
          const at = server.address() as AddressInfo;
          const name = at.family === 'IPv6' ? `[${at.address}]` : at.address;
          resolve({ port: at.port, url: `http://${name}:${at.port}` });
        });
      }),
    drain() {
      draining = true;
    },
    close: (deadlineMs) =>
      new Promise((resolve) => {
        draining = true;
        const deadline = clock.after(deadlineMs, () => {
          connections.terminate();
          server.closeAllConnections();
        });
        server.close(() => {
          deadline.cancel();
          resolve();
        });
        // Half of the time for clients to go, the other half for what they still run.
        void connections.goAway(deadlineMs / 2);
        server.closeIdleConnections();
      }),
  };
}

/** What a request for a stream asks for; null where it is no JSON: then the usual answer says so. */
function paramsOf(request: IncomingMessage, body: string | undefined): OperationParams | null {
  try {
    if (body !== undefined) return bodyParams(body);
    return queryParams(new URL(targetOf(request), 'http://localhost').searchParams);
  } catch {
    return null;
  }
}

/** What is told of a request in the log. */
interface Facts {
  requestId: string;
  account: string | undefined;
}

/** The client's own id where it is harmless, so that its logs and ours can be joined. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
}

/** Without the query: documents, variables and whatever else a client puts there stay out of the log. */
function pathOf(request: IncomingMessage): string {
  return targetOf(request).split('?', 1)[0]!;
}

/** Path and query, also of a target in absolute form (RFC 9112, 3.2.2). */
function targetOf({ url = '/' }: IncomingMessage): string {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? url.slice(url.indexOf('/', 8)) : url;
}

function headerLines({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

function logWhenDone(
  log: Log,
  clock: Clock,
  request: IncomingMessage,
  response: ServerResponse,
  facts: Facts,
): void {
  const startedAt = clock.now();
  response.once('close', () => {
    const { method } = request;
    const ms = clock.now() - startedAt;
    log.info({ method, path: pathOf(request), status: response.statusCode, ms, ...facts }, 'request');
  });
}

function refuseUpgrade(socket: Duplex, refusal: Refusal, requestId: string): void {
  const body = refusalBody(refusal);
  const headers = {
    connection: 'close',
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

function listenError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} is already in use; set PORT to another one`);
    case 'EACCES':
      return new Error(`port ${port} needs more rights than this process has; set PORT to 1024 or above`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is no address of this machine; set CARILLON_HOST to another one`);
    default:
      return error;
  }
}
