import { GraphQLError } from 'graphql';
import type { ApiErrorCode } from '../../schema/api-error.js';
import { MAX_PAGE } from '../../schema/connection.js';
import { MAX_NODE_IDS } from '../../schema/node.js';
import { MAX_OBJECTS } from '../../schema/reads.js';
import { MAX_NODES } from '../descriptor.js';

/** One bound of an operation. A refusal reads: "<subject> at most <maximum> <unit>, got <value>: <advice>". */
export interface Limit {
  /** Its name in docs/limits.md. */
  name: string;
  subject: string;
  maximum: number;
  unit: string;
  /** What a caller who reached it does instead. */
  advice: string;
  /** Why there is one, and why it is this. */
  reason: string;
}

/** The bounds that every operation is held to, on every transport, before any of it runs. docs/limits.md prints them. */
export const limits = {
  tokens: {
    name: 'tokens',
    subject: 'a document must have',
    maximum: 5_000,
    unit: 'tokens',
    advice: 'ask in several requests, and send data as variables',
    reason: 'Names, values, signs and comments; counted before anything is parsed.',
  },
  nameLength: {
    name: 'length of a name',
    subject: 'a name in a document must have',
    maximum: 200,
    unit: 'characters',
    advice: 'send data as variables',
    reason: 'Names come back in error messages.',
  },
  nesting: {
    name: 'nesting of brackets',
    subject: 'brackets in a document must be nested',
    maximum: 200,
    unit: 'levels deep',
    advice: 'send deep values as variables',
    reason: 'Parsing is recursive.',
  },
  depth: {
    name: 'depth of fields',
    subject: 'fields must be nested',
    maximum: 30,
    unit: 'levels deep, fragments counted in',
    advice: 'ask in several requests',
    reason: 'The deepest use that is known, introspection, has 15.',
  },
  rootFields: {
    name: 'root fields',
    subject: 'an operation must have',
    maximum: 20,
    unit: 'fields at its root, fragments counted in',
    advice: 'ask in several requests',
    reason: 'Each runs on its own, and mutations one after the other.',
  },
  repeats: {
    name: 'aliases and repeated fields',
    subject: 'a document must have',
    maximum: 100,
    unit: 'fields that their selection already has (by name, or by alias)',
    advice: 'ask for many things at once with nodes(ids:) or a filter, or in several requests',
    reason: 'An alias asks for the same field once more; comparing them is quadratic.',
  },
  fragments: {
    name: 'operations and fragments',
    subject: 'a document must have',
    maximum: 100,
    unit: 'operations and fragments, inline ones counted in',
    advice: 'send only the operation that is to run, with the fragments it uses',
    reason: 'Fragments are compared with each other.',
  },
  directives: {
    name: 'directives',
    subject: 'a document must have',
    maximum: 50,
    unit: 'directives',
    advice: 'leave out what is not wanted instead of skipping it',
    reason: 'Each is looked up and evaluated.',
  },
  cost: {
    name: 'cost',
    subject: 'an answer must hold',
    maximum: MAX_OBJECTS,
    unit: 'objects',
    advice: 'ask for smaller pages (first, last), or in several requests',
    reason: 'At some 10 µs an object this is half a second.',
  },
  pageSize: {
    name: 'page size',
    subject: 'first and last must be',
    maximum: MAX_PAGE,
    unit: 'objects',
    advice: 'go on with after: endCursor',
    reason: 'Refused with BAD_USER_INPUT.',
  },
  nodeIds: {
    name: 'ids of one `nodes`',
    subject: 'ids must hold',
    maximum: MAX_NODE_IDS,
    unit: 'ids',
    advice: 'ask in several queries',
    reason: 'As many as a page; refused with BAD_USER_INPUT.',
  },
  variables: {
    name: 'variables',
    subject: 'an operation must have',
    maximum: 100,
    unit: 'variables',
    advice: 'put what belongs together into one input object',
    reason: 'No operation of this schema needs more than a few.',
  },
  inputList: {
    name: 'items of a list in the variables',
    subject: 'a list in the variables must hold',
    maximum: MAX_NODES,
    unit: 'items',
    advice: 'send them in several requests',
    reason:
      'As many as a pipeline may have nodes. Lists of JSON are data: the size of the request bounds them.',
  },
  subscription: {
    name: 'text of a subscription',
    subject: 'the request of a subscription must have',
    maximum: 65_536,
    unit: 'characters, with all that is sent along',
    advice: 'leave out what it does not need, or follow in several subscriptions',
    reason: 'It is kept in memory as long as the subscription runs.',
  },
  socketOperations: {
    name: 'operations of one socket',
    subject: 'one socket must run',
    maximum: 100,
    unit: 'operations at once',
    advice: 'complete some, or open another socket',
    reason: 'More than any page needs; each may hold a subscription.',
  },
} satisfies Record<string, Limit>;

/** The one error of an operation that goes beyond a bound. */
export function exceeded({ subject, maximum, unit, advice }: Limit, got: number | string): GraphQLError {
  return requestError('LIMIT_REACHED', `${subject} at most ${maximum} ${unit}, got ${got}: ${advice}`);
}

/** An error of the request itself: nothing ran. Status 400, or 200 for clients that know GraphQL over HTTP no better. */
export function requestError(
  code: ApiErrorCode | 'GRAPHQL_VALIDATION_FAILED',
  message: string,
  extensions: Record<string, unknown> = {},
): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code, ...extensions, http: { spec: true, status: 400 } },
  });
}
