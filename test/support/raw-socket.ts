import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

export const PROTOCOL = 'graphql-transport-ws';

export interface Message {
  type: string;
  id?: string;
  payload?: unknown;
}

export interface Closed {
  code: number;
  reason: string;
}

/** A WebSocket that sends whatever it is told and keeps whatever it gets: for what no client library would do. */
export class RawSocket {
  /** Everything received, as it came over the wire. */
  readonly texts: string[] = [];
  /** Resolves when the socket is closed, by whom ever. */
  readonly closed: Promise<Closed>;
  private read = 0;
  private arrived: () => void = () => {};
  private end: Closed | null = null;
  private pings = 0;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => {
      this.texts.push(String(data));
      this.arrived();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) =>
      socket.once('close', (code, reason) => {
        this.end = { code, reason: String(reason) };
        this.arrived();
        resolve(this.end);
      }),
    );
  }

  /** Open, and nothing said yet. */
  static async connect(url: string, protocols: string | string[] = PROTOCOL): Promise<RawSocket> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols);
    const raw = new RawSocket(socket);
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    return raw;
  }

  /** Open and acknowledged. */
  static async ready(url: string, payload?: object): Promise<RawSocket> {
    const raw = await RawSocket.connect(url);
    raw.send({ type: 'connection_init', ...(payload && { payload }) });
    const { type } = await raw.next();
    if (type !== 'connection_ack') throw new Error(`expected connection_ack, got ${type}`);
    return raw;
  }

  /** What is sent in one tick reaches the server in one piece: it runs in this process, and reads in the next. */
  send(...messages: (object | string)[]): void {
    for (const one of messages) this.socket.send(typeof one === 'string' ? one : JSON.stringify(one));
  }

  subscribe(id: string, query: string, variables: object = {}): void {
    this.send({ id, type: 'subscribe', payload: { query, variables } });
  }

  /** The next message, of this operation where an id is given (others are skipped). Rejects once the socket is closed. */
  async next(id?: string): Promise<Message> {
    for (;;) {
      const text = this.texts[this.read];
      if (text !== undefined) {
        this.read++;
        const message = JSON.parse(text) as Message;
        if (id === undefined || message.id === id) return message;
      } else if (this.end) throw new Error(`closed with ${this.end.code} "${this.end.reason}"`);
      else await this.wait();
    }
  }

  /** What comes for this operation up to the message that ends it. */
  async rest(id: string): Promise<Message[]> {
    const messages: Message[] = [];
    for (;;) {
      const message = await this.next(id);
      messages.push(message);
      if (message.type !== 'next') return messages;
    }
  }

  /** Runs an operation to its end. */
  async run(id: string, query: string, variables: object = {}): Promise<Message[]> {
    this.subscribe(id, query, variables);
    return this.rest(id);
  }

  /** Everything that comes before the server answers a ping that is sent now. */
  async untilPong(): Promise<Message[]> {
    const n = ++this.pings;
    this.send({ type: 'ping', payload: { n } });
    const messages: Message[] = [];
    for (;;) {
      const message = await this.next();
      if (message.type === 'pong' && (message.payload as { n?: number })?.n === n) return messages;
      messages.push(message);
    }
  }

  private wait(): Promise<void> {
    return new Promise((resolve) => {
      this.arrived = resolve;
    });
  }
}
