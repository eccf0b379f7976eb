import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { Log } from '../log.js';
import { type Refusal, refusalBody } from './refusal.js';

/** Where GraphQL is served, over every transport: not by Hono, since streams and sockets need the raw request. */
export const GRAPHQL_PATH = '/graphql';
export const GRAPHQL_METHODS: readonly string[] = ['GET', 'POST', 'OPTIONS'];

export interface RouteOptions {
  /** Why the server is not ready; empty: it is. */
  ready(): Promise<string[]>;
  /** What an operator should mend though the server is ready. */
  warnings?: (() => Promise<string[]>) | undefined;
  log: Log;
}

/** Everything beside GraphQL. */
export function createRoutes({ ready, warnings, log }: RouteOptions): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    const reasons = await ready();
    if (reasons.length > 0) return c.json({ status: 'not ready', reasons }, 503);
    const warned = (await warnings?.()) ?? [];
    return c.json({ status: 'ready', ...(warned.length > 0 && { warnings: warned }) });
  });
  app.notFound((c) => refuse(404, 'NOT_FOUND', `there is no ${c.req.method} ${c.req.path.slice(0, 200)}`));
  app.onError((error, c) => {
    const requestId = c.env.outgoing.getHeader('x-request-id');
    log.error({ err: error, requestId }, 'unexpected error');
    return refuse(500, 'INTERNAL', 'Unexpected error.', { requestId });
  });
  return app;
}

/** All that is served, as "GET /healthz", GraphQL included: whoever has to know every door asks here. */
export function routeNames({ routes }: ReturnType<typeof createRoutes>): string[] {
  const graphql = GRAPHQL_METHODS.map((method) => `${method} ${GRAPHQL_PATH}`);
  return [...new Set([...graphql, ...routes.map(({ method, path }) => `${method} ${path}`)])];
}

export type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function routeListener(app: Hono<{ Bindings: HttpBindings }>): Listener {
  return getRequestListener((request, env) => app.fetch(request, env as HttpBindings), {
    overrideGlobalObjects: false,
  });
}

function refuse(status: number, code: Refusal['code'], message: string, extensions?: object): Response {
  return new Response(refusalBody({ status, code, message }, extensions), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
}
