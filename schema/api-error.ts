import { GraphQLError } from 'graphql';
import { ProblemError, UnavailableError, type UserErrorCode } from '../src/errors.js';
import { CursorError } from '../src/feed.js';

/** `extensions.code` of top-level errors. Expected failures of mutations are userErrors instead. */
export const apiErrorCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'LIMIT_REACHED',
  'INTROSPECTION_DISABLED',
  'TRUSTED_DOCUMENTS_ONLY',
  'PERSISTED_DOCUMENT_NOT_FOUND',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'CURSOR_INVALID',
  'CURSOR_EXPIRED',
  'SLOW_CONSUMER',
  'UNAVAILABLE',
  'INTERNAL',
] as const;
export type ApiErrorCode = (typeof apiErrorCodes)[number];

/** Of documents that could not be run; the rest of the world knows them by these names. */
const documentErrorCodes = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED'] as const;

/** The code as a client may see it: libraries have names of their own for requests that make no sense. */
export function publicCode(code: unknown): ApiErrorCode | (typeof documentErrorCodes)[number] {
  return [...apiErrorCodes, ...documentErrorCodes].find((known) => known === code) ?? 'BAD_USER_INPUT';
}

/** An error that its caller may read as it is. */
export function apiError(
  code: ApiErrorCode,
  message: string,
  extensions: Record<string, unknown> = {},
): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...extensions } });
}

/** Seconds after which whoever was told that nothing can be written may ask again. */
const RETRY_AFTER_S = 5;

/** A known failure as a top-level error; null for everything else, which is a bug and must be masked. */
export function publicError(thrown: unknown): GraphQLError | null {
  if (thrown instanceof GraphQLError) {
    const { originalError } = thrown;
    if (!originalError) return thrown;
    const known = publicError(originalError);
    // graphql-js puts the place in front: 'Variable "$input" got invalid value … at "input.nodes[0]"; …'
    return known && originalError instanceof GraphQLError ? thrown : known;
  }
  if (thrown instanceof CursorError) {
    return apiError(thrown.code, thrown.message, thrown.oldest === null ? {} : { oldest: thrown.oldest });
  }
  if (thrown instanceof UnavailableError) {
    return apiError('UNAVAILABLE', thrown.message, {
      http: { status: 503, headers: { 'retry-after': String(RETRY_AFTER_S) } },
    });
  }
  if (thrown instanceof ProblemError) {
    return apiError(codeOf(thrown.problems[0]?.code), thrown.message);
  }
  return null;
}

function codeOf(code: UserErrorCode | undefined): ApiErrorCode {
  return code === 'NOT_FOUND' || code === 'LIMIT_REACHED' ? code : 'BAD_USER_INPUT';
}
