/**
 * Expected failures. A use-case throws one; the GraphQL layer shows it as a `userError`, the HTTP layer as a
 * status. Everything else that is thrown is a bug: logged whole, masked for the caller.
 */
export const userErrorCodes = [
  'INVALID',
  'NOT_FOUND',
  'CONFLICT',
  'IDEMPOTENCY_CONFLICT',
  'LIMIT_REACHED',
  'FORBIDDEN_DESTINATION',
  'NOT_ALLOWED_IN_STATE',
  'NOT_SUPPORTED',
  'LEASE_LOST',
] as const;
export type UserErrorCode = (typeof userErrorCodes)[number];

/** One expected failure: what is wrong, and where. `path` names the field, from the root of the input. */
export interface Problem {
  code: UserErrorCode;
  message: string;
  path: string[];
}

export class ProblemError extends Error {
  readonly problems: Problem[];

  constructor(problems: Problem | Problem[]) {
    const list = Array.isArray(problems) ? problems : [problems];
    super(list.map((problem) => problem.message).join('; '));
    this.name = 'ProblemError';
    this.problems = list;
  }
}

export function problem(code: UserErrorCode, message: string, path: string[] = []): ProblemError {
  return new ProblemError({ code, message, path });
}

/**
 * The store cannot write now: its disk is full, or fails. Nothing of what was asked for was done, and the same may be
 * asked for again later; reading goes on. `reason` says why, in words for the caller; `cause` is for the log.
 */
export class UnavailableError extends Error {
  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`nothing was written: ${reason}; reading goes on, so try again later`, options);
    this.name = 'UnavailableError';
  }
}

/** What a job was to be submitted for has been done by another, or is not wanted any more: there is nothing to do. */
export class StaleCauseError extends Error {
  constructor() {
    super('what this job was to be submitted for is not owed any more');
    this.name = 'StaleCauseError';
  }
}

/** A value as an error message shows it: short, on one line, never a whole body. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = `a value of type ${typeof value}`;
  }
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The message of whatever was thrown: algorithms may throw anything at all. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name;
  if (typeof thrown === 'string') return thrown;
  return shown(thrown);
}
