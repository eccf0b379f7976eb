import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createSocketServer, type Server, type Socket } from 'node:net';
import { TEST_CERTIFICATE, TEST_KEY } from './certificate.js';

/** A server on 127.0.0.1 that a test talks to. */
export interface TestServer {
  url: string;
  port: number;
  /** Connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

/** HTTP, answered by `handler`. */
export function httpServer(handler: RequestListener): Promise<TestServer> {
  return listening(createServer(handler), 'http');
}

/** HTTPS with the certificate of `receiver.test.example`. */
export function httpsServer(handler: RequestListener): Promise<TestServer> {
  return listening(createSecureServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, handler), 'https');
}

/** Bare TCP: for answers that no HTTP server would give. */
export function socketServer(onSocket: (socket: Socket) => void): Promise<TestServer> {
  return listening(createSocketServer(onSocket), 'http');
}

/** A port of 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = await socketServer(() => {});
  await server.close();
  return server.port;
}

async function listening(server: Server, scheme: string): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The caller cuts connections on purpose.
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}/hook`,
    port,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
