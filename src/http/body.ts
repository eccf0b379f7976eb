import type { IncomingMessage } from 'node:http';
import { shown } from '../errors.js';
import type { Refusal } from './refusal.js';

/** Why the announced body is refused, or null: before a byte of it is read. */
export function lengthRefusal(request: IncomingMessage, maxBytes: number): Refusal | null {
  const length = Number(request.headers['content-length'] ?? 0);
  return length > maxBytes ? tooLarge(maxBytes, `${length} bytes`) : null;
}

/**
 * The body as text, or why it is refused. A body that is too large is read to its end and dropped: a client that
 * is cut off while it still writes would see a broken connection in place of the answer.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | Refusal> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (bytes > maxBytes) return tooLarge(maxBytes, `${bytes} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(maxBytes: number, got: string): Refusal {
  return {
    status: 413,
    code: 'LIMIT_REACHED',
    message: `the request body must be at most ${maxBytes} bytes, got ${got}: send less, or ask the operator for a higher limit`,
  };
}

const GRAPHQL_TYPES = ['application/json', 'application/graphql+json'];

/** Only JSON: a browser sends it to a foreign server after asking only, and nothing else is a request of ours. */
export function typeRefusal(request: IncomingMessage, types = GRAPHQL_TYPES): Refusal | null {
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (coding.trim().toLowerCase() !== 'identity') {
    return {
      status: 415,
      code: 'BAD_USER_INPUT',
      message: `the body must not be compressed: the Content-Encoding must be identity or absent, got ${shown(coding)}`,
      headers: { 'accept-encoding': 'identity' },
    };
  }
  const given = request.headers['content-type'] ?? '';
  const [type = '', ...parameters] = given.toLowerCase().split(';');
  const json = types.includes(type.trim());
  const charset = parameters
    .map((one) => /^\s*charset="?([^"]*)"?\s*$/.exec(one)?.[1])
    .find((one) => one !== undefined);
  if (json && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return null;
  return {
    status: 415,
    code: 'BAD_USER_INPUT',
    message: `the Content-Type must be application/json in UTF-8, got ${given === '' ? 'none' : `"${given.slice(0, 80)}"`}`,
    headers: { 'accept-post': types.join(', ') },
  };
}
