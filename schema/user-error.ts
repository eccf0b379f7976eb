import type { FieldRef } from '@pothos/core';
import { type Problem, ProblemError, type UserErrorCode } from '../src/errors.js';
import { builder } from './builder.js';
import { described } from './enum.js';

const UserErrorCodeEnum = builder.enumType('UserErrorCode', {
  description: 'Kinds of expected failures.',
  values: described<UserErrorCode>({
    INVALID: 'A field breaks a rule; the message names the field, the bound and the value.',
    NOT_FOUND: 'What an id or a name stands for does not exist, or belongs to another account.',
    CONFLICT: 'Something of that name or kind is there already.',
    IDEMPOTENCY_CONFLICT: 'The idempotency key was used before with another input.',
    LIMIT_REACHED: 'A limit of the account or the server is used up.',
    FORBIDDEN_DESTINATION: 'The address policy does not let requests go to this URL.',
    NOT_ALLOWED_IN_STATE: 'The thing is in a state in which this cannot be done.',
    NOT_SUPPORTED: 'Understood, but not done by this server.',
    LEASE_LOST: 'The lease has ended or is held by another worker.',
  }),
});

const UserErrorRef = builder.objectRef<Problem>('UserError').implement({
  description: 'An expected failure of a mutation: what is wrong, and where.',
  fields: (t) => ({
    code: t.expose('code', { type: UserErrorCodeEnum, description: 'What kind of failure it is.' }),
    message: t.exposeString('message', {
      description: 'One or more sentences for a person: the field, the bound, the value, and what to do.',
    }),
    path: t.exposeStringList('path', {
      description:
        'The field, as a path from the arguments: ["input", "nodes", "0", "nodeName"]; ["input"] for the whole.',
    }),
  }),
});

/** What a mutation answers: its things where it went well, else none of them and what was wrong. */
export type Payload<T> = Partial<T> & { userErrors: Problem[] };

/** Declares a payload type: the fields given, and `userErrors`. */
export function payloadType<T>(name: string, description: string, fields: PayloadFields<T>) {
  return builder.objectRef<Payload<T>>(name).implement({
    description,
    fields: (t) => ({
      ...fields(t),
      userErrors: t.field({
        type: [UserErrorRef],
        description: 'What was wrong; empty where all went well.',
        resolve: (payload) => payload.userErrors,
      }),
    }),
  });
}

type Types = (typeof builder)['$inferSchemaTypes'];
type PayloadFields<T> = (
  t: PothosSchemaTypes.ObjectFieldBuilder<Types, Payload<T>>,
) => Record<string, FieldRef<Types, unknown, 'Object'>>;

/**
 * Runs a mutation: an expected failure becomes userErrors, anything else stays thrown. The engine's paths start at
 * the root of the input; where it was given something else, `place` finds the input's field.
 */
export async function attempt<T extends object>(
  run: () => Promise<T>,
  place: (path: string[]) => string[] = (path) => path,
): Promise<Payload<T>> {
  try {
    return { ...(await run()), userErrors: [] };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const userErrors = error.problems.map((one) => ({ ...one, path: ['input', ...place(one.path)] }));
    return { userErrors } as Payload<T>;
  }
}
