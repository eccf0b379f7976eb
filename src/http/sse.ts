import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionArgs } from 'graphql';
import type { Clock } from '../clock.js';
import { isSource } from '../engine/source.js';
import type { Viewer } from '../viewer.js';
import type { Auth } from './auth.js';
import type { Follower } from './group.js';
import type { Hub } from './hub.js';
import type { LiveConnections } from './live-connections.js';
import type { OperationParams, Operations } from './operations.js';
import { type Backlog, Outlet } from './outlet.js';
import type { HttpQuotas } from './quota.js';
import { sendRefusal } from './refusal.js';

export interface SseOptions {
  operations: Operations;
  hub: Hub;
  connections: LiveConnections;
  backlog: Backlog;
  auth: Auth;
  quotas: HttpQuotas;
  clock: Clock;
}

export interface SseRequest {
  request: IncomingMessage;
  response: ServerResponse;
  params: OperationParams;
  /** Characters of what the parameters were read from. */
  length: number;
  viewer: Viewer;
  requestId: string;
}

/** Whether an Accept header names a media type that plain answers are written in. */
const takesJson = (accept = '') => /application\/(graphql-response\+json|graphql\+json|json)/i.test(accept);

/**
 * Server-sent events, as graphql-sse speaks them ("distinct connections"): each result is an event `next`, and `complete`
 * ends the stream. Events that can be resumed from carry their cursor as `id`. False: the answer is not a stream.
 */
export async function serveStream(options: SseOptions, asked: SseRequest): Promise<boolean> {
  const { operations, quotas } = options;
  const { request, response, params, length, viewer, requestId } = asked;
  const lastEventId = request.headers['last-event-id'];
  const prepared = await operations.prepare(params, {
    requestId,
    viewer,
    length,
    ...(typeof lastEventId === 'string' && lastEventId !== '' && { lastEventId }),
  });
  const subscribes = !Array.isArray(prepared) && prepared.kind === 'subscription';
  // A client that also takes JSON asks for a stream only where there is something to stream.
  if (!subscribes && takesJson(request.headers.accept)) return false;
  if (Array.isArray(prepared)) {
    writeHead(response);
    finish(response, { errors: prepared });
    return true;
  }
  if (prepared.kind === 'mutation' && request.method === 'GET') {
    sendRefusal(response, {
      status: 405,
      code: 'BAD_USER_INPUT',
      message: 'a mutation must be sent by POST, got GET',
      headers: { allow: 'POST' },
    });
    return true;
  }
  if (subscribes) {
    if (response.destroyed) return true;
    const opened = quotas.openSocket(viewer);
    if (typeof opened === 'object') {
      sendRefusal(response, opened);
      return true;
    }
    response.once('close', opened);
    writeHead(response);
    if (await turnOf(request, response)) await follow(options, asked, prepared.args);
    else opened();
    return true;
  }
  writeHead(response);
  finish(response, await operations.execute(prepared.args));
  return true;
}

/**
 * Resolves when every request before it on its socket has been answered; false: the socket is closed. What was written
 * earlier would pile up in the response, unseen by its outlet, and nobody would say that its client has left.
 */
function turnOf({ socket }: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (response.socket || socket.destroyed) return Promise.resolve(!socket.destroyed);
  // Of those that wait each listens.
  socket.setMaxListeners(0);
  return new Promise((resolve) => {
    const settle = () => {
      response.off('socket', settle);
      socket.off('close', settle);
      resolve(!socket.destroyed);
    };
    response.once('socket', settle);
    socket.once('close', settle);
  });
}

async function follow(
  { operations, hub, connections, backlog, auth, clock }: SseOptions,
  { request, response, viewer }: SseRequest,
  args: ExecutionArgs,
): Promise<void> {
  const source = await operations.source(args);
  if (!isSource(source)) return finish(response, { errors: source });
  // The body took its time, or the answers before this one: the key may have ended since.
  if (!(await auth.viewerOf(request.headers.authorization))) return finish(response, { errors: [KEY_ENDED] });
  const { socket } = request;
  if (socket.destroyed) return;
  const outlet = new Outlet(socket, backlog, clock.now());
  const connection = connections.add({
    outlet,
    close(code, reason) {
      if (code === 4403) finish(response, { errors: [{ message: reason, extensions: UNAUTHENTICATED }] });
      // Without `complete` its client comes back and resumes. One that does not read would not see the end either.
      else if (code === 1013) response.destroy();
      // Kept alive for another request, the socket would hold up the server that goes.
      else response.end(() => socket.destroySoon());
    },
    terminate: () => response.destroy(),
    ping() {
      // Written behind its end, it would be an error that nobody listens to.
      if (!response.writableEnded) response.write(':\n\n');
      connection.answered();
    },
  });
  connection.admit(request.headers.authorization, viewer);
  let follower: Follower | null = null;
  response.once('close', () => {
    follower?.leave();
    outlet.close();
    connection.closed(response.writableFinished ? 1000 : 1006);
  });
  follower = hub.follow(source, args, {
    // A client that has closed its half gets what is on its way: Node keeps later writes in memory.
    ready: () => socket.writable && !response.writableEnded && outlet.takesMore(),
    whenReady: (callback) => outlet.whenDrained(callback),
    send(rendered) {
      const cursor = rendered.cursor();
      const id = cursor === null ? '' : `id: ${cursor}\n`;
      response.write(`${id}event: next\ndata: ${rendered.text}\n\n`);
    },
    together: (run) => outlet.together(run),
    end: (error) => finish(response, error && { errors: [error] }),
  });
}

const UNAUTHENTICATED = { code: 'UNAUTHENTICATED' };
const KEY_ENDED = {
  message: 'the API key of this stream is not valid any more',
  extensions: UNAUTHENTICATED,
};

function writeHead(response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    // nginx would gather events before it passes them on.
    'x-accel-buffering': 'no',
  });
  // The headers alone do not leave yet: clients learn that the stream is open.
  response.write(':\n\n');
}

/** The last result, if there is one, and the end. */
function finish(response: ServerResponse, result: object | null): void {
  if (response.writableEnded) return;
  const last = result && `event: next\ndata: ${JSON.stringify(result)}\n\n`;
  response.end(`${last ?? ''}event: complete\ndata:\n\n`);
}
