import type { AttemptOutcome } from '../delivery.js';
import { BlockedDestinationError, ResolveError } from './connector.js';

/** Why an exchange ended without an answer, in words that tell nothing about the network behind this server. */
export interface Failure {
  outcome: AttemptOutcome;
  message: string;
}

// Node's and OpenSSL's names; EPROTO is a peer that does not speak TLS at all.
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO)/;

const CONNECTION_MESSAGES: Record<string, string> = {
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was reset.',
  EPIPE: 'The connection was closed before the request was sent.',
  EHOSTUNREACH: 'The host could not be reached.',
  ENETUNREACH: 'The network could not be reached.',
  UND_ERR_SOCKET: 'The connection was closed before an answer came.',
  UND_ERR_HEADERS_OVERFLOW: "The answer's headers are too large.",
  UND_ERR_INVALID_ARG: 'The request could not be made: a header is not valid.',
  UND_ERR_DESTROYED: 'The call was ended because the server is stopping.',
  UND_ERR_CLOSED: 'The call was ended because the server is stopping.',
};

export const BLOCKED: Failure = {
  outcome: 'BLOCKED_DESTINATION',
  message: 'The destination is not allowed: it is not a public address, or its port or name is forbidden.',
};

export function timedOut(timeoutMs: number): Failure {
  return { outcome: 'TIMEOUT', message: `The receiver did not answer within ${timeoutMs} ms.` };
}

export function notResolvedInTime(timeoutMs: number): Failure {
  return { outcome: 'DNS_ERROR', message: `The host name was not resolved within ${timeoutMs} ms.` };
}

/** The one outcome of whatever a connection or an exchange failed with. */
export function failureOf(error: unknown): Failure {
  if (error instanceof BlockedDestinationError) return BLOCKED;
  if (error instanceof ResolveError)
    return { outcome: 'DNS_ERROR', message: 'The host name could not be resolved.' };
  const code = codeOf(error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return { outcome: 'TIMEOUT', message: 'The connection could not be made in time.' };
  if (TLS_CODE.test(code))
    return {
      outcome: 'TLS_ERROR',
      message: 'No secure connection could be made: check the certificate of the receiver.',
    };
  if (code.startsWith('HPE_')) return { outcome: 'CONNECTION_ERROR', message: 'The answer is not HTTP.' };
  return { outcome: 'CONNECTION_ERROR', message: CONNECTION_MESSAGES[code] ?? 'The connection failed.' };
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
