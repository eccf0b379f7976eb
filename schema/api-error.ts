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
  'CURSOR_INVALID',
  'CURSOR_EXPIRED',
  'SLOW_CONSUMER',
  'UNAVAILABLE',
  'INTERNAL',
] as const;
export type ApiErrorCode = (typeof apiErrorCodes)[number];

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
    return thrown.originalError ? publicError(thrown.originalError) : thrown;
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
