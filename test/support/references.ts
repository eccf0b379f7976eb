import {
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  Kind,
  parse,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';

/** A place of the schema where a caller can name something. */
export interface Reference {
  /** "Mutation.cancelJob(input.id)". */
  at: string;
  /** Where the value is declared: "CancelJobInput.id", or `at` where an argument is the value itself. */
  declared: string;
  type: string;
}

/** Types of values that can hold an id, a cursor, a name or a URL. */
const NAMING = ['ID', 'Cursor', 'String', 'URL', 'JSON'];

/** Every argument of every field, and every field of every input below it, that can name something. */
export function references(schema: GraphQLSchema): Reference[] {
  const found: Reference[] = [];
  const look = (field: string, path: string[], declared: string, type: GraphQLInputType, above: string[]) => {
    const named = getNamedType(type);
    const at = `${field}(${path.join('.')})`;
    if (NAMING.includes(named.name)) found.push({ at, declared: declared || at, type: named.name });
    if (!isInputObjectType(named) || above.includes(named.name)) return;
    for (const inner of Object.values(named.getFields())) {
      const place = `${named.name}.${inner.name}`;
      look(field, [...path, inner.name], place, inner.type, [...above, named.name]);
    }
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || isIntrospectionType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      for (const arg of field.args) look(`${type.name}.${field.name}`, [arg.name], '', arg.type, []);
    }
  }
  return found;
}

/** The fields that a document asks for, and the places where it uses the variable `$x`. */
export function usesOf(schema: GraphQLSchema, document: string): { fields: string[]; places: string[] } {
  const fields: string[] = [];
  const places: string[] = [];
  const info = new TypeInfo(schema);
  let field = '';
  visit(
    parse(document),
    visitWithTypeInfo(info, {
      Field({ name }) {
        field = `${info.getParentType()?.name}.${name.value}`;
        fields.push(field);
      },
      Variable({ name }, _key, parent, _path, ancestors) {
        const path = [...ancestors, ...(parent ? [parent] : [])].flatMap((one) =>
          'kind' in one && (one.kind === Kind.ARGUMENT || one.kind === Kind.OBJECT_FIELD)
            ? [one.name.value]
            : [],
        );
        if (name.value === 'x' && path.length > 0) places.push(`${field}(${path.join('.')})`);
      },
    }),
  );
  return { fields, places };
}
