import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { onTestFinished } from 'vitest';

/** One event of a stream, or one comment. */
export interface Block {
  /** As it came, without the blank line behind it. */
  text: string;
  event?: string;
  data?: string;
  id?: string;
}

export interface Ask {
  query: string;
  variables?: object;
  method?: 'GET' | 'POST';
  accept?: string;
  headers?: Record<string, string>;
  agent?: Agent;
}

/** A reader of server-sent events by the letter of their specification; what is no such stream is read as text. */
export class EventStream {
  /** All that has come. */
  text = '';
  private at = 0;
  private ended = false;
  private failed: Error | null = null;
  private arrived: () => void = () => {};

  private constructor(
    readonly status: number,
    readonly headers: IncomingHttpHeaders,
    private readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.text += chunk;
      this.arrived();
    });
    response.on('end', () => {
      this.ended = true;
      this.arrived();
    });
    response.on('error', (error) => {
      this.failed = error;
      this.arrived();
    });
  }

  static open(url: string, ask: Ask): Promise<EventStream> {
    const { query, variables = {}, method = 'POST', accept = 'text/event-stream', headers, agent } = ask;
    const search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
    const call = request(method === 'GET' ? `${url}?${search}` : url, {
      method,
      agent: agent ?? false,
      headers: { accept, ...(method === 'POST' && { 'content-type': 'application/json' }), ...headers },
    });
    onTestFinished(() => void call.destroy());
    return new Promise((resolve, reject) => {
      call.on('error', reject);
      call.on('response', (response) =>
        resolve(new EventStream(response.statusCode ?? 0, response.headers, response)),
      );
      call.end(method === 'POST' ? JSON.stringify({ query, variables }) : undefined);
    });
  }

  get type(): string {
    return (this.headers['content-type'] ?? '').split(';')[0]!;
  }

  /** The next block; null where the stream has ended. */
  async block(): Promise<Block | null> {
    for (;;) {
      const end = this.text.indexOf('\n\n', this.at);
      if (end >= 0) {
        const text = this.text.slice(this.at, end);
        this.at = end + 2;
        return { text, ...fieldsOf(text) };
      }
      if (this.ended) {
        if (this.at < this.text.length) throw new Error(`half a block: ${this.text.slice(this.at)}`);
        return null;
      }
      if (this.failed) throw this.failed;
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
  }

  /** The next event that is no comment. */
  async event(): Promise<Block | null> {
    for (;;) {
      const block = await this.block();
      if (block === null || block.event !== undefined || block.data !== undefined) return block;
    }
  }

  /** The events up to the end of the stream. */
  async rest(): Promise<Block[]> {
    const events: Block[] = [];
    for (let block = await this.event(); block !== null; block = await this.event()) events.push(block);
    return events;
  }

  /** The whole answer as JSON, of one that is no stream. */
  async json<T>(): Promise<T> {
    while (!this.ended) {
      await new Promise<void>((resolve) => {
        this.arrived = resolve;
      });
    }
    return JSON.parse(this.text) as T;
  }

  leave(): void {
    this.response.destroy();
  }
}

function fieldsOf(text: string): Omit<Block, 'text'> {
  const fields: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^([a-z]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === undefined) throw new Error(`no line of an event stream: ${line}`);
    // A line that begins with a colon is a comment.
    if (name !== '') fields[name] = name === 'data' && name in fields ? `${fields[name]}\n${value}` : value;
  }
  return fields;
}
