import type { LeasedTask } from '../lease.js';
import type { ThreadTask } from './messages.js';

/** A task as it is posted: its texts are places in the table of its message. */
export interface PackedTask extends Omit<ThreadTask, 'source' | 'extraData'> {
  source: {
    template: number;
    flowInput: number | null;
    results: Record<string, { batch: boolean; json: number }>;
    own?: Record<string, number | null>;
    item: number | null;
  };
  extraData: number | null;
}

/**
 * The distinct texts that tasks are made of. The tasks of a node share all but their items: posted as they are, a
 * large input would be copied once for each of them, on the main thread and into the memory of the other.
 */
export class Texts {
  readonly all: string[] = [];
  /** Characters of all of them. */
  chars = 0;
  readonly #places = new Map<string, number>();

  /** Where the text stands; it is added where it is new. */
  place(text: string): number {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.all.push(text) - 1;
      this.#places.set(text, place);
      this.chars += text.length;
    }
    return place;
  }

  add(task: LeasedTask): void {
    for (const text of textsOf(task)) this.place(text);
  }

  /** Characters that this task would add. */
  charsOf(task: LeasedTask): number {
    let chars = 0;
    for (const text of textsOf(task)) if (!this.#places.has(text)) chars += text.length;
    return chars;
  }
}

function textsOf({ source, extraData }: LeasedTask): string[] {
  const { template, flowInput, results, own = {}, item } = source;
  const whole = Object.values(results).map(({ json }) => json);
  return [template, flowInput, item, extraData, ...whole, ...Object.values(own)].filter(
    (text) => text !== null,
  );
}

/** The tasks of one message, and its table. */
export function pack(tasks: readonly ThreadTask[]): { texts: string[]; tasks: PackedTask[] } {
  const texts = new Texts();
  const place = (text: string | null) => (text === null ? null : texts.place(text));
  const packed = tasks.map(({ source, extraData, ...task }) => ({
    ...task,
    source: {
      template: texts.place(source.template),
      flowInput: place(source.flowInput),
      results: mapJson(source.results, (json) => texts.place(json)),
      ...(source.own && { own: mapValues(source.own, place) }),
      item: place(source.item),
    },
    extraData: place(extraData),
  }));
  return { texts: texts.all, tasks: packed };
}

/** What `pack` was given. */
export function unpack({ source, extraData, ...task }: PackedTask, texts: readonly string[]): ThreadTask {
  const text = (place: number | null) => (place === null ? null : texts[place]!);
  return {
    ...task,
    source: {
      template: texts[source.template]!,
      flowInput: text(source.flowInput),
      results: mapJson(source.results, (place) => texts[place]!),
      ...(source.own && { own: mapValues(source.own, text) }),
      item: text(source.item),
    },
    extraData: text(extraData),
  };
}

function mapJson<From, To>(
  results: Record<string, { batch: boolean; json: From }>,
  map: (json: From) => To,
): Record<string, { batch: boolean; json: To }> {
  return mapValues(results, ({ batch, json }) => ({ batch, json: map(json) }));
}

function mapValues<From, To>(record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));
}
