import type { IncomingMessage } from 'node:http';

/**
 * Lets pages of allowed origins read an answer, and send what they have asked for beforehand (a preflight). On every
 * answer, refusals too: a page that may call must be able to read why it could not. Cookies are of no use here, so
 * credentials are not allowed: a key is a header that the page sets itself.
 */
export function corsHeaders(
  { method, headers }: IncomingMessage,
  allowedOrigins: readonly string[],
  methods = 'GET, POST',
): Record<string, string> {
  if (allowedOrigins.length === 0) return {};
  const { origin } = headers;
  // Also where there is no origin: a cache must not give that answer to a page.
  if (origin === undefined || !allowedOrigins.includes(origin)) return { vary: 'Origin' };
  const readable = {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'x-request-id, retry-after',
  };
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return readable;
  return {
    ...readable,
    'access-control-allow-methods': methods,
    'access-control-allow-headers': 'authorization, content-type, last-event-id, x-request-id',
    'access-control-max-age': '600',
  };
}
