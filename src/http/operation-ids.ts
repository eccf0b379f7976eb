/** A close reason is 123 bytes at most. */
const MAX_REASON_CHARS = 30;
/** It is kept with the operation, and stands in each of its messages. Client libraries make some of 36. */
const MAX_ID_CHARS = 1_000;

/** What to do with a message of a client. */
export type Inward = { pass: unknown } | { close: number; reason: string } | null;

interface Running {
  given: string;
  /** It came when as many ran as may. */
  isOver: boolean;
  /** Characters of the message it came with. */
  length: number;
}

/**
 * graphql-ws knows an operation by the client's id alone, so that one which is still winding down would answer for the next of
 * the same id. It is given ids that are never used again; the client's stand in what goes over the wire.
 */
export class OperationIds {
  private count = 0;
  private readonly running = new Map<string, Running>();
  private readonly byGiven = new Map<string, string>();

  constructor(private readonly most: number) {}

  /** The message for graphql-ws, parsed; null: nobody's business any more. */
  inward(text: string): Inward {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return { close: 4400, reason: 'Invalid message received' };
    }
    if (typeof message !== 'object' || message === null || !('type' in message)) return { pass: message };
    const { type } = message;
    const given = 'id' in message ? message.id : undefined;
    if (type === 'ping' && 'payload' in message && !canBeTold(message.payload)) {
      return { close: 4400, reason: 'Invalid message received: nested too deep' };
    }
    if (typeof given !== 'string' || given === '') return { pass: message };
    const known = this.byGiven.get(given);
    if (type === 'complete') {
      if (known === undefined) return null;
      this.end(known);
      return { pass: { ...message, id: known } };
    }
    if (type !== 'subscribe') return { pass: message };
    if (known !== undefined) {
      return { close: 4409, reason: `Subscriber for ${given.slice(0, MAX_REASON_CHARS)} already exists` };
    }
    if (given.length > MAX_ID_CHARS) {
      return { close: 4400, reason: `Invalid message received: id above ${MAX_ID_CHARS} characters` };
    }
    const id = String(++this.count);
    this.running.set(id, { given, isOver: this.running.size >= this.most, length: text.length });
    this.byGiven.set(given, id);
    return { pass: { ...message, id, ...withQuery('payload' in message ? message.payload : null) } };
  }

  /** A message of graphql-ws as its client is to see it; null where the client has given the operation up. */
  outward(text: string): string | null {
    const match = /^\{"id":"(\d+)","type":"(\w+)"/.exec(text);
    if (!match) return text;
    const [, id = '', type] = match;
    const given = this.given(id);
    if (given === null) return null;
    if (type === 'complete' || type === 'error') this.end(id);
    return `{"id":${JSON.stringify(given)}${text.slice(id.length + 8)}`;
  }

  /** The client's id of an operation that runs. */
  given(id: string): string | null {
    return this.running.get(id)?.given ?? null;
  }

  isOver(id: string): boolean {
    return this.running.get(id)?.isOver ?? false;
  }

  lengthOf(id: string): number {
    return this.running.get(id)?.length ?? 0;
  }

  private end(id: string): void {
    const { given } = this.running.get(id)!;
    this.running.delete(id);
    this.byGiven.delete(given);
  }
}

/** graphql-ws wants a query; of a trusted document its id is enough, and an empty query stands for none. */
function withQuery(payload: unknown): object {
  const named = typeof payload === 'object' && payload !== null && 'documentId' in payload;
  return named && !('query' in payload) ? { payload: { ...payload, query: '' } } : {};
}

/** Whether it can be written as JSON again: what can be parsed may be nested too deep for that. */
function canBeTold(payload: unknown): boolean {
  try {
    JSON.stringify(payload);
    return true;
  } catch {
    return false;
  }
}
