import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  type ParseOptions,
  parse,
  type Source,
  type ValidationRule,
  validate,
} from 'graphql';
import { brief } from './brief.js';
import { exceeded, limits, requestError } from './limits.js';
import { checkShape } from './shape.js';
import { tokenProblem } from './tokens.js';

/** Mistakes that are told at once; graphql-js adds that there were more. */
export const MAX_MISTAKES = 4;

/** graphql-js's `parse`, guarded against documents that would cost out of proportion. */
export function parseDocument(source: string | Source, options?: ParseOptions): DocumentNode {
  const tooMuch = tokenProblem(typeof source === 'string' ? source : source.body);
  if (tooMuch) throw tooMuch;
  try {
    return parse(source, { ...options, noLocation: false });
  } catch (error) {
    if (error instanceof GraphQLError) {
      Object.assign(error.extensions, { code: 'GRAPHQL_PARSE_FAILED', http: { spec: true, status: 400 } });
      throw brief(error);
    }
    if (error instanceof RangeError) throw exceeded(limits.nesting, 'more');
    throw error;
  }
}

export interface Openness {
  /** Whether clients may read the schema, and are helped with its names ("Did you mean"). */
  introspection: boolean;
}

/**
 * graphql-js's `validate` behind the bounds of this server: one error where one is exceeded, a few small ones for
 * ordinary mistakes. Should a document end the stack after all, that is its own fault.
 */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  rules?: readonly ValidationRule[],
  { introspection }: Openness = { introspection: true },
): readonly GraphQLError[] {
  try {
    const { introspects } = checkShape(document);
    if (introspects && !introspection) {
      const told =
        'the schema of this server cannot be read by __schema and __type: ask its operator for a copy';
      return [requestError('INTROSPECTION_DISABLED', told)];
    }
    const options = { maxErrors: MAX_MISTAKES, hideSuggestions: !introspection };
    return validate(schema, document, rules, options).map(brief);
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    if (error instanceof RangeError) return [exceeded(limits.nesting, 'more')];
    throw error;
  }
}
