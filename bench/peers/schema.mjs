// The part of Carillon's schema that is subscribed to, for servers whose events live in memory. Resolvers are the
// default ones: the events are ready objects.
import { randomUUID } from 'node:crypto';

export const typeDefs = /* GraphQL */ `
  scalar Cursor
  scalar DateTime

  enum EventType {
    TASK_PROGRESS
  }

  interface Event {
    id: ID!
    type: EventType!
    cursor: Cursor!
    occurredAt: DateTime!
    jobId: ID
    sequence: Int
  }

  type TaskProgressed implements Event {
    id: ID!
    type: EventType!
    cursor: Cursor!
    occurredAt: DateTime!
    jobId: ID
    sequence: Int
    taskId: ID!
    nodeName: String!
    batchId: String
    percent: Float
    message: String
  }

  type Query {
    ok: Boolean
  }

  type Subscription {
    jobEvents(jobId: ID!): Event!
  }
`;

/** As many jobs as the parent asked for. */
export const jobs = Array.from({ length: Number(process.argv[2]) }, () => `fanout:${randomUUID()}`);

let sequence = 0;

/** The next event of each job: as long, on the wire, as Carillon's. */
export function nextEvents() {
  sequence++;
  const now = Date.now();
  return jobs.map((jobId, index) => {
    const position = sequence * jobs.length + index;
    return {
      __typename: 'TaskProgressed',
      id: `evt_0123456789abcdefghijklmn_${position.toString(36)}_${now.toString(36)}`,
      type: 'TASK_PROGRESS',
      cursor: Buffer.from(`1.acc_0123456789abcdefghijklmn.${position}.abcdef`).toString('base64url'),
      occurredAt: new Date(now).toISOString(),
      jobId,
      sequence,
      taskId: `tsk_${jobId.slice(-36).replaceAll('-', '')}_0_0`,
      nodeName: 'n',
      batchId: null,
      percent: sequence % 100,
      message: `step ${sequence} is done`,
    };
  });
}
