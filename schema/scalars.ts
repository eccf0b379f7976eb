import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { depthProblem, MAX_JSON_DEPTH } from '../src/descriptor.js';
import { shown } from '../src/errors.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';

/** RFC 3339, with a time zone: a time without one means something else on every machine. */
const DATE_TIME = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function parseDateTime(value: unknown): number {
  const match = typeof value === 'string' ? DATE_TIME.exec(value) : null;
  const at = match ? Date.parse(match[0]) : Number.NaN;
  // Date.parse lets the 30th of February pass as a day of March.
  const day = match ? new Date(`${match[1]}T00:00:00Z`) : null;
  if (Number.isNaN(at) || !day || Number.isNaN(day.getTime()) || !day.toISOString().startsWith(match![1]!)) {
    throw new GraphQLError(
      `DateTime must be an RFC 3339 time with a time zone, such as "2026-01-31T12:00:00.000Z", got ${shown(value)}`,
    );
  }
  return at;
}

function formatDateTime(value: unknown): string {
  return new Date(Number(value)).toISOString();
}

function stringOf(type: string) {
  return (value: unknown): string => {
    if (typeof value === 'string') return value;
    throw new GraphQLError(`${type} must be a string, got ${shown(value)}`);
  };
}

function checkedJson(value: unknown): unknown {
  const tooDeep = depthProblem(value);
  if (tooDeep) throw new GraphQLError(tooDeep.message);
  return value;
}

/** A literal's value. Recursive, but never deeper than the bound: the check comes before the next level. */
function jsonOf(
  node: ValueNode,
  variables: Record<string, unknown> | null | undefined,
  depth: number,
): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return checkedJson(Number(node.value));
    case Kind.NULL:
      return null;
    case Kind.VARIABLE:
      return variables?.[node.name.value] ?? null;
    case Kind.LIST:
    case Kind.OBJECT:
      if (depth >= MAX_JSON_DEPTH) {
        throw new GraphQLError(`JSON must be nested at most ${MAX_JSON_DEPTH} levels deep, got more`);
      }
      return node.kind === Kind.LIST
        ? node.values.map((value) => jsonOf(value, variables, depth + 1))
        : Object.fromEntries(
            node.fields.map(({ name, value }) => [name.value, jsonOf(value, variables, depth + 1)]),
          );
  }
}

builder.addScalarType(
  'Cursor',
  new GraphQLScalarType<string, string>({
    name: 'Cursor',
    description:
      'A place in the event log of the account: opaque, for `after`. It stays good across disconnects, restarts and servers, as long as the events behind it are kept.',
    serialize: String,
    parseValue: stringOf('Cursor'),
  }),
);

builder.addScalarType(
  'DateTime',
  new GraphQLScalarType<number, string>({
    name: 'DateTime',
    description: 'An RFC 3339 time. Answers are in UTC with milliseconds; inputs must name their time zone.',
    specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
    serialize: formatDateTime,
    parseValue: parseDateTime,
    parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : null),
  }),
);

builder.addScalarType(
  'JSON',
  new GraphQLScalarType<unknown, unknown>({
    name: 'JSON',
    description: `Any JSON value, nested at most ${MAX_JSON_DEPTH} levels deep.`,
    specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
    serialize: (value) => {
      const tooDeep = depthProblem(value);
      if (tooDeep) throw apiError('LIMIT_REACHED', tooDeep.message);
      return value;
    },
    parseValue: checkedJson,
    // Variables inside a literal have been checked alone; together with the literal they may be too deep.
    parseLiteral: (node, variables) => checkedJson(jsonOf(node, variables, 0)),
  }),
);

builder.addScalarType(
  'URL',
  new GraphQLScalarType<string, string>({
    name: 'URL',
    description: 'An absolute http or https URL, at most 2,048 characters.',
    specifiedByURL: 'https://url.spec.whatwg.org/',
    serialize: String,
    parseValue: stringOf('URL'),
  }),
);
