import { z } from 'zod';
import type { JsonType, Rule, TextFormat } from './issue.js';

/**
 * The kinds of fields that descriptors have. A field that breaks a rule says which as an issue whose `params` hold the
 * Rule; its words are chosen later.
 */

/** The check of a format: a clause that follows the name of the field and shows the value, or null. */
export type FormatCheck = (text: string) => string | null;

/** A text, counted in characters as people count them: HKube's validator does not count halves of surrogate pairs. */
export function text(bounds: { min?: number; max: number; format?: TextFormat; check?: FormatCheck }) {
  return z.string().check(({ value, issues }) => {
    const rule = textRule(value, bounds);
    if (rule) issues.push(broken(value, rule));
  });
}

function textRule(value: string, { min = 0, max, format, check }: Parameters<typeof text>[0]): Rule | null {
  // A character takes one unit or two: only in between need they be counted.
  if (value.length > max && (value.length > 2 * max || [...value].length > max))
    return { kind: 'max', of: 'characters', bound: max };
  if (value.length < min) return { kind: 'min', of: 'characters', bound: min };
  // NUL ends a string in half the systems a name passes through: PostgreSQL refuses it, C libraries cut there.
  if (value.includes('\0')) return { kind: 'without', characters: 'NUL characters' };
  // What UTF-8 cannot say would come back as another name.
  if (/\p{Cs}/u.test(value)) return { kind: 'without', characters: 'halves of surrogate pairs' };
  const says = check?.(value) ?? null;
  return format === undefined || says === null ? null : { kind: 'format', format, says };
}

/** A whole number. */
export function whole(min: number, max: number) {
  return z.int().min(min).max(max);
}

/** One of some words, or of their other spellings; `told` are those that problems name. */
export function word<const W extends string>(
  words: readonly W[],
  spellings: ReadonlyMap<string, W> = new Map(),
  told: readonly string[] = words,
) {
  const known: ReadonlyMap<string, W> = new Map([...words.map((one) => [one, one] as const), ...spellings]);
  return z
    .string()
    .check(({ value, issues }) => {
      if (!known.has(value)) issues.push(broken(value, { kind: 'oneOf', values: told }));
    })
    .transform((value) => known.get(value)!);
}

/** A list of at most `max`: one that is longer is not looked into. */
export function list<T extends z.ZodType>(item: T, max: number) {
  return z
    .array(z.unknown())
    .check(({ value, issues }) => {
      if (value.length > max) issues.push(broken(value, { kind: 'max', of: 'items', bound: max }));
    })
    .pipe(z.array(item));
}

/** The same with no item twice. Of several, HKube's validator names the last that comes again. */
export function set(item: z.ZodType<string>, max: number) {
  return list(item, max).check(({ value, issues }) => {
    const at = new Map<string, number>();
    for (let index = value.length - 1; index >= 0; index--) {
      const later = at.get(value[index]!);
      if (later !== undefined) {
        issues.push(broken(value, { kind: 'duplicate', items: [later, index] }));
        return;
      }
      at.set(value[index]!, index);
    }
  });
}

/** JSON that is kept as it is: not copied, not looked into. */
export function object(...also: JsonType[]) {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const rule: Rule = { kind: 'type', types: ['object', ...also] };
  return z.custom<Record<string, unknown>>(isObject, { params: { rule } });
}

export function array() {
  const rule: Rule = { kind: 'type', types: ['array'] };
  return z.custom<unknown[]>(Array.isArray, { params: { rule } });
}

function broken(input: unknown, rule: Rule): z.core.$ZodRawIssue {
  return { code: 'custom', input, params: { rule }, message: rule.kind };
}
