import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { shown } from '../errors.js';
import type { Refusal } from './refusal.js';

/** Node hands over every request that offers an upgrade; ours is the WebSocket alone (RFC 9110, 7.8; RFC 6455, 4.1). */
function wantsWebsocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && tokens(headers.upgrade).includes('websocket');
}

/** Why a handshake is refused, or null: what ws would answer with text of its own. */
export function handshakeRefusal({ headers }: IncomingMessage): Refusal | null {
  const { 'sec-websocket-version': version, 'sec-websocket-key': key } = headers;
  if (version !== '13') {
    return {
      status: 426,
      code: 'BAD_USER_INPUT',
      message: `the header Sec-WebSocket-Version must be 13, got ${shown(version)}`,
      headers: { upgrade: 'websocket', 'sec-websocket-version': '13' },
    };
  }
  if (key === undefined || !/^[+/\da-z]{22}==$/i.test(key)) {
    return {
      status: 400,
      code: 'BAD_USER_INPUT',
      message: `the header Sec-WebSocket-Key must be 16 bytes in base64, got ${shown(key)}`,
    };
  }
  return null;
}

/**
 * Serves a request as if it had offered no upgrade: written out again without the offer and put back, in front of what
 * followed it, for a fresh parser to read. Node 20 has no way to decline beforehand. All answers to earlier requests
 * of the socket must have been written: the fresh parser does not know of them.
 */
function serveWithoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    let value = rawHeaders[at + 1]!;
    if (/^(upgrade|http2-settings)$/i.test(name)) continue;
    if (/^connection$/i.test(name)) {
      value = tokens(value)
        .filter((one) => one !== 'upgrade' && one !== 'http2-settings')
        .join(', ');
      if (value === '') continue;
    }
    lines.push(`${name}: ${value}`);
  }
  // Set where an answer was waited for, to end a connection that idles: this one does not.
  if (socket instanceof Socket) socket.setTimeout(0);
  // Node decodes headers as latin1, so this gives the very bytes back.
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

/** Knows which answers are still to be written to a socket: a client may send requests without waiting. */
export class Answering {
  readonly #last = new WeakMap<Duplex, ServerResponse>();

  started(request: IncomingMessage, response: ServerResponse): void {
    this.#last.set(request.socket, response);
  }

  /** The answer that bytes written to the socket now would end up in, or null. */
  open(socket: Duplex): ServerResponse | null {
    const last = this.#last.get(socket);
    return last && !last.writableFinished ? last : null;
  }

  /** Resolves when every answer has been written, or the socket is closed. */
  done(socket: Duplex): Promise<void> {
    const last = this.open(socket);
    return new Promise((resolve) => {
      if (!last || socket.destroyed) return resolve();
      const settle = () => {
        last.off('close', settle);
        socket.off('close', settle);
        resolve();
      };
      last.once('close', settle);
      socket.once('close', settle);
    });
  }
}

export interface Upgrades {
  /** Cuts the sockets that Node has handed over: it does not count them among its connections any more. */
  destroy(): void;
}

/** Gives WebSockets to `open`, and every other request back to the server, each when its turn has come. */
export function takeUpgrades(
  server: Server,
  answering: Answering,
  {
    open,
    failed,
  }: {
    open(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
    failed(error: unknown): void;
  },
): Upgrades {
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    // Until ws or a parser takes over nobody else listens, and an error without a listener ends the process.
    const fail = () => socket.destroy();
    const forget = () => sockets.delete(socket);
    socket.on('error', fail).once('close', forget);
    sockets.add(socket);
    const takeOver = async () => {
      await answering.done(socket);
      if (socket.destroyed) return;
      if (wantsWebsocket(request)) return open(request, socket, head);
      socket.off('error', fail).off('close', forget);
      forget();
      serveWithoutUpgrade(server, request, socket, head);
    };
    takeOver().catch((error: unknown) => {
      failed(error);
      socket.destroy();
    });
  });
  return {
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function tokens(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((one) => one.trim().toLowerCase())
    .filter((one) => one !== '');
}
