import { MAX_JSON_DEPTH } from '../src/descriptor.js';
import { apiError } from './api-error.js';

/** Of stored texts in one answer, in characters: parsing and printing so much takes some tenths of a second. */
export const MAX_CONTENT = 8 * 1024 * 1024;

/**
 * The stored texts that one answer shows: descriptors, inputs, results, bodies. They are as long as their makers like, so
 * that counting objects does not bound them.
 */
export class Content {
  #shown = 0;
  #reading: Promise<unknown> = Promise.resolve();

  /** Reads one after the other, so that what there is no room for is not read. */
  read<T>(load: () => Promise<T>, lengthOf: (loaded: T) => number): Promise<T> {
    const loaded = this.#reading.then(async () => {
      if (this.#shown >= MAX_CONTENT) throw tooMuch();
      const value = await load();
      this.#take(lengthOf(value));
      return value;
    });
    this.#reading = loaded.catch(() => {});
    return loaded;
  }

  /** A text that is in memory already. */
  show(text: string): string {
    this.#take(text.length);
    return text;
  }

  // A single text is shown however long it is: no smaller page would have it.
  #take(length: number): void {
    const fits = this.#shown === 0 || this.#shown + length <= MAX_CONTENT;
    this.#shown += length;
    if (!fits) throw tooMuch();
  }
}

/**
 * About how many characters a value is as JSON, without writing it: what stands in it twice counts twice. Stops above
 * `most`. What is nested deeper than JSON may be is refused when it is written.
 */
export function jsonLength(value: unknown, most: number, depth = 0): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return String(value).length;
  let length = 2;
  if (depth >= MAX_JSON_DEPTH) return length;
  for (const [key, inner] of Object.entries(value)) {
    const name = Array.isArray(value) ? 1 : key.length + 4;
    length += name + jsonLength(inner, most - length, depth + 1);
    if (length > most) break;
  }
  return length;
}

function tooMuch(): Error {
  return apiError(
    'LIMIT_REACHED',
    `an answer must hold at most ${MAX_CONTENT} characters of descriptors, inputs, results and bodies, got more: ask for smaller pages (first, last), or in several requests`,
  );
}
