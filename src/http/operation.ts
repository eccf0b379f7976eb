import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { weigh } from './cost.js';
import { exceeded, limits } from './limits.js';
import { checkVariables } from './variables.js';

/** What `extensions.cost` of an answer says. */
export interface ShownCost {
  /** Objects that the operation could have asked for. */
  requested: number;
  /** Objects that one may ask for. */
  maximum: number;
}

type Variables = Readonly<Record<string, unknown>> | null | undefined;

/**
 * Why an operation of a valid document may not run with these variables; null: it may. For transports, to be called
 * after validation and before anything runs. One error, whatever is wrong.
 */
export function operationProblem(...asked: Parameters<typeof costOrProblem>): GraphQLError | null {
  const found = costOrProblem(...asked);
  return found instanceof GraphQLError ? found : null;
}

function costOrProblem(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Variables,
): ShownCost | GraphQLError {
  const { maximum } = limits.cost;
  const operation = getOperationAST(document, operationName);
  // Which operation is meant, execution asks too, and has the words for it.
  if (!operation) return { requested: 0, maximum };
  try {
    checkVariables(schema, operation, variables ?? {});
    const cost = { requested: requestedBy(schema, document, operation, variables), maximum };
    if (cost.requested <= maximum) return cost;
    const problem = exceeded(limits.cost, `a document that asks for up to ${cost.requested}`);
    problem.extensions['cost'] = cost;
    return problem;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    error.extensions['http'] ??= { spec: true, status: 400 };
    return error;
  }
}

/** By operation: most documents ask for the same whatever their variables are. */
const constants = new WeakMap<object, number>();

/** Throws the GraphQLError of a page that is too large. */
function requestedBy(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
): number {
  const known = constants.get(operation);
  if (known !== undefined) return known;
  const { requested, constant } = weigh(schema, document, operation, variables ?? {});
  if (constant) constants.set(operation, requested);
  return requested;
}

/** Refuses operations that ask for too much, and tells with the answers of the others what they asked for. */
export function useLimits(): Plugin {
  return {
    onExecute({ args: { schema, document, operationName, variableValues }, setResultAndStopExecution }) {
      const cost = costOrProblem(schema, document, operationName, variableValues);
      if (cost instanceof GraphQLError) {
        setResultAndStopExecution({ errors: [cost] });
        return undefined;
      }
      return {
        onExecuteDone({ result, setResult }) {
          if ('data' in result) setResult({ ...result, extensions: { ...result.extensions, cost } });
        },
      };
    },
  };
}
