import SchemaBuilder from '@pothos/core';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure } from '@pothos/plugin-scope-auth';
import type { Scope } from '../src/account.js';
import { apiError } from './api-error.js';
import type { Context } from './context.js';
import { checkNodeIds, MAX_NODE_IDS, nodeType } from './node.js';

/** The first scope that was asked for and is not there. */
function missingScope(failure: AuthFailure): string {
  if ('parameter' in failure) return String(failure.parameter);
  const first = 'failures' in failure ? failure.failures[0] : undefined;
  return first ? missingScope(first) : 'unknown';
}

interface Scalar<T> {
  Input: T;
  Output: T;
}

export interface GraphTypes {
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  AuthScopes: { scope: Scope };
  Scalars: {
    ID: Scalar<string>;
    Cursor: Scalar<string>;
    /** Milliseconds since 1970 on our side. */
    DateTime: Scalar<number>;
    JSON: Scalar<unknown>;
    URL: Scalar<string>;
  };
}

/**
 * The builder that the files of this folder register their types on. Ids are the plain public ones, the same in
 * webhook bodies and routes: Relay's type names in base64 are turned off.
 */
export const builder = new SchemaBuilder<GraphTypes>({
  plugins: [ScopeAuthPlugin, RelayPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: (context) => ({ scope: (scope) => context.viewer.scopes.includes(scope) }),
    unauthorizedError: (_parent, _context, info, result) => {
      const missing = missingScope(result.failure);
      return apiError(
        'FORBIDDEN',
        `${info.parentType.name}.${info.fieldName} needs the scope ${missing}, which this API key does not have; use a key that has it`,
        { scope: missing },
      );
    },
  },
  relay: {
    encodeGlobalID: (_typename, id) => String(id),
    decodeGlobalID: (id) => ({ typename: nodeType(id), id }),
    idFieldOptions: { description: 'The public id: the same string in every API, webhook body and route.' },
    nodeTypeOptions: { description: 'Anything that can be fetched again by its id.' },
    nodeQueryOptions: {
      description: 'The thing with this id; null where it does not exist or belongs to another account.',
      authScopes: { scope: 'READ' },
      args: { id: { description: 'Any public id of a type that implements Node.' } },
    },
    nodesQueryOptions: {
      description:
        'The things with these ids, in the same order; null in place of each that does not exist or belongs to another account.',
      authScopes: { scope: 'READ' },
      args: { ids: { description: `Public ids, at most ${MAX_NODE_IDS}.` } },
      resolve: (_root, { ids }, _context, _info, load) => {
        checkNodeIds(ids.length);
        return load(ids);
      },
    },
    pageInfoTypeOptions: { description: 'Where a page stands in its list (Relay).' },
    hasNextPageFieldOptions: { description: 'Whether more follows: go on with `after: endCursor`.' },
    hasPreviousPageFieldOptions: {
      description: 'Whether more comes before: go back with `before: startCursor`.',
    },
    startCursorFieldOptions: { description: 'Cursor of the first edge; null on an empty page.' },
    endCursorFieldOptions: {
      description: 'Where to go on: cursor of the last edge, or, of events, of the place looked at last.',
    },
    cursorFieldOptions: { description: 'The place of this edge, for `after` and `before`; opaque.' },
    nodeFieldOptions: { description: 'The thing itself.', nullable: false },
    edgesFieldOptions: {
      description: 'The page, in order, with cursors.',
      nullable: { list: false, items: false },
    },
    nodesOnConnection: { description: 'The page, in order: a shortcut for `edges { node }`.' },
    pageInfoFieldOptions: { description: 'Where this page stands in the list.' },
    firstArgOptions: { description: 'Take this many from the start: 0 to 100, 50 where neither is given.' },
    afterArgOptions: { description: 'Only what follows this cursor.' },
    lastArgOptions: { description: 'Take this many from the end: 0 to 100; not together with `first`.' },
    beforeArgOptions: { description: 'Only what comes before this cursor.' },
  },
});

builder.queryType({ description: 'Reading. Every field needs the scope READ.' });
builder.mutationType({
  description:
    'Changing. Every field takes one `input`; expected failures come back as `userErrors`, and then nothing was changed.',
});
builder.subscriptionType({
  description:
    'Following live, over WebSocket (graphql-transport-ws) or server-sent events. Every field needs the scope READ.',
});
