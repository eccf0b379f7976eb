import { MAX_CHILD_INPUT_BYTES } from '../child.js';
import type { ChildResults } from './contract.js';
import type { ChildAnswer, ChildCall } from './messages.js';
import { thrownMessage } from './payload.js';

/** Jobs that a task has asked for and that have not ended, inside its thread. */
export class Calls {
  readonly #post: (call: number, json: string) => void;
  readonly #open = new Map<
    number,
    { resolve(results: Awaited<ChildResults>): void; reject(error: Error): void }
  >();
  #made = 0;
  /** Why none can be asked for any more. */
  #ended: Error | null = null;

  constructor(post: (call: number, json: string) => void) {
    this.#post = post;
  }

  async make(call: ChildCall): ChildResults {
    if (this.#ended) throw this.#ended;
    const json = jsonOf(call);
    const number = ++this.#made;
    return new Promise((resolve, reject) => {
      this.#open.set(number, { resolve, reject });
      this.#post(number, json);
    });
  }

  answer(number: number, answer: ChildAnswer): void {
    const call = this.#open.get(number);
    this.#open.delete(number);
    if ('problem' in answer) call?.reject(new Error(answer.problem));
    else call?.resolve(answer.results === null ? null : JSON.parse(answer.results));
  }

  /** The task is to stop: whoever waits is told at once. */
  end(reason: Error): void {
    this.#ended = reason;
    for (const { reject } of this.#open.values()) reject(reason);
    this.#open.clear();
  }
}

/** Throws where it cannot be handed over. */
function jsonOf(call: ChildCall): string {
  let json: string;
  try {
    json = JSON.stringify(call);
  } catch (error) {
    throw new Error(`what a job is to be given cannot be written as JSON: ${thrownMessage(error)}`);
  }
  const bytes = Buffer.byteLength(json);
  if (bytes <= MAX_CHILD_INPUT_BYTES) return json;
  throw new Error(
    `what a job is to be given must be at most ${MAX_CHILD_INPUT_BYTES} bytes of JSON, got ${bytes}; hand over less, or a reference to where it is stored`,
  );
}
