import { type DocumentNode, GraphQLError, type GraphQLSchema, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { type Cost, weigh } from './cost.js';
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
export function operationProblem(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Variables,
): GraphQLError | null {
  const operation = getOperationAST(document, operationName);
  // Which operation is meant, execution asks too, and has the words for it.
  if (!operation) return null;
  try {
    checkVariables(schema, operation, variables ?? {});
    const { requested } = costOf(schema, document, operationName, variables);
    if (requested <= limits.cost.maximum) return null;
    const problem = exceeded(limits.cost, `a document that asks for up to ${requested}`);
    problem.extensions['cost'] = { requested, maximum: limits.cost.maximum };
    return problem;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    error.extensions['http'] ??= { spec: true, status: 400 };
    return error;
  }
}

/** By operation: most documents ask for the same whatever their variables are. */
const constants = new WeakMap<object, Cost>();

/** What an operation of a valid document asks for; throws the GraphQLError of a page that is too large. */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Variables,
): ShownCost {
  const operation = getOperationAST(document, operationName);
  let cost = operation ? constants.get(operation) : { requested: 0, constant: true };
  if (operation && !cost) {
    cost = weigh(schema, document, operation, variables ?? {});
    if (cost.constant) constants.set(operation, cost);
  }
  return { requested: cost!.requested, maximum: limits.cost.maximum };
}

/** Refuses operations that ask for too much, and tells with the answers of the others what they asked for. */
export function useLimits(): Plugin {
  return {
    onExecute({ args: { schema, document, operationName, variableValues }, setResultAndStopExecution }) {
      const problem = operationProblem(schema, document, operationName, variableValues);
      if (problem) {
        setResultAndStopExecution({ errors: [problem] });
        return undefined;
      }
      return {
        onExecuteDone({ result, setResult }) {
          if (!('data' in result)) return;
          const cost = costOf(schema, document, operationName, variableValues);
          setResult({ ...result, extensions: { ...result.extensions, cost } });
        },
      };
    },
    onSubscribe({ args: { schema, document, operationName, variableValues }, setResultAndStopExecution }) {
      const problem = operationProblem(schema, document, operationName, variableValues);
      if (problem) setResultAndStopExecution({ errors: [problem] });
    },
  };
}
