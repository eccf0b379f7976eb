import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Dialect, Refused, type Reply, type Route } from '../dialect.js';
import { messageOf, ProblemError, UnavailableError } from '../errors.js';
import type { Viewer } from '../viewer.js';
import { type Auth, UNAUTHENTICATED } from './auth.js';
import { readBody, typeRefusal } from './body.js';
import { type Matched, matching } from './matching.js';
import type { HttpQuotas } from './quota.js';
import { DRAINING, type Refusal, refusalHeaders } from './refusal.js';
import type { Facts } from './request.js';
import { continues, pathOf, targetOf } from './target.js';

export interface MountOptions {
  auth: Auth;
  quotas: HttpQuotas;
  maxBodyBytes: number;
  draining(): boolean;
}

/** A dialect at its place: what is common to all of them is done here, and told in its own words. */
export interface Mounted {
  /** Answers a request for a path below its prefix, or says why it does not. */
  serve(request: IncomingMessage, response: ServerResponse, facts: Facts): Promise<Refusal | null>;
  refuse(response: ServerResponse, refusal: Refusal): void;
}

/** Mounts dialects; the function answers whose a path is. */
export function mount(dialects: readonly Dialect[], options: MountOptions): (path: string) => Mounted | null {
  const mounted = dialects.map((dialect) => ({ prefix: dialect.prefix, place: place(dialect, options) }));
  return (path) =>
    mounted.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))?.place ?? null;
}

/** Methods that pages of allowed origins may use. */
export const DIALECT_METHODS = 'GET, POST, PUT, DELETE';
/** A refusal whose message is the route's, not the server's. */
type Spoken = Refusal & { spoken?: true };

function place(dialect: Dialect, options: MountOptions): Mounted {
  const match = matching(dialect.routes);
  return {
    async serve(request, response, facts) {
      // The answer to a HEAD is that to a GET, and Node leaves out its body.
      const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
      const matched = match(method, pathOf(request).slice(dialect.prefix.length));
      if (!matched) return refusal(404, `there is no ${method} ${pathOf(request).slice(0, 200)}`);
      if (request.method === 'OPTIONS') {
        response.writeHead(204, { allow: matched.allow }).end();
        return null;
      }
      if (options.draining()) return DRAINING;
      const { route } = matched;
      if (!route) {
        const message = `the method must be one of ${matched.methods}, got ${method}`;
        return { ...refusal(405, message), headers: { allow: matched.methods } };
      }
      const admitted = await admit(request, route, facts, options);
      if ('status' in admitted) return admitted;
      const body = await bodyOf(request, response, route, options);
      if ('status' in body) return body;
      // A body may be on its way for minutes, in which its key was revoked, or the first one made.
      if (route.method !== 'GET' && !(await options.auth.viewerOf(request.headers.authorization)))
        return UNAUTHENTICATED;
      return answer(dialect, request, response, { matched, route, viewer: admitted.viewer, ...body });
    },

    refuse(response, told: Spoken) {
      const { status, message, spoken } = told;
      const body = JSON.stringify(
        dialect.refusal(status, spoken ? message : (dialect.words[status] ?? message)),
      );
      response.writeHead(status, refusalHeaders(told, body)).end(body);
    },
  };
}

/** Who asks, where he may, and has not asked too often. */
async function admit(
  { headers }: IncomingMessage,
  route: Route,
  facts: Facts,
  { auth, quotas }: MountOptions,
): Promise<{ viewer: Viewer } | Refusal> {
  const viewer = await auth.viewerOf(headers.authorization);
  if (!viewer) return UNAUTHENTICATED;
  facts.account = viewer.account.id;
  const tooMany = quotas.take(viewer);
  if (tooMany) return tooMany;
  if (viewer.scopes.includes(route.scope)) return { viewer };
  return refusal(
    403,
    `this route needs the scope ${route.scope}, which this API key does not have; use a key that has it`,
  );
}

/** The JSON of a request; `{}` where it has no body. */
async function bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  { maxBodyBytes }: MountOptions,
): Promise<{ json: unknown } | Refusal> {
  const { headers } = request;
  const sent = Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;
  if (route.method === 'GET' || route.method === 'DELETE' || !sent) return { json: {} };
  const wrongType = typeRefusal(request, ['application/json']);
  if (wrongType) return wrongType;
  if (continues(request)) response.writeContinue();
  const text = await readBody(request, maxBodyBytes);
  if (typeof text === 'object') return text;
  try {
    // Some clients put a byte order mark before it.
    return { json: text === '' ? {} : JSON.parse(text.replace(/^\uFEFF/, '')) };
  } catch (error) {
    return spoken(400, messageOf(error).slice(0, 200));
  }
}

interface Asked {
  matched: Matched;
  route: Route;
  viewer: Viewer;
  json: unknown;
}

async function answer(
  dialect: Dialect,
  request: IncomingMessage,
  response: ServerResponse,
  { matched, route, viewer, json }: Asked,
): Promise<Refusal | null> {
  let reply: Reply;
  try {
    reply = await route.run({
      viewer,
      accountId: viewer.account.id,
      params: matched.params,
      query: new URL(targetOf(request), 'http://localhost').searchParams,
      body: json,
    });
  } catch (error) {
    return known(dialect, error);
  }
  const headers = { 'content-type': 'application/json; charset=utf-8', ...reply.headers };
  if ('text' in reply) {
    response.writeHead(reply.status ?? 200, headers);
    if (request.method === 'HEAD') response.end();
    else await stream(reply.text, response);
    return null;
  }
  const body = 'empty' in reply ? '' : JSON.stringify(reply.json ?? null);
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  response.writeHead(reply.status ?? 200, { ...headers, ...length }).end(body);
  return null;
}

/** An expected failure as its caller may read it; what else was thrown is a bug, and goes on. */
function known(dialect: Dialect, error: unknown): Spoken {
  if (error instanceof Refused) return spoken(error.status, error.message);
  if (error instanceof UnavailableError)
    return { ...spoken(503, error.message), headers: { 'retry-after': '5' } };
  if (!(error instanceof ProblemError)) throw error;
  // Systems of the time before tell one thing that is wrong, the first.
  const [first] = error.problems;
  return spoken(dialect.statusOf(first!), first!.message);
}

/** As fast as the client reads. One that leaves is nobody's failure. */
async function stream(text: AsyncIterable<string>, response: ServerResponse): Promise<void> {
  try {
    await pipeline(Readable.from(text), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

function refusal(status: number, message: string): Refusal {
  const code = status === 404 ? 'NOT_FOUND' : status === 403 ? 'FORBIDDEN' : 'BAD_USER_INPUT';
  return { status, code, message };
}

function spoken(status: number, message: string): Spoken {
  return { ...refusal(status, message), spoken: true };
}
