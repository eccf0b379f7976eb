import {
  type GraphQLFieldMap,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isUnionType,
} from 'graphql';

/** A field of the introspection that has fields, by "Type.field": how many objects it is on average, and of which type. */
type Sizes = ReadonlyMap<string, { size: number; type: GraphQLNamedType }>;

const kept = new WeakMap<GraphQLSchema, Sizes>();

/**
 * What the fields of introspection weigh. Averages of the schema's own lists: multiplied down a path they come to the
 * number of objects that are there.
 */
export function introspectionSizes(schema: GraphQLSchema): Sizes {
  const known = kept.get(schema);
  if (known) return known;
  const sizes = new Map<string, { size: number; type: GraphQLNamedType }>();
  const has = (field: string, size: number, type: string) =>
    sizes.set(field, { size, type: schema.getType(type)! });
  const types = Object.values(schema.getTypeMap());
  const directives = schema.getDirectives();
  const sum = <T>(of: readonly T[], count: (one: T) => number) =>
    of.reduce((total, one) => total + count(one), 0);
  const fieldsOf = (type: GraphQLNamedType): GraphQLFieldMap<unknown, unknown> =>
    isObjectType(type) || isInterfaceType(type) ? type.getFields() : {};
  const fields = types.flatMap((type) => Object.values(fieldsOf(type)));
  const aType = (count: (type: GraphQLNamedType) => number) => sum(types, count) / types.length;

  const query = schema.getQueryType()?.name;
  has(`${query}.__schema`, 1, '__Schema');
  has(`${query}.__type`, 1, '__Type');
  has('__Schema.types', types.length, '__Type');
  has('__Schema.directives', directives.length, '__Directive');
  for (const root of ['queryType', 'mutationType', 'subscriptionType']) has(`__Schema.${root}`, 1, '__Type');
  has(
    '__Type.fields',
    aType((type) => Object.keys(fieldsOf(type)).length),
    '__Field',
  );
  has(
    '__Type.inputFields',
    aType((type) => (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0)),
    '__InputValue',
  );
  has(
    '__Type.enumValues',
    aType((type) => (isEnumType(type) ? type.getValues().length : 0)),
    '__EnumValue',
  );
  has(
    '__Type.interfaces',
    aType((type) => (isObjectType(type) || isInterfaceType(type) ? type.getInterfaces().length : 0)),
    '__Type',
  );
  has(
    '__Type.possibleTypes',
    aType((type) => (isInterfaceType(type) || isUnionType(type) ? schema.getPossibleTypes(type).length : 0)),
    '__Type',
  );
  has('__Type.ofType', 1, '__Type');
  has('__Field.type', 1, '__Type');
  has('__Field.args', sum(fields, ({ args }) => args.length) / fields.length, '__InputValue');
  has('__InputValue.type', 1, '__Type');
  has('__Directive.args', sum(directives, ({ args }) => args.length) / directives.length, '__InputValue');
  kept.set(schema, sizes);
  return sizes;
}
