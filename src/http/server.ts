import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createContext } from '../../schema/context.js';
import { createSchema } from '../../schema/schema.js';
import type { Clock } from '../clock.js';
import type { Dialect } from '../dialect.js';
import type { Engine } from '../engine/engine.js';
import { type Limits, NO_LIMITS } from '../limits.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { createAuth, UNAUTHENTICATED } from './auth.js';
import { refuseBare, tunnelRefusal, unreadable } from './bare.js';
import { lengthRefusal, readBody, typeRefusal } from './body.js';
import { acceptFor, browserRefusal, wantsStream } from './browser.js';
import { corsHeaders } from './cors.js';
import { DIALECT_METHODS, mount } from './dialects.js';
import { graphiqlHeaders, graphiqlPage } from './graphiql.js';
import { createGraphql } from './graphql.js';
import { Hub } from './hub.js';
import { LiveConnections } from './live-connections.js';
import { createMasking } from './masking.js';
import { createMetrics, type Metrics } from './metrics.js';
import { createOperations } from './operations.js';
import { Backlog } from './outlet.js';
import { createQuotas } from './quota.js';
import { DRAINING, type Refusal, safeHeaders, sendRefusal } from './refusal.js';
import { type Facts, headerLines, logWhenDone, paramsOf, requestIdOf } from './request.js';
import { respond } from './respond.js';
import { createRoutes, GRAPHQL_PATH, routeListener } from './routes.js';
import { serveStream } from './sse.js';
import { continues, headRefusal, hostOf, pathOf, targetOf } from './target.js';
import type { TrustedDocuments } from './trusted.js';
import { Answering, handshakeRefusal, takeUpgrades } from './upgrade.js';
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
  /** What every account may use; where not given, as much as it likes. */
  limits?: Limits;
  /** Largest request body, and WebSocket message, in bytes; 2 MiB where not given. */
  maxBodyBytes?: number;
  /** Whether clients may read the schema, and are helped with its names; true where not given. */
  introspection?: boolean;
  /** Documents that are known by an id, and whether only these run. */
  trusted?: TrustedDocuments | undefined;
  trustedOnly?: boolean;
  /** Reads the metrics of a server with keys; empty: nobody does. */
  operatorToken?: string;
  /** The HTTP APIs of other systems that are spoken here; none where not given. */
  dialects?: readonly Dialect[];
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
  /** A key has been revoked: sockets and streams that it opened end now. */
  revoke(keyId: string): void;
  /** Ends streams and sockets (1001), waits for requests to end, and after the deadline cuts what is left. */
  close(deadlineMs: number): Promise<void>;
}

const METHODS = 'GET, HEAD, POST, OPTIONS';

/** The one server that owns the port: GraphQL over HTTP, server-sent events and WebSocket, and the other routes. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { engine, store, clock, log, allowedOrigins, maxBodyBytes = MAX_BODY_BYTES } = options;
  const auth = createAuth(options);
  const quotas = createQuotas({ clock, limits: options.limits ?? NO_LIMITS });
  const graphql = createGraphql({ ...options, quotas, schema: createSchema() });
  let draining = false;
  const masking = createMasking(log);
  const operations = createOperations(graphql, masking);
  const connections = new LiveConnections(clock, auth, (error) =>
    log.error({ err: error }, 'the keys of open connections could not be checked'),
  );
  const metrics: Metrics = createMetrics({ hub: () => hub.state(), connections });
  const hub = new Hub({
    ...masking,
    clock,
    contextFor: (viewer, requestId) =>
      createContext({ viewer, requestId, lastEventId: null, engine, store, quotas, now: () => clock.now() }),
    observeLag: metrics.observeLag,
  });
  const backlog = new Backlog();
  const live = { operations, hub, masking, connections, backlog, auth, quotas, clock, log };
  const websockets = createWebsockets({
    ...live,
    maxMessageBytes: maxBodyBytes,
    draining: () => draining,
  });
  const routes = routeListener(
    createRoutes({
      log,
      warnings: options.warnings,
      metrics,
      metricsRefusal: auth.operatorRefusal,
      ready: async () => (draining ? ['the server is going down'] : options.ready()),
    }),
  );

  const dialectAt = mount(options.dialects ?? [], { auth, quotas, maxBodyBytes, draining: () => draining });

  /** What every request is checked for, whatever it wants. */
  const refusalOf = async (request: IncomingMessage): Promise<Refusal | null> => {
    const caller = { host: hostOf(request), headers: request.headers };
    return (
      headRefusal(request) ??
      browserRefusal(caller, { allowedOrigins }, await auth.keyless()) ??
      lengthRefusal(request, maxBodyBytes)
    );
  };

  const serveGraphql = async (
    request: IncomingMessage,
    response: ServerResponse,
    facts: Facts,
  ): Promise<Refusal | null> => {
    const { headers } = request;
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { allow: METHODS }).end();
      return null;
    }
    // The answer to a HEAD is that to a GET, and Node leaves out its body; but it must have an end.
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const accept = request.method === 'HEAD' ? undefined : headers.accept;
    if (method === 'GET' && headers.accept?.includes('text/html')) {
      response.writeHead(200, graphiqlHeaders).end(graphiqlPage());
      return null;
    }
    if (draining) return DRAINING;
    if (method !== 'GET' && method !== 'POST') {
      return {
        status: 405,
        code: 'BAD_USER_INPUT',
        message: `the method must be GET or POST, got ${method}`,
        headers: { allow: METHODS },
      };
    }
    const viewer = await auth.viewerOf(headers.authorization);
    if (!viewer) return UNAUTHENTICATED;
    facts.account = viewer.account.id;
    const tooMany = quotas.take(viewer);
    if (tooMany) return tooMany;
    const wrongType = method === 'POST' ? typeRefusal(request) : null;
    if (wrongType) return wrongType;
    if (method === 'POST' && continues(request)) response.writeContinue();
    const body = method === 'POST' ? await readBody(request, maxBodyBytes) : undefined;
    if (typeof body === 'object') return body;
    // A body may be on its way for minutes, in which its key was revoked, or the first one made.
    if (body !== undefined && !(await auth.viewerOf(headers.authorization))) return UNAUTHENTICATED;
    if (wantsStream(accept)) {
      const params = paramsOf(request, body);
      const asked = { request, response, length: body?.length ?? 0, viewer, requestId: facts.requestId };
      if (params && (await serveStream(live, { ...asked, params }))) return null;
    }
    const answer = await graphql.fetch(
      // The Host header is the client's to choose, and of no use here.
      `http://localhost${targetOf(request)}`,
      { method, headers: { ...headerLines(request), accept: acceptFor(accept) } },
      { requestId: facts.requestId, viewer, ...(body !== undefined && { body }) } as never,
    );
    await respond(answer, response);
    return null;
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const facts: Facts = { requestId: requestIdOf(request), account: undefined };
    const dialect = dialectAt(pathOf(request));
    answering.started(request, response);
    const common = {
      'x-request-id': facts.requestId,
      ...safeHeaders,
      ...corsHeaders(request, allowedOrigins, dialect ? DIALECT_METHODS : undefined),
    };
    for (const [name, value] of Object.entries(common)) response.setHeader(name, value);
    logWhenDone(log, clock, request, response, facts);
    const refuse = (refusal: Refusal, extensions?: object) =>
      dialect ? dialect.refuse(response, refusal) : sendRefusal(response, refusal, extensions);
    try {
      let refusal = await refusalOf(request);
      if (!refusal) {
        if ([GRAPHQL_PATH, '*'].includes(pathOf(request))) {
          refusal = await serveGraphql(request, response, facts);
        } else if (dialect) {
          refusal = await dialect.serve(request, response, facts);
        } else {
          if (continues(request)) response.writeContinue();
          await routes(request, response);
        }
      }
      if (refusal) refuse(refusal);
    } catch (error) {
      // A client that left in the middle of its request is nobody's bug, and there is no one to answer.
      if (request.destroyed && !request.complete) return;
      log.error({ err: error, requestId: facts.requestId }, 'unexpected error');
      const failure: Refusal = { status: 500, code: 'INTERNAL', message: 'Unexpected error.' };
      if (!response.headersSent) refuse(failure, { requestId: facts.requestId });
      else response.destroy();
    }
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const requestId = requestIdOf(request);
    let refusal = await refusalOf(request);
    if (pathOf(request) !== GRAPHQL_PATH) {
      refusal ??= { status: 404, code: 'NOT_FOUND', message: `WebSockets are served at ${GRAPHQL_PATH}` };
    }
    refusal ??= handshakeRefusal(request);
    if (draining) refusal ??= DRAINING;
    log.info({ path: pathOf(request), status: refusal?.status ?? 101, requestId }, 'upgrade');
    if (refusal) {
      refuseBare(socket, refusal, { requestId, now: clock.now() });
      return;
    }
    // Others may be offered beside it; ws takes it alone.
    request.headers.upgrade = 'websocket';
    websockets.upgrade(request, socket, head, requestId);
  };

  const answering = new Answering();
  // A missing Host is ours to refuse, in JSON.
  const server = createServer(
    { requireHostHeader: false },
    (request, response) => void serve(request, response),
  );
  // Node would drop the headers behind the thousandth unsaid: a length, a second Host, what a proxy tells of itself.
  // Their bytes are bounded already.
  server.maxHeadersCount = 0;
  server.on('checkContinue', (request, response) => void serve(request, response));
  server.on('checkExpectation', (request, response) => void serve(request, response));
  const upgrades = takeUpgrades(server, answering, {
    open: upgrade,
    failed: (error) => log.error({ err: error }, 'unexpected error'),
  });
  const refuse = (socket: Duplex, refusal: Refusal) => {
    socket.on('error', () => socket.destroy());
    // Half an answer is out already: what is written now would become a part of it.
    if (!socket.writable || answering.open(socket)?.headersSent) socket.destroy();
    else refuseBare(socket, refusal, { requestId: randomUUID(), now: clock.now() });
  };
  server.on('clientError', (error, socket) => refuse(socket, unreadable(error)));
  server.on('connect', (request, socket) => refuse(socket, tunnelRefusal(request.url)));

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
    revoke: (keyId) => connections.revoke(keyId),
    close: (deadlineMs) =>
      new Promise((resolve) => {
        draining = true;
        const deadline = clock.after(deadlineMs, () => {
          connections.terminate();
          upgrades.destroy();
          server.closeAllConnections();
        });
        server.close(() => {
          deadline.cancel();
          resolve();
        });
        // Half of the time for clients to go, the other half for what they still run.
        void connections.goAway(deadlineMs / 2);
        quotas.close();
        server.closeIdleConnections();
      }),
  };
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
