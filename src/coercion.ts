import type { z } from 'zod';

/**
 * What HKube's clients rely on: a value of another type than the schema's is read as that type where its meaning is plain.
 * The table is that of ajv 6 with `coerceTypes`, HKube's validator:
 *
 *     to       from
 *     string   numbers and booleans as they are written; null as ""
 *     integer  "60", " 6e1 " and other texts of whole numbers but ""; true as 1; false and null as 0
 *     boolean  "true" and 1; "false", 0 and null
 *     null     "", 0 and false, where null is allowed and they are nothing else that is
 *
 * Nothing becomes an array or an object, and neither becomes anything else. What fits nothing stays for the schema to refuse.
 */
export function coerced(schema: z.ZodType, value: unknown): unknown {
  const { bare, nullable } = fieldOf(schema);
  if (value === undefined || (nullable && value === null)) return value;
  const { def } = bare;
  switch (def.type) {
    case 'object':
      return isObject(value) ? coercedKeys((bare as z.ZodObject<Shape>).shape, value) : value;
    case 'array':
      return Array.isArray(value) ? coercedItems((bare as z.ZodArray<z.ZodType>).element, value) : value;
    case 'string':
      return textOf(value);
    case 'number':
      return typeof value === 'number' ? value : orNull(wholeOf(value), value, nullable);
    case 'boolean':
      return truthOf(value);
    default:
      return orNull(value, value, nullable);
  }
}

export type Shape = Readonly<Record<string, z.ZodType>>;

/** No list of a schema is longer: one that is will be refused, so its items need not be looked at. */
const MAX_ITEMS = 1_000;

/** A field without its wrappers: defaults, null, what follows once the type is right. */
export function fieldOf(schema: z.ZodType): { bare: z.ZodType; nullable: boolean } {
  let bare = schema;
  let nullable = false;
  for (;;) {
    const def = bare.def as { type: string; innerType?: z.ZodType; in?: z.ZodType; out?: z.ZodType };
    if (def.type === 'nullable') nullable = true;
    // A transformation is made of what goes in; a second look at the same (a list, then its items) is the better one.
    const inner =
      def.type === 'pipe' ? (def.out?.def.type === 'transform' ? def.in : def.out) : def.innerType;
    if (inner === undefined) return { bare, nullable };
    bare = inner;
  }
}

/** The same object where nothing had to change. */
function coercedKeys(shape: Shape, value: Record<string, unknown>): Record<string, unknown> {
  let copy: Record<string, unknown> | null = null;
  for (const [key, field] of Object.entries(shape)) {
    if (!Object.hasOwn(value, key)) continue;
    const read = coerced(field, value[key]);
    if (read === value[key]) continue;
    copy ??= { ...value };
    copy[key] = read;
  }
  return copy ?? value;
}

function coercedItems(element: z.ZodType, items: unknown[]): unknown[] {
  return items.length > MAX_ITEMS ? items : items.map((item) => coerced(element, item));
}

function textOf(value: unknown): unknown {
  if (value === null) return '';
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

function wholeOf(value: unknown): unknown {
  if (typeof value === 'boolean' || value === null) return Number(value);
  if (typeof value !== 'string' || value.trim() === '') return value;
  const number = Number(value);
  return Number.isInteger(number) ? number : value;
}

function truthOf(value: unknown): unknown {
  if (value === 'true' || value === 1) return true;
  return value === 'false' || value === 0 || value === null ? false : value;
}

function orNull(read: unknown, value: unknown, nullable: boolean): unknown {
  const none = value === '' || value === 0 || value === false;
  return nullable && read === value && none ? null : read;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
