import type { IncomingHttpHeaders } from 'node:http';
import { shown } from '../errors.js';
import type { Refusal } from './refusal.js';

/**
 * A browser on this machine runs the code of any page its owner looks at. Such a page may do nothing here unless its
 * origin is allowed: not write, follow or upgrade, nor have queries run that it cannot see. On a server without keys
 * it must not come in under a foreign name (DNS rebinding) either, nor the world through a proxy.
 */
export interface BrowserPolicy {
  /** Origins of web applications that may call, such as "https://app.example.com". */
  allowedOrigins: readonly string[];
}

export interface Caller {
  /** Host and port that the client means. */
  host: string;
  headers: IncomingHttpHeaders;
}

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;
/** What a proxy adds to tell of itself or of whom it serves. */
const PROXY_HEADER =
  /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

/** Why a request is refused, or null. */
export function browserRefusal(
  { host, headers }: Caller,
  { allowedOrigins }: BrowserPolicy,
  keyless: boolean,
): Refusal | null {
  if (keyless) {
    if (!LOOPBACK_HOST.test(host)) {
      return forbidden(
        `without API keys only this machine is served: the Host header must be localhost, 127.0.0.1 or [::1], got ${shown(host)}; make a key with "carillon key create" to serve others`,
      );
    }
    const forwarded = Object.keys(headers).find((name) => PROXY_HEADER.test(name));
    if (forwarded !== undefined) {
      return forbidden(
        `without API keys requests through a proxy are refused: the header ${forwarded} must not be there; make a key with "carillon key create" to serve through a proxy`,
      );
    }
    if (headers.origin === undefined && isEmbedded(headers)) {
      return forbidden('without API keys pages of other sites may link here, but not embed what is here');
    }
  }
  const { origin } = headers;
  if (origin === undefined || allowedOrigins.includes(origin) || isSameOrigin(origin, host)) return null;
  return forbidden(
    `requests from pages of ${shown(origin)} are refused: add the origin to CARILLON_ALLOWED_ORIGINS to let it in`,
  );
}

/**
 * Whether a page of elsewhere asks as for an image or a script: no Origin is sent then, the answer is not seen, and a
 * query would still run. A link that is followed ("navigate") is GraphiQL's, which runs nothing by itself.
 */
function isEmbedded(headers: IncomingHttpHeaders): boolean {
  const elsewhere = ['cross-site', 'same-site'].includes(String(headers['sec-fetch-site']));
  return elsewhere && headers['sec-fetch-mode'] !== 'navigate';
}

/** Host has no scheme: behind a proxy that ends TLS an https page reaches us by http, and is still our own. */
function isSameOrigin(origin: string, host: string): boolean {
  if (host === '' || !URL.canParse(origin)) return false;
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
