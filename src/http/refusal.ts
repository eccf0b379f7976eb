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

export function sendRefusal(response: ServerResponse, refusal: Refusal, extensions: object = {}): void {
  response.writeHead(refusal.status, {
    'content-type': 'application/json; charset=utf-8',
    ...refusal.headers,
  });
  response.end(refusalBody(refusal, extensions));
}
