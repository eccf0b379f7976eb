import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type FragmentDefinitionNode,
  type GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type OperationTypeNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { apiError } from '../../schema/api-error.js';
import { isSource, type Source } from '../engine/source.js';
import type { Graphql, RequestFacts } from './graphql.js';
import { exceeded, limits } from './limits.js';
import { type Masking, UNKNOWN_OPERATION } from './masking.js';
import { operationProblem } from './operation.js';

/** What a client sends to have an operation run. Transports check no more than that it is an object. */
export interface OperationParams {
  query?: unknown;
  documentId?: unknown;
  operationName?: unknown;
  variables?: unknown;
  extensions?: unknown;
}

/** An operation that may run. */
export interface Prepared {
  kind: OperationTypeNode;
  args: ExecutionArgs;
}

/** Running operations for the transports that stay open: WebSocket and server-sent events. */
export interface Operations {
  /** Parsed, validated and within the limits; or the errors that keep it from running, as the client may see them. */
  prepare(params: OperationParams, facts: RequestFacts): Promise<Prepared | GraphQLError[]>;
  /** Runs a query or a mutation. */
  execute(args: ExecutionArgs): Promise<ExecutionResult>;
  /** What a subscription follows, or why it cannot. */
  source(args: ExecutionArgs): Promise<Source<unknown> | GraphQLError[]>;
}

export function createOperations(graphql: Graphql, masking: Masking): Operations {
  return {
    async prepare(params, facts) {
      try {
        const { schema, parse, validate, contextFactory } = graphql.getEnveloped({
          ...facts,
          params,
        } as never);
        const { query, operationName, variables } = checked(graphql.textOf(params), params);
        const document = parse(query);
        const errors = validate(schema, document);
        if (errors.length > 0) return errors.map((error: unknown) => masking.shown(error, facts.requestId));
        const operation = getOperationAST(document, operationName);
        if (!operation) throw apiError('BAD_USER_INPUT', UNKNOWN_OPERATION);
        // Of other operations execution itself asks.
        const subscribes = operation.operation === 'subscription';
        if (subscribes && (facts.length ?? 0) > limits.subscription.maximum) {
          throw exceeded(limits.subscription, String(facts.length));
        }
        const problem = subscribes && operationProblem(schema, document, operationName, variables);
        if (problem) throw problem;
        if (subscribes && !selects(operation.selectionSet, document))
          throw apiError('BAD_USER_INPUT', NOTHING);
        const contextValue = await contextFactory();
        const args = {
          schema,
          document,
          operationName,
          variableValues: variables,
          contextValue,
          ...graphql.bounds,
        };
        return { kind: operation.operation, args: args as ExecutionArgs };
      } catch (error) {
        return [masking.shown(error, facts.requestId)];
      }
    },

    async execute(args) {
      const { requestId } = args.contextValue as { requestId: string };
      const { execute } = graphql.getEnveloped({ requestId } as never);
      return masking.masked((await execute(args)) as ExecutionResult, requestId);
    },

    async source(args) {
      const { requestId } = args.contextValue as { requestId: string };
      try {
        const made = await createSourceEventStream(args);
        if (isSource(made)) return made;
        if ('errors' in made) return made.errors!.map((error) => masking.shown(error, requestId));
        throw new Error('the subscription has no source that the hub can follow');
      } catch (error) {
        return [masking.shown(error, requestId)];
      }
    },
  };
}

const NOTHING =
  'a subscription must select one field, got none: leave out the @skip or @include that leaves out its field';

/** Whether anything is left of a root: graphql-js takes a field for granted. Its validation lets only literals in here. */
function selects(
  { selections }: SelectionSetNode,
  document: DocumentNode,
  seen = new Set<string>(),
): boolean {
  return selections.some((one) => {
    if (isLeftOut(one)) return false;
    if (one.kind === Kind.FIELD) return true;
    if (one.kind === Kind.INLINE_FRAGMENT) return selects(one.selectionSet, document, seen);
    const { value } = one.name;
    if (seen.has(value)) return false;
    seen.add(value);
    const named = document.definitions.find(
      (made) => made.kind === Kind.FRAGMENT_DEFINITION && made.name.value === value,
    ) as FragmentDefinitionNode;
    return selects(named.selectionSet, document, seen);
  });
}

function isLeftOut(node: SelectionNode): boolean {
  return (
    getDirectiveValues(GraphQLSkipDirective, node)?.['if'] === true ||
    getDirectiveValues(GraphQLIncludeDirective, node)?.['if'] === false
  );
}

function checked(query: unknown, { operationName, variables }: OperationParams) {
  if (typeof query !== 'string') throw wrongType('query', 'a string', query);
  if (operationName != null && typeof operationName !== 'string') {
    throw wrongType('operationName', 'a string', operationName);
  }
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) {
    throw wrongType('variables', 'an object', variables);
  }
  return { query, operationName, variables: variables as Record<string, unknown> | null | undefined };
}

function wrongType(name: string, wanted: string, got: unknown): GraphQLError {
  const kind = got === null || got === undefined ? 'none' : Array.isArray(got) ? 'an array' : typeof got;
  return apiError('BAD_USER_INPUT', `${name} must be ${wanted}, got ${kind}`);
}
