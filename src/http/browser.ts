import type { IncomingHttpHeaders } from 'node:http';
import { shown } from '../errors.js';
import type { Refusal } from './refusal.js';

/**
 * A browser on this machine runs the code of any page its owner looks at. What such a page could do here without
 * being asked is refused: to write, to follow streams, and, on a server without keys, to come in under a foreign name
 * (DNS rebinding) or through a proxy that lets the world in.
 */
export interface BrowserPolicy {
  /** Origins of web applications that may call, such as "https://app.example.com". */
  allowedOrigins: readonly string[];
}

export interface Caller {
  method: string;
  headers: IncomingHttpHeaders;
  upgrade: boolean;
}

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** Why a request is refused, or null. */
export function browserRefusal(caller: Caller, policy: BrowserPolicy, keyless: boolean): Refusal | null {
  const { headers } = caller;
  if (keyless) {
    const host = headers.host ?? '';
    if (!LOOPBACK_HOST.test(host)) {
      return forbidden(
        `without API keys only this machine is served: the Host header must be localhost, 127.0.0.1 or [::1], got ${shown(host)}; make a key with "carillon key create" to serve others`,
      );
    }
    const forwarded = Object.keys(headers).find(
      (name) => name === 'forwarded' || name.startsWith('x-forwarded-'),
    );
    if (forwarded !== undefined) {
      return forbidden(
        `without API keys requests through a proxy are refused: the header ${forwarded} must not be there; make a key with "carillon key create" to serve through a proxy`,
      );
    }
  }
  const { origin } = headers;
  if (origin === undefined || !needsOwnOrigin(caller)) return null;
  if (policy.allowedOrigins.includes(origin) || isSameOrigin(origin, headers.host)) return null;
  return forbidden(
    `requests from pages of ${shown(origin)} are refused: add the origin to CARILLON_ALLOWED_ORIGINS to let it in`,
  );
}

/** Reads by GET are left alone: without CORS headers a foreign page does not see the answer. Streams run on unseen. */
function needsOwnOrigin({ method, headers, upgrade }: Caller): boolean {
  const streams = wantsStream(headers.accept);
  return upgrade || streams || (method !== 'GET' && method !== 'HEAD');
}

/** Host has no scheme: behind a proxy that ends TLS an https page reaches us by http, and is still our own. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const from = new URL(origin);
  const here = `${from.protocol}//${host}`;
  return URL.canParse(here) && new URL(here).host === from.host;
}

/** Whether server-sent events are asked for by name. A browser's any-type is not that. */
export function wantsStream(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes('text/event-stream') ?? false;
}

/** What Yoga is told of Accept: streams are not its business, whatever the client would take besides. */
export function acceptFor(accept: string | undefined): string {
  const named = (accept ?? '')
    .split(',')
    .filter((one) => one.trim() !== '' && !/^\s*(\*\/|text\/|multipart\/)/i.test(one));
  return [...named, 'application/json'].join(', ');
}

function forbidden(message: string): Refusal {
  return { status: 403, code: 'FORBIDDEN', message };
}
