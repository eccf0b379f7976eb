import type { ServerResponse } from 'node:http';
import type { ApiErrorCode } from '../../schema/api-error.js';

/** A request that is turned away before GraphQL sees it. The body has the shape of a GraphQL answer. */
export interface Refusal {
  status: number;
  code: ApiErrorCode;
  /** The field, the bound, the value, and what to do. */
  message: string;
  headers?: Record<string, string>;
}

export function refusalBody({ code, message }: Refusal, extensions: object = {}): string {
  return JSON.stringify({ errors: [{ message, extensions: { code, ...extensions } }] });
}

export function refusalHeaders({ headers }: Refusal, body: string): Record<string, string> {
  return {
    ...safeHeaders,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
}

export function sendRefusal(response: ServerResponse, refusal: Refusal, extensions: object = {}): void {
  const body = refusalBody(refusal, extensions);
  response.writeHead(refusal.status, refusalHeaders(refusal, body)).end(body);
}

export const DRAINING: Refusal = {
  status: 503,
  code: 'UNAVAILABLE',
  message: 'the server is going down: try again',
  headers: { 'retry-after': '1', connection: 'close' },
};

/** On every answer: a browser takes it for what it says it is, and nothing else. */
export const safeHeaders = { 'x-content-type-options': 'nosniff' };
