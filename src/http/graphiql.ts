import { renderGraphiQL } from '@graphql-yoga/render-graphiql';

const SUBMIT = `# Welcome to Carillon. Run this with Ctrl-Enter: it submits a pipeline of one node.
# "#[1,2,3]" makes one task of each element, so "green-alg" runs three times.
# Copy the job's id from the answer into the tab "Follow".
mutation Submit {
  submitPipeline(
    input: {
      name: "batch"
      nodes: [{ nodeName: "green", algorithmName: "green-alg", input: ["#[1,2,3]"] }]
    }
  ) {
    job {
      id
      status
      progress { details }
    }
    userErrors { code message path }
  }
}
`;

const FOLLOW = `# Every event of one job, live; it completes when the job has ended.
# Put the id of your job into the variables below. To resume, give the last cursor as "after".
subscription Follow($jobId: ID!) {
  jobEvents(jobId: $jobId) {
    type
    cursor
    occurredAt
    ... on JobStatusChanged { status progress { details } error { message } }
    ... on JobProgressed { progress { percent details } }
    ... on TaskStatusChanged { nodeName batchId taskStatus: status attempt }
  }
}
`;

const LOOK = `# The newest jobs and what they have made.
query Jobs {
  jobs(first: 5) {
    nodes {
      id
      status
      progress { details }
      results { nodes { nodeName batchIndex result error } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

/** What the tabs open with. */
export const graphiqlDocuments = [SUBMIT, FOLLOW, LOOK];

let page: Buffer | null = null;

/**
 * The GraphiQL page: all of it is in the answer, so it works without a network. Made once, when first asked for. Its
 * bytes (9 MB) are the same for all: nobody needs a key for it, and of text each answer would hold a copy until read.
 */
export function graphiqlPage(): Buffer {
  page ??= Buffer.from(render());
  return page;
}

function render(): string {
  return renderGraphiQL({
    title: 'Carillon',
    endpoint: '/graphql',
    // Server-sent events carry the headers of the headers editor, so keys work for subscriptions too.
    subscriptionsProtocol: 'SSE',
    defaultTabs: [{ query: SUBMIT }, { query: FOLLOW, variables: '{ "jobId": "batch:…" }' }, { query: LOOK }],
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    inputValueDeprecation: true,
  });
}

/** A page that has been framed by another could have its buttons pressed from there. */
export const graphiqlHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};
