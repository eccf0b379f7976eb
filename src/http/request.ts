import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { OperationParams } from './operations.js';
import { bodyParams, queryParams } from './params.js';
import { pathOf, targetOf } from './target.js';

/** What a request for a stream asks for; null where it is no JSON: then the usual answer says so. */
export function paramsOf(request: IncomingMessage, body: string | undefined): OperationParams | null {
  try {
    if (body !== undefined) return bodyParams(body);
    return queryParams(new URL(targetOf(request), 'http://localhost').searchParams);
  } catch {
    return null;
  }
}

/** What is told of a request in the log. */
export interface Facts {
  requestId: string;
  account: string | undefined;
}

/** The client's own id where it is harmless, so that its logs and ours can be joined. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
}

export function headerLines({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}

export function logWhenDone(
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
