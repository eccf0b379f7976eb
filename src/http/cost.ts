import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/** Objects that one answer may hold: at some 10 µs each, half a second. Three levels of default pages are within it. */
export const MAX_ANSWER_OBJECTS = 50_000;
const DEFAULT_PAGE = 50;
/** What a size that only the variables tell is taken for: the largest page. */
const LARGEST_PAGE = 100;
/** What a list without pages is taken for: the nodes of a job, say. */
const PLAIN_LIST = 10;

/**
 * The most objects an operation of the document can ask for: sizes of pages, multiplied down each path. The document must be
 * valid, since a cycle of fragments would have no end. Fragments are counted once and taken wherever they are spread.
 */
export function objectsAskedFor(schema: GraphQLSchema, document: DocumentNode): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const known = new Map<string, number>();

  const ofField = (field: FieldNode, parent: GraphQLNamedType): number => {
    if (!field.selectionSet || !(isObjectType(parent) || isInterfaceType(parent))) return 0;
    const definition = parent.getFields()[field.name.value];
    if (!definition) return 0;
    const type = getNamedType(definition.type);
    const inner = ofSet(field.selectionSet, type);
    if (type.name.endsWith('Connection')) return sizeOf(field) * (1 + inner);
    const isPlainList = isListType(getNullableType(definition.type)) && !/Connection$/.test(parent.name);
    return (isPlainList ? sizeOf(field, PLAIN_LIST) : 1) * (1 + inner);
  };
  const ofFragment = (name: string): number => {
    const fragment = fragments.get(name);
    const type = fragment && schema.getType(fragment.typeCondition.name.value);
    const counted = known.get(name) ?? (fragment && type ? ofSet(fragment.selectionSet, type) : 0);
    known.set(name, counted);
    return counted;
  };
  const ofSet = ({ selections }: SelectionSetNode, parent: GraphQLNamedType): number =>
    selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + ofField(selection, parent);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum + ofFragment(selection.name.value);
      const condition = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
      return sum + ofSet(selection.selectionSet, isCompositeType(condition) ? condition : parent);
    }, 0);

  return document.definitions.reduce((most, definition) => {
    const root = definition.kind === Kind.OPERATION_DEFINITION && schema.getRootType(definition.operation);
    return root ? Math.max(most, ofSet(definition.selectionSet, root)) : most;
  }, 0);
}

/** `first` or `last`, or the number of ids; nodes and edges within a connection are its own. */
function sizeOf(field: FieldNode, otherwise = DEFAULT_PAGE): number {
  for (const { name, value } of field.arguments ?? []) {
    if (!['first', 'last', 'ids'].includes(name.value)) continue;
    if (value.kind === Kind.INT) return Math.min(Number(value.value), LARGEST_PAGE);
    if (value.kind === Kind.LIST) return value.values.length;
    if (value.kind === Kind.VARIABLE) return LARGEST_PAGE;
  }
  return otherwise;
}
