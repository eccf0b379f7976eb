import type { z } from 'zod';
import { fieldOf, type Shape } from './coercion.js';
import type { UserErrorCode } from './errors.js';

/** JSON's types; the only numbers that descriptors have are whole. */
export type JsonType = 'string' | 'integer' | 'boolean' | 'array' | 'object' | 'null';

/** Texts of a form of their own; the names are HKube's. */
export type TextFormat =
  | 'pipeline-name'
  | 'experiment-name'
  | 'algorithm-name'
  | 'url'
  | 'cron'
  | 'time-zone';

/** What a value of a descriptor has to be, and is not. */
export type Rule =
  | { kind: 'required' }
  | { kind: 'type'; types: readonly JsonType[] }
  | { kind: 'unknownKey'; known: readonly string[] }
  | { kind: 'min' | 'max'; of: 'number' | 'characters' | 'items'; bound: number }
  | { kind: 'oneOf'; values: readonly string[] }
  /** Two items of a list that are the same, by index. */
  | { kind: 'duplicate'; items: readonly [number, number] }
  | { kind: 'without'; characters: string }
  /** `says` is a clause for those who know no names of formats. It follows the name of the field, and shows the value. */
  | { kind: 'format'; format: TextFormat; says: string }
  /** The name of one of the pipeline's nodes. */
  | { kind: 'nodeName' }
  /** An algorithm that is there; some that are. */
  | { kind: 'algorithm'; known: readonly string[] }
  /** A clause that follows the name of the field, and shows the value where it may be shown. */
  | { kind: 'clause'; says: string };

/** One problem of a descriptor, before it is put into words. */
export interface DescriptorIssue {
  code: UserErrorCode;
  /** From the root of the descriptor; it ends with the key that is missing, or is one too many. */
  path: string[];
  /** What is there, as it was received; undefined: nothing. */
  value: unknown;
  rule: Rule;
}

/** How problems are said: one sentence for each. */
export type Wording = (issue: DescriptorIssue) => string;

/** Problems that are told at once: whoever has more has to look at these first. */
export const MAX_PROBLEMS = 100;

/**
 * What zod found, as issues: one a field, in the order in which HKube's validator looks (the keys of an object that are
 * missing, then those too many, then its fields as the schema has them), so that the first is the one it would tell.
 */
export function issuesOf(
  schema: z.ZodType,
  found: readonly z.core.$ZodIssue[],
  received: unknown,
): DescriptorIssue[] {
  const byPlace = new Map<string, DescriptorIssue>();
  for (const one of found) {
    if (isSafeBound(one)) continue;
    const issue = issueOf(schema, one, received);
    const place = JSON.stringify(issue.path);
    if (!byPlace.has(place)) byPlace.set(place, issue);
  }
  return [...byPlace.values()].sort(byTurn).slice(0, MAX_PROBLEMS);
}

/** zod says of a huge number first that it is no safe integer; the field's own bound says more. */
function isSafeBound(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'too_big') return issue.maximum === Number.MAX_SAFE_INTEGER;
  return issue.code === 'too_small' && issue.minimum === Number.MIN_SAFE_INTEGER;
}

function issueOf(schema: z.ZodType, issue: z.core.$ZodIssue, received: unknown): DescriptorIssue {
  const extra = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path.map(String), ...extra];
  const value = valueAt(received, path);
  const rule = ruleOf(schema, issue, value);
  const isUrl = rule.kind === 'format' && rule.format === 'url';
  return { code: isUrl ? 'FORBIDDEN_DESTINATION' : 'INVALID', path, value, rule };
}

function ruleOf(schema: z.ZodType, issue: z.core.$ZodIssue, value: unknown): Rule {
  switch (issue.code) {
    case 'custom':
      return issue.params?.['rule'] as Rule;
    case 'unrecognized_keys':
      return { kind: 'unknownKey', known: Object.keys(shapeOf(fieldAt(schema, issue.path)) ?? {}) };
    case 'too_small':
      return { kind: 'min', of: 'number', bound: Number(issue.minimum) };
    case 'too_big':
      return { kind: 'max', of: 'number', bound: Number(issue.maximum) };
    default:
      // No key was there at all; of the root, which is no key, there is always something.
      if (value === undefined && issue.path.length > 0) return { kind: 'required' };
      return { kind: 'type', types: typesOf(fieldAt(schema, issue.path)) };
  }
}

function typesOf(schema: z.ZodType): JsonType[] {
  const { bare, nullable } = fieldOf(schema);
  const { type } = bare.def;
  const name = (type === 'number' ? 'integer' : type) as JsonType;
  return nullable ? [name, 'null'] : [name];
}

function fieldAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType {
  return path.reduce<z.ZodType>((field, key) => {
    const { bare } = fieldOf(field);
    return shapeOf(bare)?.[String(key)] ?? (bare as z.ZodArray<z.ZodType>).element ?? bare;
  }, schema);
}

function shapeOf(schema: z.ZodType): Shape | undefined {
  return (fieldOf(schema).bare as Partial<z.ZodObject<Shape>>).shape;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    root,
  );
}

/** Where two paths part, keys that are missing come first and keys too many second; the rest is in order already. */
function byTurn(one: DescriptorIssue, other: DescriptorIssue): number {
  let parting = 0;
  while (parting < one.path.length && one.path[parting] === other.path[parting]) parting++;
  return turnOf(one, parting) - turnOf(other, parting);
}

function turnOf({ path, rule }: DescriptorIssue, parting: number): number {
  if (path.length !== parting + 1) return 2;
  if (rule.kind === 'required') return 0;
  return rule.kind === 'unknownKey' ? 1 : 2;
}
