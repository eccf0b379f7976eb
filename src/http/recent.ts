/** What was used last, by a text. Bounded in entries and in characters of each, so in all. */
export interface Recent<V> {
  get(key: string): V | undefined;
  /** Drops what was used longest ago; what is too large is not kept. */
  set(key: string, value: V): void;
}

export function recent<V>(most: { entries: number; chars: number }): Recent<V> {
  const entries = new Map<string, V>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) {
        entries.delete(key);
        entries.set(key, value);
      }
      return value;
    },
    set(key, value) {
      const length = typeof value === 'string' ? value.length : key.length;
      if (length > most.chars) return;
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > most.entries) entries.delete(entries.keys().next().value!);
    },
  };
}
