import {
  type GraphQLNamedType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

interface Size {
  /** Objects, on average: multiplied down a path, averages come to the number that there is. */
  size: number;
  type: GraphQLNamedType;
}

const kept = new WeakMap<GraphQLSchema, ReadonlyMap<string, Size>>();

/** What the fields of introspection weigh that have fields themselves, by "Type.field". */
export function introspectionSizes(schema: GraphQLSchema): ReadonlyMap<string, Size> {
  const known = kept.get(schema);
  if (known) return known;
  const sizes = new Map(
    sizesOf(schema).map(([field, size, type]) => [field, { size, type: schema.getType(type)! }]),
  );
  kept.set(schema, sizes);
  return sizes;
}

function sizesOf(schema: GraphQLSchema): [field: string, size: number, type: string][] {
  const types = Object.values(schema.getTypeMap());
  const directives = schema.getDirectives();
  const query = schema.getQueryType()?.name;
  const withFields = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = withFields.flatMap((type) => Object.values(type.getFields()));
  const inputs = types.filter(isInputObjectType).flatMap((type) => Object.values(type.getFields()));
  const values = types.filter(isEnumType).flatMap((type) => type.getValues());
  const interfaces = withFields.flatMap((type) => type.getInterfaces());
  const possible = types.filter(isAbstractType).flatMap((type) => schema.getPossibleTypes(type));
  const args = (of: readonly { args: readonly unknown[] }[]) =>
    of.flatMap((one) => one.args).length / of.length;
  return [
    [`${query}.__schema`, 1, '__Schema'],
    [`${query}.__type`, 1, '__Type'],
    ['__Schema.types', types.length, '__Type'],
    ['__Schema.queryType', 1, '__Type'],
    ['__Schema.mutationType', 1, '__Type'],
    ['__Schema.subscriptionType', 1, '__Type'],
    ['__Schema.directives', directives.length, '__Directive'],
    ['__Directive.args', args(directives), '__InputValue'],
    ['__Type.fields', fields.length / types.length, '__Field'],
    ['__Type.inputFields', inputs.length / types.length, '__InputValue'],
    ['__Type.enumValues', values.length / types.length, '__EnumValue'],
    ['__Type.interfaces', interfaces.length / types.length, '__Type'],
    ['__Type.possibleTypes', possible.length / types.length, '__Type'],
    ['__Type.ofType', 1, '__Type'],
    ['__Field.args', args(fields), '__InputValue'],
    ['__Field.type', 1, '__Type'],
    ['__InputValue.type', 1, '__Type'],
  ];
}
