import type { ServerResponse } from 'node:http';

/** Sends a fetch Response. Its body is one piece: streams are not answered this way. */
export async function respond(answer: Response, response: ServerResponse): Promise<void> {
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  response.writeHead(answer.status);
  response.end(Buffer.from(await answer.arrayBuffer()));
}
