// Submits a pipeline and prints every event of its job, each once, however often the connection is lost.
//
//   node examples/clients/follow.mjs [examples/pipelines/diamond.json]
//
// CARILLON_URL   the server, http://127.0.0.1:4000 where not set
// CARILLON_KEY   an API key with the scopes READ and SUBMIT, where the server has keys
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const url = `${process.env.CARILLON_URL ?? 'http://127.0.0.1:4000'}/graphql`;
const authorization = process.env.CARILLON_KEY ? `Bearer ${process.env.CARILLON_KEY}` : undefined;
const file = process.argv[2] ?? new URL('../pipelines/diamond.json', import.meta.url);

const SUBMIT = `mutation ($descriptor: JSON!) {
  submitDescriptor(input: { descriptor: $descriptor }) { job { id } userErrors { message } }
}`;
const FOLLOW = `subscription ($jobId: ID!, $after: Cursor) {
  jobEvents(jobId: $jobId, after: $after) {
    type
    sequence
    cursor
    ... on JobStatusChanged { progress { details } error { message } }
    ... on JobProgressed { progress { details } }
    ... on TaskEvent { nodeName batchId }
  }
}`;
// Wrong or missing key, not allowed, too many sockets: trying again unchanged would not help.
const FATAL_CODES = [4400, 4401, 4403, 4429];

async function submit(descriptor) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
    body: JSON.stringify({ query: SUBMIT, variables: { descriptor } }),
  });
  const { data, errors } = await response.json();
  const problems = errors ?? data.submitDescriptor.userErrors;
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
  return data.submitDescriptor.job.id;
}

async function follow(jobId) {
  let after = null;
  for (;;) {
    // The client's own retries would ask again from the start: it does not know the cursor.
    const client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: authorization && { authorization },
    });
    try {
      for await (const { data, errors } of client.iterate({ query: FOLLOW, variables: { jobId, after } })) {
        if (errors) throw new Error(errors[0].message);
        show(data.jobEvents);
        after = data.jobEvents.cursor;
      }
      return; // It completes after the event that ended the job.
    } catch (error) {
      if (typeof error?.code !== 'number' || FATAL_CODES.includes(error.code)) throw error;
      console.log(`    connection lost (${error.code}), going on after the last event`);
      await wait(500);
    } finally {
      await client.dispose();
    }
  }
}

function show({ type, sequence, nodeName, batchId, progress, error }) {
  const what = error?.message ?? progress?.details ?? batchId ?? nodeName ?? '';
  console.log(`${String(sequence).padStart(3)} ${type.padEnd(15)} ${what}`);
}

const jobId = await submit(JSON.parse(await readFile(file, 'utf8')));
console.log(`job ${jobId}`);
await follow(jobId);
