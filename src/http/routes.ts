import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Metrics } from './metrics.js';
import { type Refusal, refusalBody, refusalHeaders } from './refusal.js';
import { targetOf } from './target.js';

/** Where GraphQL is served, over every transport: not by Hono, since streams and sockets need the raw request. */
export const GRAPHQL_PATH = '/graphql';
export const GRAPHQL_METHODS: readonly string[] = ['GET', 'POST', 'OPTIONS'];

export interface RouteOptions {
  /** Why the server is not ready; empty: it is. */
  ready(): Promise<string[]>;
  /** What an operator should mend though the server is ready. */
  warnings?: (() => Promise<string[]>) | undefined;
  metrics: Metrics;
  /** Why whoever sends these credentials may not read the metrics; null: he may. */
  metricsRefusal(authorization: string | undefined): Promise<Refusal | null>;
  log: Log;
}

/** Everything beside GraphQL. */
export function createRoutes({
  ready,
  warnings,
  metrics,
  metricsRefusal,
  log,
}: RouteOptions): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const reasons = await ready();
    if (reasons.length > 0) {
      return c.json({ status: 'not ready', reasons }, 503, { 'retry-after': '1' });
    }
    const warned = (await warnings?.()) ?? [];
    return c.json({ status: 'ready', ...(warned.length > 0 && { warnings: warned }) });
  });
  app.get('/metrics', async (c) => {
    const refusal = await metricsRefusal(c.req.header('authorization'));
    return refusal
      ? refuse(refusal)
      : c.body(await metrics.text(), 200, { 'content-type': metrics.contentType });
  });
  app.notFound((c) => otherwise(app, c.req.method, c.req.path));
  app.onError((error, c) => {
    const requestId = c.env.outgoing.getHeader('x-request-id');
    log.error({ err: error, requestId }, 'unexpected error');
    return refuse({ status: 500, code: 'INTERNAL', message: 'Unexpected error.' }, { requestId });
  });
  return app;
}

/** All that is served, as "GET /healthz", GraphQL included: whoever has to know every door asks here. */
export function routeNames({ routes }: ReturnType<typeof createRoutes>): string[] {
  const graphql = GRAPHQL_METHODS.map((method) => `${method} ${GRAPHQL_PATH}`);
  return [...new Set([...graphql, ...routes.map(({ method, path }) => `${method} ${path}`)])];
}

/** What is told where no route took the request: a path that others have is 405, with what it can do. */
function otherwise(app: Hono<{ Bindings: HttpBindings }>, method: string, path: string): Response {
  const known = app.routes.filter((route) => route.path === path).map((route) => route.method);
  const allow = [...new Set(known.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))), 'OPTIONS'];
  if (known.length === 0) {
    return refuse({
      status: 404,
      code: 'NOT_FOUND',
      message: `there is no ${method} ${path.slice(0, 200)}`,
    });
  }
  const headers = { allow: allow.join(', ') };
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers });
  return refuse({
    status: 405,
    code: 'BAD_USER_INPUT',
    message: `the method must be one of ${headers.allow}, got ${method}`,
    headers,
  });
}

export type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function routeListener(app: Hono<{ Bindings: HttpBindings }>): Listener {
  const listener = getRequestListener((request, env) => app.fetch(request, env as HttpBindings), {
    overrideGlobalObjects: false,
    errorHandler: (error) =>
      refuse({ status: 400, code: 'BAD_USER_INPUT', message: `the target is no URL: ${messageOf(error)}` }),
  });
  return async (request, response) => {
    // Both have been judged by now. No route asks for the host, and there are good ones that Hono does not take.
    request.headers.host = 'localhost';
    request.url = targetOf(request);
    await listener(request, response);
  };
}

function refuse(refusal: Refusal, extensions?: object): Response {
  const body = refusalBody(refusal, extensions);
  return new Response(body, { status: refusal.status, headers: refusalHeaders(refusal, body) });
}
