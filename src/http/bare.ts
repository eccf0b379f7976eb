import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf, shown } from '../errors.js';
import { type Refusal, refusalBody, refusalHeaders } from './refusal.js';

/** Refuses on a socket that has no response object, and closes it. `now` is in ms. */
export function refuseBare(
  socket: Duplex,
  refusal: Refusal,
  { requestId, now }: { requestId: string; now: number },
): void {
  const body = refusalBody(refusal);
  const headers = {
    ...refusalHeaders(refusal, body),
    date: new Date(now).toUTCString(),
    'x-request-id': requestId,
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const status = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`;
  // Nobody watches this socket any more: a client that keeps its half open would keep ours.
  socket.end(`${[status, ...lines].join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** What is answered to bytes that Node could not read as a request, or had to wait for too long. */
export function unreadable(error: NodeJS.ErrnoException): Refusal {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, code: 'LIMIT_REACHED', message: 'the headers must be at most 16 KiB, got more' };
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return {
        status: 413,
        code: 'LIMIT_REACHED',
        message: 'the chunk extensions must be at most 16 KiB, got more',
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        code: 'LIMIT_REACHED',
        message: 'the request must arrive within 5 minutes, its headers within one: send it again',
      };
    default:
      return { status: 400, code: 'BAD_USER_INPUT', message: `this is no HTTP/1.1: ${messageOf(error)}` };
  }
}

/** CONNECT asks for a tunnel, which is not ours to give. */
export function tunnelRefusal(target: string | undefined): Refusal {
  return {
    status: 405,
    code: 'BAD_USER_INPUT',
    message: `this server is no proxy: CONNECT ${shown(target ?? '')} is refused`,
    headers: { allow: 'GET, HEAD, POST, OPTIONS' },
  };
}
