// Receives webhooks: checks each signature, tells repeated calls, and answers before the work is done.
//
//   CARILLON_WEBHOOK_SECRET=whsec_… node examples/clients/receiver.mjs
//
// PORT   8080 where not set; 0 takes a free one
//
// The secret is shown once by registerWebhook, or by rotateAccountWebhookSecret for the URLs given with jobs.
import { createServer } from 'node:http';
import { createDedupe, verify } from 'carillon/receiver';

const secret = process.env.CARILLON_WEBHOOK_SECRET;
if (!secret) throw new Error('set CARILLON_WEBHOOK_SECRET to the secret that Carillon signs with, "whsec_…"');

const MAX_BODY_BYTES = 2 * 1024 * 1024;
const dedupe = createDedupe();

const server = createServer(async (request, response) => {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return response.writeHead(413).end();
    chunks.push(chunk);
  }
  try {
    // The bytes as they came: JSON that was parsed and written again has another signature.
    const webhook = await verify(secret, request.headers, Buffer.concat(chunks));
    response.writeHead(204).end();
    if (dedupe.seen(webhook.id)) console.log(`again   ${webhook.id}`);
    else console.log(`${webhook.event}   ${webhook.id}   ${JSON.stringify(webhook.body)}`);
  } catch (error) {
    console.log(`refused: ${error.message}`);
    response.writeHead(400).end();
  }
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
