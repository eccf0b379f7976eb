import type { ExecutionResult } from 'graphql';
import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { publicCode, publicError } from '../../schema/api-error.js';
import type { Context } from '../../schema/context.js';
import type { Log } from '../log.js';
import { brief } from './brief.js';

const UNEXPECTED = 'Unexpected error.';
/** In place of Yoga's words, which do not say what to do. */
export const UNKNOWN_OPERATION =
  'operationName must name an operation of the document: give it where there are several, and leave it out where there is one';
/** One wrong cursor below a list fails once for each of its objects: the first of these say all. */
const MAX_ERRORS = 20;

/** What the caller may see of whatever was thrown. Bugs are logged whole and shown as a request id. */
export function maskError(thrown: unknown, requestId: string | null, log: Log): GraphQLError {
  const known = publicError(thrown);
  const place: Place = thrown instanceof GraphQLError ? placeOf(thrown) : {};
  if (known) {
    const extensions = { ...known.extensions, code: publicCode(known.extensions['code']) };
    const message =
      known.extensions['code'] === 'OPERATION_RESOLUTION_FAILURE' ? UNKNOWN_OPERATION : known.message;
    return brief(new GraphQLError(message, { ...placeOf(known), ...place, extensions }));
  }
  const cause = thrown instanceof GraphQLError ? thrown.originalError : thrown;
  log.error({ err: cause, requestId, path: place.path }, 'unexpected error');
  return new GraphQLError(UNEXPECTED, {
    ...place,
    extensions: { code: 'INTERNAL', ...(requestId !== null && { requestId }) },
  });
}

type Place = Pick<GraphQLErrorOptions, 'nodes' | 'path' | 'source' | 'positions'>;

/** Where in the document; a syntax error has no node yet, but a place in the text. */
function placeOf({ nodes, path, source, positions }: GraphQLError): Place {
  return { ...(nodes ? { nodes } : { source, positions }), ...(path && { path }) };
}

/** Masking for the transports that write results themselves. */
export interface Masking {
  /** An error as its client may see it, without the hints meant for HTTP statuses. */
  shown(thrown: unknown, requestId: string): GraphQLError;
  masked(result: ExecutionResult, requestId: string): ExecutionResult;
}

export function createMasking(log: Log): Masking {
  const shown = (thrown: unknown, requestId: string): GraphQLError => {
    const error = maskError(thrown, requestId, log);
    delete error.extensions['http'];
    return error;
  };
  return {
    shown,
    masked: (result, requestId) =>
      result.errors
        ? { ...result, errors: result.errors.slice(0, MAX_ERRORS).map((error) => shown(error, requestId)) }
        : result,
  };
}

/** Masks what operations answer, the same for HTTP, server-sent events and WebSocket. */
export function useMasking(log: Log): Plugin {
  const masked = <R extends ExecutionResult>(result: R, requestId: string): R => {
    if (!result.errors) return result;
    const errors = result.errors.slice(0, MAX_ERRORS).map((error) => maskError(error, requestId, log));
    // Without `data` nothing was executed: the variables or the operation's name were wrong.
    if (!('data' in result)) {
      for (const { extensions } of errors) extensions['http'] ??= { spec: true, status: 400 };
    }
    return { ...result, errors };
  };
  return {
    onExecute({ context }) {
      const { requestId } = context as unknown as Context;
      return {
        onExecuteDone({ result, setResult }) {
          setResult(masked(result as ExecutionResult, requestId));
        },
      };
    },
    // What was thrown outside of an operation was masked without knowing the request.
    onResultProcess({ result, serverContext }) {
      if (!('errors' in result)) return;
      const { requestId } = serverContext as unknown as { requestId: string };
      for (const { extensions } of result.errors ?? []) {
        if (extensions?.['code'] === 'INTERNAL') extensions['requestId'] ??= requestId;
      }
    },
  };
}
