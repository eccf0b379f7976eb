import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { MAX_PAGE, pageSize } from '../../schema/connection.js';
import { checkNodeIds } from '../../schema/node.js';
import { Arguments } from './arguments.js';
import { introspectionSizes } from './introspection.js';

/** What a list without pages is taken for: the nodes of a job, say. */
const PLAIN_LIST = 10;
/** What the smallest page is taken for: to look it up costs as much as these objects, also where it is empty. */
const LEAST_PAGE = 5;

type Variables = Readonly<Record<string, unknown>>;

export interface Cost {
  /** Objects that the answer may hold at most. */
  requested: number;
  /** Whether it is the same whatever the variables are. */
  constant: boolean;
}

/**
 * The most objects an operation can ask for: sizes of pages, multiplied down each path, with the values that the
 * variables have, and the length of arguments. What @skip and @include leave out is counted in. Fragments are weighed
 * once and taken wherever they are spread; the document must be valid, since a circle of fragments would have no end.
 * Throws the GraphQLError of a page that is too large, or given two sizes: once, and not for each object it hangs under.
 */
export function weigh(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
): Cost {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const known = new Map<string, number>();
  const given = new Arguments(operation, variables);

  /** What an argument will be; undefined: not given. What has the wrong type is left to coercion to refuse. */
  const argument = (field: FieldNode, name: string): unknown => {
    const value = field.arguments?.find((one) => one.name.value === name)?.value;
    if (value?.kind !== Kind.VARIABLE) return literal(value);
    const variable = value.name.value;
    if (Object.hasOwn(variables, variable)) return variables[variable];
    return literal(
      operation.variableDefinitions?.find((one) => one.variable.name.value === variable)?.defaultValue,
    );
  };
  const sizeOfPage = (field: FieldNode): number => {
    const [first, last] = [argument(field, 'first'), argument(field, 'last')];
    if (!isSize(first) || !isSize(last)) return MAX_PAGE;
    const size = at(field, () => pageSize({ first, last }));
    return Math.max(LEAST_PAGE, size);
  };
  /** A scalar that is asked for again, or is read or parsed for itself, is as much work as an object. */
  const ofScalar = (field: FieldNode, parent: GraphQLNamedType): number => {
    const definition =
      isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[field.name.value] : null;
    return field.alias || (definition && getNamedType(definition.type).name === 'JSON') ? 1 : 0;
  };
  const sizeOfList = (field: FieldNode): number => {
    const ids = argument(field, 'ids');
    if (ids === undefined) return PLAIN_LIST;
    const count = Array.isArray(ids) ? ids.length : 1;
    at(field, () => checkNodeIds(count));
    return count;
  };
  const ofField = (field: FieldNode, parent: GraphQLNamedType): number =>
    given.weightOf(field, parent === schema.getMutationType()) +
    (field.selectionSet ? ofObjects(field, field.selectionSet, parent) : ofScalar(field, parent));
  const ofObjects = (field: FieldNode, selected: SelectionSetNode, parent: GraphQLNamedType): number => {
    const name = field.name.value;
    const introspected = introspectionSizes(schema).get(`${parent.name}.${name}`);
    if (introspected) return introspected.size * (1 + ofSet(selected, introspected.type));
    if (!isObjectType(parent) && !isInterfaceType(parent)) return 0;
    const definition = parent.getFields()[name];
    if (!definition) return 0;
    const type = getNamedType(definition.type);
    const inner = ofSet(selected, type);
    if (type.name.endsWith('Connection')) return sizeOfPage(field) * (1 + inner);
    // `nodes` and `edges` are the page that their connection was weighed for.
    const isPlainList = isListType(getNullableType(definition.type)) && !parent.name.endsWith('Connection');
    return (isPlainList ? sizeOfList(field) : 1) * (1 + inner);
  };
  const ofFragment = (name: string): number => {
    const fragment = fragments.get(name);
    const type = fragment && schema.getType(fragment.typeCondition.name.value);
    const weight = known.get(name) ?? (fragment && type ? ofSet(fragment.selectionSet, type) : 0);
    known.set(name, weight);
    return weight;
  };
  const ofSet = ({ selections }: SelectionSetNode, parent: GraphQLNamedType): number =>
    selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + ofField(selection, parent);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum + ofFragment(selection.name.value);
      const condition = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
      return sum + ofSet(selection.selectionSet, isCompositeType(condition) ? condition : parent);
    }, 0);

  const root = schema.getRootType(operation.operation);
  const weight = root ? ofSet(operation.selectionSet, root) : 0;
  return { requested: Math.min(Math.ceil(weight), Number.MAX_SAFE_INTEGER), constant: !given.varies };
}

/** A size as far as it matters here: numbers, null, and of a list how long it is. */
function literal(node: ValueNode | undefined): unknown {
  if (node?.kind === Kind.INT) return Number(node.value);
  if (node?.kind === Kind.LIST) return node.values;
  return node?.kind === Kind.NULL ? null : undefined;
}

function isSize(value: unknown): value is number | null | undefined {
  return value === undefined || value === null || typeof value === 'number';
}

/** With the place of the field in what is thrown. */
function at<T>(nodes: FieldNode, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    throw new GraphQLError(error.message, { nodes, extensions: error.extensions });
  }
}
