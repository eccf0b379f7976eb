import { messageOf } from '../errors.js';
import type { TaskErrorCode } from '../job.js';
import { jsonBytes } from '../json-bytes.js';
import { type InputSource, resolveInput, sourceBytes } from '../reference.js';

/** How a task fails inside its thread. */
export class TaskFailure extends Error {
  readonly code: TaskErrorCode;

  constructor(code: TaskErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A thrown message is kept whole up to here; it ends in events and webhook bodies. */
const MAX_MESSAGE_CHARS = 10_000;

/** The message of whatever a module threw, however strange: reading it may itself throw. */
export function thrownMessage(thrown: unknown): string {
  try {
    return String(messageOf(thrown)).slice(0, MAX_MESSAGE_CHARS);
  } catch {
    return 'unknown error';
  }
}

/** The input of a task. Throws a TaskFailure: INPUT_INVALID, or INPUT_TOO_LARGE above `maxBytes` of JSON. */
export function readInput(source: InputSource, maxBytes: number): unknown[] {
  let input: unknown[];
  try {
    input = resolveInput(source);
  } catch (error) {
    throw new TaskFailure('INPUT_INVALID', `the input could not be resolved: ${thrownMessage(error)}`);
  }
  // A reference takes 4 characters of the template at least and gives no more than all the texts; a number may be
  // written up to 6 times longer (1e20) and a character take 3 bytes: under this bound nothing need be measured.
  const bound = sourceBytes(source) * 2 * Math.max(source.template.length, 4);
  if (bound > maxBytes && jsonBytes(input, maxBytes) > maxBytes) {
    throw new TaskFailure(
      'INPUT_TOO_LARGE',
      `the resolved input is larger than ${maxBytes} bytes of JSON: refer to less of the parents' results`,
    );
  }
  return input;
}

/** What the pipeline gives every task of a node beside its input. Throws a TaskFailure: INPUT_INVALID. */
export function readExtraData(json: string | null): unknown {
  if (json === null) return undefined;
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new TaskFailure('INPUT_INVALID', `extraData is not JSON: ${thrownMessage(error)}`);
  }
}

/** The JSON text of a result. Throws a TaskFailure: NOT_JSON, or RESULT_TOO_LARGE above `maxBytes`. */
export function writeResult(value: unknown, maxBytes: number): string {
  if (value === undefined) return 'null';
  const type = typeof value;
  if (type === 'function' || type === 'symbol' || type === 'bigint') {
    throw new TaskFailure('NOT_JSON', `the result is a ${type}, which JSON cannot hold: return plain data`);
  }
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'null';
  } catch (error) {
    // Longer than any string may be; every other reason is the value's.
    if (error instanceof RangeError && error.message === 'Invalid string length') {
      throw new TaskFailure('RESULT_TOO_LARGE', tooLarge('more than 512 MiB', maxBytes));
    }
    // V8 draws the circle on further lines.
    const reason = thrownMessage(error).split('\n', 1)[0];
    throw new TaskFailure('NOT_JSON', `the result cannot be written as JSON: ${reason}`);
  }
  // A UTF-16 unit takes 3 bytes of UTF-8 at most.
  if (text.length * 3 > maxBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxBytes) throw new TaskFailure('RESULT_TOO_LARGE', tooLarge(`${bytes} bytes`, maxBytes));
  }
  return text;
}

function tooLarge(size: string, maxBytes: number): string {
  return `the result is ${size} of JSON, above the limit of ${maxBytes} bytes: return less, or where it is kept`;
}
