/** What a run of a stored pipeline is given over what is stored: any part of a descriptor. */
export interface Overrides {
  flowInput?: unknown;
  [key: string]: unknown;
}

/** How the flowInput of a run meets the stored one: it takes its place, or is merged into it. */
export type FlowInputMode = 'replace' | 'merge';

/**
 * A stored descriptor with what a run was given, by HKube's rules: objects are merged key by key, arrays place by
 * place, everything else takes the place of what was there. Neither of the two is changed.
 */
export function mergeDescriptor(stored: Overrides, given: Overrides, mode: FlowInputMode): Overrides {
  const merged = merge(stored, given) as Overrides;
  return mode === 'replace' && given.flowInput !== undefined
    ? { ...merged, flowInput: given.flowInput }
    : merged;
}

/**
 * lodash's merge, of JSON: undefined is skipped, null is a value. An object over an array takes its place, where lodash
 * would put keys on the array that no JSON shows. Keys are own ones alone, `__proto__` like any other.
 */
export function merge(stored: unknown, given: unknown): unknown {
  if (given === undefined) return stored;
  if (Array.isArray(stored) && Array.isArray(given)) {
    const length = Math.max(stored.length, given.length);
    return Array.from({ length }, (_, index) => merge(stored[index], given[index]));
  }
  if (!isObject(stored) || !isObject(given)) return given;
  const keys = new Set([...Object.keys(stored), ...Object.keys(given)]);
  return Object.fromEntries([...keys].map((key) => [key, merge(own(stored, key), own(given, key))]));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(object: object, key: string): unknown {
  return Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined;
}
