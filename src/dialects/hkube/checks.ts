import { Refused } from '../../dialect.js';

/**
 * What routes take, checked in the words and with the conversions of HKube's validator (ajv 6 with `coerceTypes`). The
 * first thing that is wrong is told: missing fields, then unknown ones, then each field in the order of its schema.
 */
export type Field =
  | { type: 'string'; minLength?: number; maxLength?: number; oneOf?: readonly string[] }
  | { type: 'integer' | 'number'; min?: number; max?: number }
  | { type: 'boolean' }
  | { type: 'array' | 'strings' | 'object' }
  /** Anything, looked at by the route itself. */
  | { type: 'any' };

export interface Fields {
  required?: readonly string[];
  /** No other keys. */
  closed?: true;
  fields: Readonly<Record<string, Field>>;
}

/**
 * The fields of a schema, as they were given or converted; undefined where not given. Other keys are dropped. `place` is
 * where the value stands in what was sent.
 */
export function checked(
  value: unknown,
  { required = [], closed, fields }: Fields,
  place = 'data',
): Record<string, unknown> {
  if (!isObject(value)) throw invalid(`${place} should be object`);
  for (const key of required)
    if (!Object.hasOwn(value, key)) throw invalid(`${place} should have required property '${key}'`);
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(fields, key));
  if (closed && unknown !== undefined) {
    throw invalid(`${place} should NOT have additional properties (${unknown.slice(0, 100)})`);
  }
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => Object.hasOwn(value, key))
      .map(([key, field]) => [key, checkedField(`${place}.${key}`, value[key], field)]),
  );
}

/** The same for what stands behind the "?" of a route. */
export function checkedQuery(query: URLSearchParams, fields: Fields): Record<string, unknown> {
  return checked(Object.fromEntries(query), fields);
}

/** HKube's answer to a body, or a query, that breaks its schema. */
export function invalid(message: string): Refused {
  return new Refused(400, message);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkedField(place: string, given: unknown, field: Field): unknown {
  switch (field.type) {
    case 'string':
      return checkedText(place, textOf(given), field);
    case 'integer':
    case 'number':
      return checkedNumber(place, numberOf(given), field);
    case 'boolean': {
      const truth = truthOf(given);
      if (truth === undefined) throw invalid(`${place} should be boolean`);
      return truth;
    }
    case 'array':
      if (!Array.isArray(given)) throw invalid(`${place} should be array`);
      return given;
    case 'strings':
      if (!Array.isArray(given)) throw invalid(`${place} should be array`);
      return given.map((one, index) => checkedText(`${place}[${index}]`, textOf(one), { type: 'string' }));
    case 'object':
      if (!isObject(given)) throw invalid(`${place} should be object`);
      return given;
    case 'any':
      return given;
  }
}

function checkedText(
  place: string,
  value: string | undefined,
  { minLength = 0, maxLength, oneOf }: Extract<Field, { type: 'string' }>,
): string {
  if (value === undefined) throw invalid(`${place} should be string`);
  if (maxLength !== undefined && value.length > maxLength)
    throw invalid(`${place} should NOT be longer than ${maxLength} characters`);
  if (value.length < minLength) throw invalid(`${place} should NOT be shorter than ${minLength} characters`);
  if (oneOf && !oneOf.includes(value))
    throw invalid(`${place} should be equal to one of the allowed values (${oneOf.join(',')})`);
  return value;
}

function checkedNumber(
  place: string,
  value: number | undefined,
  { type, min, max }: Extract<Field, { type: 'integer' | 'number' }>,
): number {
  if (value === undefined || !(type === 'integer' ? Number.isSafeInteger : Number.isFinite)(value))
    throw invalid(`${place} should be ${type}`);
  if (max !== undefined && value > max) throw invalid(`${place} should be <= ${max}`);
  if (min !== undefined && value < min) throw invalid(`${place} should be >= ${min}`);
  return value;
}

function textOf(value: unknown): string | undefined {
  if (value === null) return '';
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  if (value === null) return 0;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : undefined;
}

function truthOf(value: unknown): boolean | undefined {
  if (value === true || value === 'true' || value === 1) return true;
  return value === false || value === 'false' || value === 0 || value === null ? false : undefined;
}
