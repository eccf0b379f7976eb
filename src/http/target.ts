import type { IncomingMessage } from 'node:http';
import { shown } from '../errors.js';
import type { Refusal } from './refusal.js';

const HOST = /^([\w.~!$&'()*+;=%-]*|\[[\da-f:.]+\])(:\d{0,5})?$/i;

/** Why a request is refused whose head leaves in doubt for whom or for what it is (RFC 9112, 3.2), or null. */
export function headRefusal(request: IncomingMessage): Refusal | null {
  const { url = '', method, httpVersion, headersDistinct } = request;
  const hosts = headersDistinct['host'] ?? [];
  if (hosts.length > 1 || (hosts.length === 0 && httpVersion === '1.1')) {
    return badRequest(`a request must have one Host header, got ${hosts.length || 'none'}`);
  }
  const [host = ''] = hosts;
  if (!HOST.test(host)) return badRequest(`the Host header must be a name and a port, got ${shown(host)}`);
  const readable = url.startsWith('/') || (url === '*' && method === 'OPTIONS') || absolute(url) !== null;
  if (!readable) return badRequest(`the target of a request must be a path, got ${shown(url)}`);
  // Browsers send none; of the others only this one is known, and it is Node's to answer.
  const expect = httpVersion === '1.1' ? request.headers.expect : undefined;
  if (expect !== undefined && !continues(request)) {
    return {
      status: 417,
      code: 'BAD_USER_INPUT',
      message: `the header Expect must be 100-continue or absent, got ${shown(expect)}`,
    };
  }
  return null;
}

/** Whether the client sends its body only after it has been told to. */
export function continues({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue';
}

/** Host and port that the client means: a target in absolute form outweighs the Host header (RFC 9112, 3.2.2). */
export function hostOf({ url = '', headers }: IncomingMessage): string {
  return absolute(url)?.host ?? headers.host ?? '';
}

/** Path and query. */
export function targetOf({ url = '/' }: IncomingMessage): string {
  const whole = absolute(url);
  return whole ? `${whole.pathname}${whole.search}` : url;
}

/** Without the query: documents, variables and whatever else a client puts there stay out of the log. */
export function pathOf(request: IncomingMessage): string {
  const target = targetOf(request);
  // What is refused for its target may have a password in it.
  return /^[/*]/.test(target) ? target.split('?', 1)[0]! : 'none';
}

function absolute(url: string): URL | null {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return null;
  const whole = new URL(url);
  // What stands before an @ only makes an address look like another one (RFC 9110, 4.2.4).
  return whole.username === '' && whole.password === '' ? whole : null;
}

function badRequest(message: string): Refusal {
  return { status: 400, code: 'BAD_USER_INPUT', message };
}
