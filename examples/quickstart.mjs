import { once } from 'node:events';
import { createServer } from 'node:http';
import { verify } from 'carillon/receiver';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const url = `${process.env.CARILLON_URL ?? 'http://127.0.0.1:4000'}/graphql`;

async function ask(query, variables) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

// What the webhooks of jobs are signed with: shown once, and the one before is gone.
const { rotateAccountWebhookSecret } = await ask(
  'mutation { rotateAccountWebhookSecret(input: {}) { secret } }',
);

// A receiver that believes only what is signed.
const receiver = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  const webhook = await verify(rotateAccountWebhookSecret.secret, request.headers, body).catch(() => null);
  response.writeHead(webhook ? 204 : 400).end();
  if (webhook) receiver.emit('webhook', webhook);
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');
const called = once(receiver, 'webhook');

// Submit: "#[1,2,3]" makes one task of each element.
const { submitPipeline } = await ask(
  'mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } userErrors { message } } }',
  {
    input: {
      name: 'batch',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
      webhooks: { result: `http://127.0.0.1:${receiver.address().port}/` },
    },
  },
);
if (!submitPipeline.job) throw new Error(submitPipeline.userErrors[0].message);

// Follow: every event, live, each once.
const client = createClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket });
const query = 'subscription ($id: ID!) { jobEvents(jobId: $id) { sequence type } }';
for await (const { data } of client.iterate({ query, variables: { id: submitPipeline.job.id } })) {
  console.log(data.jobEvents.sequence, data.jobEvents.type);
}

// The webhook, proved genuine.
const [{ event, body }] = await called;
console.log(event, body.data);

await client.dispose();
receiver.close().closeAllConnections();
