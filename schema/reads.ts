import type { Store } from '../src/store.js';
import { apiError } from './api-error.js';

/** Objects that one answer may hold, and that may be read for it. */
export const MAX_OBJECTS = 50_000;
/** What it costs to ask the store, in objects, beside those that it finds. */
const PER_READ = 3;

/**
 * The store for one answer. How long some lists are only reading tells, such as the nodes of a job: what is read counts
 * then, against the same bound as what a document asks for.
 */
export function boundedReads(store: Store): Store {
  let read = 0;
  const take = (objects: number) => {
    read += objects;
    if (read > MAX_OBJECTS) {
      throw apiError(
        'LIMIT_REACHED',
        `an answer must take at most ${MAX_OBJECTS} objects to read, got more: ask for smaller pages (first, last), or in several requests`,
      );
    }
  };
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]) => {
        // Beforehand too: a list of a thousand asks for all of its pages before the first one comes back.
        take(PER_READ);
        const found: unknown = await method.apply(target, args);
        take(Array.isArray(found) ? found.length : 0);
        return found;
      };
    },
  });
}
