import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  path: string;
  headers: Record<string, string>;
  body: string;
  json: Record<string, unknown>;
}

type Answer = (call: Call, response: ServerResponse) => void;

export interface TestReceiver {
  url: string;
  calls: Call[];
  /** How the next calls are answered; 204 unless told. */
  answer(how: Answer): void;
  /** Resolves once `count` calls (of this path, where given) have come. */
  received(count: number, path?: string): Promise<Call[]>;
  close(): Promise<void>;
}

/** A webhook receiver on loopback that keeps what it is sent. */
export async function startReceiver(): Promise<TestReceiver> {
  const calls: Call[] = [];
  const waiting = new Set<() => void>();
  let how: Answer = (_call, response) => response.writeHead(204).end();

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const headers = request.headers as Record<string, string>;
    const call: Call = { path: request.url ?? '/', headers, body, json: JSON.parse(body) as Call['json'] };
    calls.push(call);
    how(call, response);
    for (const check of [...waiting]) check();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer: (next) => {
      how = next;
    },
    received: (count, path) =>
      new Promise((resolve) => {
        const check = () => {
          const matching = calls.filter((call) => path === undefined || call.path === path);
          if (matching.length < count) return;
          waiting.delete(check);
          resolve(matching);
        };
        waiting.add(check);
        check();
      }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
