import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** An answer as it came over the wire. Names of headers are in small letters; those that came twice are joined. */
export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** A bare connection: for requests that no HTTP client would send. */
export function wire(port: number) {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let unread = '';
  let ended = false;
  let wake: () => void = () => {};
  socket.on('data', (chunk) => {
    unread += chunk.toString('latin1');
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    wake();
  });
  return {
    socket: socket as Socket,
    send: (text: string) => void socket.write(text, 'latin1'),
    /** The next answer; to a HEAD it has no body, whatever it announces. */
    async answer({ head = false } = {}): Promise<WireAnswer> {
      for (let wanted = 0; ; ) {
        const taken = unread.length < wanted ? wanted : takeAnswer(unread, head);
        if (typeof taken === 'object') {
          unread = unread.slice(taken.length);
          return taken.answer;
        }
        // A page of megabytes is looked at again when all of it may be there.
        wanted = taken;
        if (ended) throw new Error(`the connection ended after ${JSON.stringify(unread)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    /** Resolves when the server has closed the connection. */
    closed: () =>
      new Promise<void>((resolve) => (ended ? resolve() : void socket.once('close', () => resolve()))),
  };
}

/** One request on a connection of its own. */
export function exchange(port: number, text: string): Promise<WireAnswer> {
  const { send, answer } = wire(port);
  send(text);
  return answer({ head: text.startsWith('HEAD ') });
}

/** The first answer in the text and its length, or how long the text must be at least. */
function takeAnswer(text: string, head: boolean): { answer: WireAnswer; length: number } | number {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return text.length + 1;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = Number(first.split(' ')[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    const value = line.slice(line.indexOf(':') + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const start = end + 4;
  const bodiless = head || status < 200 || status === 204;
  const body = bodiless ? { text: '', length: 0 } : takeBody(text.slice(start), headers);
  if (typeof body === 'number') return start + body;
  return { answer: { status, headers, text: body.text }, length: start + body.length };
}

function takeBody(text: string, headers: Record<string, string>): { text: string; length: number } | number {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0);
    return text.length < length ? length : { text: text.slice(0, length), length };
  }
  let body = '';
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, line), 16);
    if (line < 0) return text.length + 1;
    if (text.length < line + 4 + size) return line + 4 + size;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
    if (size === 0) return { text: body, length: at };
  }
}
