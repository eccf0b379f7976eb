import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';
import { exceeded, limits } from './limits.js';

/**
 * Throws one GraphQLError where there are too many variables, or too many items in one of their lists. Only what the
 * operation declares is looked at, along its types: what it does not declare is never read, and JSON is data, which
 * its scalar checks, and which the size of the request bounds.
 */
export function checkVariables(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): void {
  const given = Object.keys(variables).length;
  if (given > limits.variables.maximum) throw exceeded(limits.variables, given);
  for (const { variable, type } of variableDefinitions) {
    const name = variable.name.value;
    const inputType = typeFromAST(schema, type as never) as GraphQLInputType | undefined;
    if (inputType && Object.hasOwn(variables, name)) check(inputType, variables[name], `$${name}`);
  }
}

/** As deep as the types of the schema, not as what was sent. */
function check(type: GraphQLInputType, value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (isNonNullType(type)) check(type.ofType, value, path);
  else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      check(field.type, (value as Record<string, unknown>)[field.name], `${path}.${field.name}`);
    }
  } else if (isListType(type) && getNamedType(type).name !== 'JSON') {
    const items = Array.isArray(value) ? value : [value];
    const { length } = items;
    if (length > limits.inputList.maximum) throw exceeded(limits.inputList, `${length} in ${path}`);
    items.forEach((item, index) => {
      check(type.ofType, item, `${path}[${index}]`);
    });
  }
}
