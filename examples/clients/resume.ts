import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export interface JobEvent {
  type: string;
  sequence: number;
  cursor: string;
}

const FOLLOW = `subscription ($jobId: ID!, $after: Cursor) {
  jobEvents(jobId: $jobId, after: $after) { type sequence cursor }
}`;

/** Calls `handle` with every event of a job, each once, however often the connection is lost; resolves when the job has ended. */
export async function followJob(
  url: string,
  jobId: string,
  handle: (event: JobEvent) => void,
  apiKey?: string,
): Promise<void> {
  // graphql-ws reads the variables anew for each connection: keeping the cursor in them is all there is to resuming.
  const variables: Record<string, unknown> = { jobId };
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Forbidden or too many sockets: not without a change. The library itself gives up on 4401 and its like.
    shouldRetry: (closed) => ![4403, 4429].includes((closed as { code?: number }).code ?? 0),
  });
  try {
    for await (const { data, errors } of client.iterate<{ jobEvents: JobEvent }>({
      query: FOLLOW,
      variables,
    })) {
      if (errors || !data) throw new Error(errors?.[0]?.message ?? 'no data');
      handle(data.jobEvents);
      variables['after'] = data.jobEvents.cursor;
    }
  } finally {
    await client.dispose();
  }
}
