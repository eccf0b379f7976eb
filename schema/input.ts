/** An input without the keys that were left out or given as null: in GraphQL both mean "not given". */
export function given<T extends object>(input: T | null | undefined): Given<T> {
  const entries = Object.entries(input ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}

export type Given<T> = { [K in keyof T]?: NonNullable<T[K]> };
