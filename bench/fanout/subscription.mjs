/** What every subscriber asks of every server, in an operation of this id. */
export const OPERATION = '1';

export const DOCUMENT = `subscription ($job: ID!) {
  jobEvents(jobId: $job) {
    id
    type
    cursor
    occurredAt
    jobId
    sequence
    ... on TaskProgressed { taskId nodeName batchId percent message }
  }
}`;
