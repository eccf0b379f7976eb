import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/**
 * Sends a fetch Response. Its body is pulled as fast as the client takes it, and cancelled when the client leaves:
 * that is what ends the source of a stream.
 */
export async function respond(answer: Response, response: ServerResponse): Promise<void> {
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  response.writeHead(answer.status);
  const reader = answer.body?.getReader();
  if (!reader) {
    response.end();
    return;
  }
  const left = new AbortController();
  response.once('close', () => {
    left.abort();
    // A body that has ended refuses to be cancelled, and one that fails to end has no one left to tell.
    reader.cancel().catch(() => {});
  });
  for (;;) {
    const { done, value } = await reader.read();
    if (done || left.signal.aborted) break;
    if (!response.write(value)) {
      await once(response, 'drain', { signal: left.signal }).catch(() => {});
    }
  }
  response.end();
}
