import type { Tenant, Things } from '../support/tenant.js';

/** One operation that A asks with something of B's, and with what never was. */
export interface Row {
  /** Uses `$x` where something is named; a row without it lists what is the caller's own. */
  document: string;
  /** What is named, of the account it belongs to. */
  x?: (of: Things) => string[];
  /** Variables that name things of whoever asks. */
  own?: (of: Things) => Record<string, string>;
  /** Of a stream: how many answers are waited for; to its end where not given. */
  take?: number;
  /** What must happen before a stream has something to say to its owner. */
  stir?: (owner: Tenant) => Promise<void>;
  /** Why its owner is told nothing else. Every other row must find something for its owner, or it would prove nothing. */
  blind?: string;
}

const cursorsOf = (ids: string[]) => ids.map((id) => Buffer.from(id).toString('base64url'));
/** Of its stored pipeline that has run: named like its jobs. */
const storedName = ({ completed }: Things['jobs']) => completed.split(':')[0]!.replace(/pipeline$/, 'stored');
const allJobs = ({ jobs }: Things) => Object.values(jobs);
/** An early place in the log, with events of every kind behind it. */
const early = ({ cursors }: Things) => [cursors[0]!];
const middle = (ids: string[]) => [ids[Math.floor(ids.length / 2)]!];
export const ERRORS = 'userErrors { code message path }';

export const table: Row[] = [
  // Queries
  { document: 'query ($x: ID!) { job(id: $x) { id status } }', x: allJobs },
  {
    document: 'query ($x: ID!) { node(id: $x) { __typename id } }',
    x: (of) => [
      of.account,
      ...of.keys,
      ...allJobs(of),
      ...Object.values(of.pipelines),
      ...of.tasks,
      ...Object.values(of.webhooks),
      ...of.deliveries,
    ],
  },
  {
    document: 'query ($x: ID!) { node(id: $x) { __typename id } }',
    x: ({ events }) => events,
    blind: 'events are no nodes',
  },
  {
    document: 'query ($x: ID!, $job: ID!) { nodes(ids: [$job, $x]) { __typename id } }',
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: (of) => [of.account, of.keys[0]!, of.jobs.running, of.tasks[0]!, of.webhooks.hook, of.deliveries[0]!],
  },
  {
    document: 'query ($x: String!) { pipeline(name: $x) { id version descriptor description } }',
    x: ({ jobs }) => [storedName(jobs)],
  },
  {
    document:
      'query ($x: String) { a: pipelines(after: $x) { nodes { id } } b: pipelines(before: $x) { nodes { id } } }',
    x: ({ jobs }) => cursorsOf([storedName(jobs)]),
  },
  {
    document: `query ($x: String, $own: String!) { pipeline(name: $own) {
      a: jobs(after: $x) { nodes { id } } b: jobs(before: $x) { nodes { id } } } }`,
    own: ({ jobs }) => ({ own: storedName(jobs) }),
    x: ({ jobs }) => cursorsOf([jobs.last]),
  },
  {
    document:
      'query ($x: String!, $own: String!) { pipeline(name: $own) { jobs(filter: { pipelines: [$x] }) { nodes { id } } } }',
    own: ({ jobs }) => ({ own: storedName(jobs) }),
    x: ({ jobs }) => [storedName(jobs)],
  },
  {
    document:
      'query ($x: String!, $own: String!) { pipeline(name: $own) { jobs(filter: { tags: [$x] }) { nodes { id } } } }',
    own: ({ jobs }) => ({ own: storedName(jobs) }),
    x: ({ tag }) => [tag],
  },
  {
    document:
      'query ($x: String!, $own: String!) { pipeline(name: $own) { jobs(filter: { externalId: $x }) { nodes { id } } } }',
    own: ({ jobs }) => ({ own: storedName(jobs) }),
    x: ({ externalId }) => [externalId],
  },
  {
    document: `query ($x: String, $own: ID!) { job(id: $own) {
      a: children(after: $x) { nodes { id } } b: children(before: $x) { nodes { id } } } }`,
    own: ({ jobs }) => ({ own: jobs.parent }),
    x: ({ jobs }) => cursorsOf([jobs.last]),
  },
  { document: 'query ($x: ID!) { webhook(id: $x) { id url } }', x: ({ webhooks }) => [webhooks.hook] },
  {
    document:
      'query ($x: String) { a: jobs(after: $x) { nodes { id } } b: jobs(before: $x) { nodes { id } } }',
    x: ({ jobs }) => cursorsOf([jobs.running]),
  },
  {
    document: 'query ($x: String!) { jobs(filter: { pipelines: [$x] }) { nodes { id } } }',
    x: ({ jobs }) => [jobs.completed.split(':')[0]!],
  },
  {
    document: 'query ($x: String!) { jobs(filter: { tags: [$x] }) { nodes { id } } }',
    x: ({ tag }) => [tag],
  },
  {
    document: 'query ($x: String!) { jobs(filter: { externalId: $x }) { nodes { id } } }',
    x: ({ externalId }) => [externalId],
  },
  {
    document:
      'query ($x: String) { a: webhooks(after: $x) { nodes { id } } b: webhooks(before: $x) { nodes { id } } }',
    x: ({ webhooks }) => cursorsOf([webhooks.slow]),
  },
  {
    document:
      'query ($x: String) { a: deliveries(after: $x) { nodes { id } } b: deliveries(before: $x) { nodes { id } } }',
    x: ({ deliveries }) => cursorsOf(middle(deliveries)),
  },
  {
    document: 'query ($x: ID) { deliveries(filter: { webhookId: $x }) { nodes { id } } }',
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document: 'query ($x: ID) { deliveries(filter: { jobId: $x }) { nodes { id } } }',
    x: ({ jobs }) => [jobs.completed],
  },
  { document: 'query ($x: Cursor) { events(after: $x) { nodes { id } } }', x: early },
  {
    document: 'query ($x: ID!) { events(filter: { jobIds: [$x] }) { nodes { id } } }',
    x: ({ jobs }) => [jobs.completed],
  },
  {
    document: 'query ($x: ID!) { events(filter: { webhookIds: [$x] }) { nodes { id } } }',
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document: 'query ($x: String!) { events(filter: { pipelines: [$x] }) { nodes { id } } }',
    x: ({ jobs }) => [jobs.completed.split(':')[0]!],
  },
  {
    document: 'query ($x: String!) { events(filter: { tags: [$x] }) { nodes { id } } }',
    x: ({ tag }) => [tag],
  },
  {
    document:
      'query ($x: String) { viewer { account { a: apiKeys(after: $x) { nodes { id } } b: apiKeys(before: $x) { nodes { id } } } } }',
    x: ({ keys }) => cursorsOf(middle(keys)),
  },
  {
    document: 'query ($x: Cursor, $job: ID!) { job(id: $job) { events(after: $x) { nodes { id } } } }',
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: early,
  },
  {
    document:
      'query ($x: String, $job: ID!) { job(id: $job) { a: deliveries(after: $x) { nodes { id } } b: deliveries(before: $x) { nodes { id } } } }',
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: ({ deliveries }) => cursorsOf(deliveries),
  },
  {
    document: `query ($x: String, $job: ID!) { job(id: $job) {
      a: tasks(after: $x) { nodes { id } } b: tasks(before: $x) { nodes { id } }
      nodes { a: tasks(after: $x) { nodes { id } } b: tasks(before: $x) { nodes { id } } } } }`,
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: ({ tasks }) => cursorsOf(tasks),
    blind: 'of a task its place is looked at, whatever job it is of',
  },
  {
    document: `query ($x: String!, $job: ID!) { job(id: $job) {
      tasks(filter: { nodeNames: [$x] }) { nodes { id } } nodes { tasks(filter: { nodeNames: [$x] }) { nodes { id } } } } }`,
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: ({ nodeName }) => [nodeName],
  },
  {
    document:
      'query ($x: String, $hook: ID!) { webhook(id: $hook) { a: deliveries(after: $x) { nodes { id } } b: deliveries(before: $x) { nodes { id } } } }',
    own: ({ webhooks }) => ({ hook: webhooks.hook }),
    x: ({ deliveries }) => cursorsOf(middle(deliveries)),
  },
  {
    document:
      'query ($x: ID, $hook: ID!) { webhook(id: $hook) { deliveries(filter: { webhookId: $x }) { nodes { id } } } }',
    own: ({ webhooks }) => ({ hook: webhooks.hook }),
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document:
      'query ($x: ID, $hook: ID!) { webhook(id: $hook) { deliveries(filter: { jobId: $x }) { nodes { id } } } }',
    own: ({ webhooks }) => ({ hook: webhooks.hook }),
    x: ({ jobs }) => [jobs.completed],
  },
  {
    document: `{ jobs(first: 20) { nodes { id number run externalId pipelineName descriptor status reason error { message taskId } tags
      progress { details } cursor nodes { name tasks(first: 5) { nodes { id } } }
      tasks(first: 5) { nodes { id job { id } input result error { message } worker } } results(first: 5) { nodes { nodeName result error } }
      events(first: 20) { nodes { id cursor } } deliveries(first: 20) { nodes { id } }
      parent { id } children(first: 5) { nodes { id pipelineName } } } } }`,
  },
  {
    document: `{ pipelines { nodes { id name version descriptor description tags createdAt modifiedAt
      cron { pattern nextRunAt lastError lastJob { id } } triggeredBy triggers triggerError
      versions { nodes { version descriptor createdAt } } jobs { nodes { id types } } } } }`,
  },
  {
    document: `{ webhooks { nodes { id url description headers { name value } status statusReason
      deliveries(first: 20) { nodes { id } } } } }`,
  },
  {
    document: `{ deliveries(first: 100) { nodes { id url jobId body bodySha256 webhook { id } event { id }
      attempts(first: 5) { nodes { outcome responseSnippet requestHeaders { name value } delivery { id } } } } } }`,
  },
  {
    document: `{ events(first: 100) { pageInfo { endCursor } nodes { id cursor jobId job { id }
      ... on TaskEvent { taskId task { id } } ... on WebhookStatusChanged { webhookId webhook { id } } } } }`,
  },
  {
    document:
      '{ viewer { scopes apiKey { id prefix name } account { id name defaultWebhookUrl apiKeys { nodes { id name prefix } } } } }',
  },
  {
    document: '{ algorithm(name: "echo") { name kind queue } algorithms { nodes { name } } }',
    blind: 'algorithms are shared by all accounts',
  },

  // Subscriptions
  {
    document: 'subscription ($x: ID!) { job(id: $x) { id status } }',
    x: ({ jobs }) => [jobs.completed, jobs.running],
    take: 1,
  },
  {
    document: 'subscription ($x: ID!) { jobEvents(jobId: $x) { id type } }',
    x: ({ jobs }) => [jobs.completed, jobs.running],
    take: 1,
  },
  {
    document: 'subscription ($x: Cursor, $job: ID!) { jobEvents(jobId: $job, after: $x) { id } }',
    own: ({ jobs }) => ({ job: jobs.last }),
    x: early,
    take: 1,
  },
  { document: 'subscription ($x: Cursor) { events(after: $x) { id } }', x: early, take: 1 },
  // What is asked for besides is later in the log: its owner hears `$x` first.
  {
    document: `subscription ($x: ID!, $after: Cursor, $other: ID!) {
      events(after: $after, filter: { jobIds: [$x, $other], types: [JOB_COMPLETED] }) { jobId } }`,
    own: ({ cursors, jobs }) => ({ after: cursors[0]!, other: jobs.last }),
    x: ({ jobs }) => [jobs.completed],
    take: 1,
  },
  {
    document: `subscription ($x: String!, $after: Cursor, $other: String!) {
      events(after: $after, filter: { pipelines: [$x, $other], types: [JOB_COMPLETED] }) { jobId } }`,
    own: ({ cursors, jobs }) => ({ after: cursors[0]!, other: jobs.last.split(':')[0]! }),
    x: ({ jobs }) => [jobs.completed.split(':')[0]!],
    take: 1,
  },
  {
    document: `subscription ($x: String!, $after: Cursor, $other: String!) {
      events(after: $after, filter: { tags: [$x, $other], types: [JOB_COMPLETED] }) { jobId } }`,
    own: ({ cursors, jobs }) => ({ after: cursors[0]!, other: jobs.last.split(':')[0]! }),
    x: ({ tag }) => [tag],
    take: 1,
  },
  {
    document: `subscription ($x: ID!, $after: Cursor, $other: ID!) {
      events(after: $after, filter: { webhookIds: [$x, $other], types: [WEBHOOK_PING] }) { ... on WebhookStatusChanged { webhookId } } }`,
    own: ({ cursors, webhooks }) => ({ after: cursors[0]!, other: webhooks.hook }),
    x: ({ webhooks }) => [webhooks.slow],
    take: 1,
  },
  {
    document: 'subscription ($x: ID) { deliveryAttempts(webhookId: $x) { outcome delivery { id } } }',
    x: ({ webhooks }) => [webhooks.hook],
    take: 1,
    stir: (owner) => owner.ping(owner.things.webhooks.hook),
  },

  // Mutations
  {
    document: `mutation ($x: ID!) { pauseJob(input: { id: $x }) { job { id } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.running, jobs.completed],
  },
  {
    document: `mutation ($x: ID!) { resumeJob(input: { id: $x }) { job { id } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.running, jobs.completed],
  },
  {
    document: `mutation ($x: ID!) { cancelJob(input: { id: $x, reason: "mine" }) { job { id } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.running, jobs.completed],
  },
  {
    document: `mutation ($x: ID!) { rerunJob(input: { id: $x }) { job { pipelineName rerunOf { id } } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.completed, jobs.failed],
  },
  {
    document: `mutation ($x: String, $job: ID!) { rerunJob(input: { id: $job, from: NODE, nodeName: $x }) { job { pipelineName } ${ERRORS} } }`,
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: ({ nodeName }) => [nodeName],
  },
  {
    document: `mutation ($x: String, $job: ID!) { rerunJob(input: { id: $job, idempotencyKey: $x }) { job { pipelineName } ${ERRORS} } }`,
    own: ({ jobs }) => ({ job: jobs.completed }),
    x: ({ idempotencyKey }) => [idempotencyKey],
  },
  {
    document: `mutation ($x: ID!) { resendDelivery(input: { id: $x }) { delivery { id } ${ERRORS} } }`,
    x: ({ deliveries }) => [deliveries[0]!],
  },
  {
    document: `mutation ($x: ID!) { pingWebhook(input: { id: $x }) { attempt { outcome } ${ERRORS} } }`,
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document: `mutation ($x: ID!) { rotateWebhookSecret(input: { id: $x }) { webhook { id } secret ${ERRORS} } }`,
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document: `mutation ($x: ID!) { updateWebhook(input: { id: $x, enabled: false, url: "http://127.0.0.1:9/", description: "mine" }) { webhook { id } ${ERRORS} } }`,
    x: ({ webhooks }) => [webhooks.hook],
  },
  {
    document: `mutation ($x: ID) { rotateAccountWebhookSecret(input: { accountId: $x }) { secret ${ERRORS} } }`,
    x: ({ account }) => [account],
  },
  {
    document: `mutation { updateAccount(input: {}) { account { id name defaultWebhookUrl apiKeys { nodes { id name } } } ${ERRORS} } }`,
  },
  {
    // The second: the first is the one that its owner asks with.
    document: `mutation ($x: ID!) { revokeApiKey(input: { id: $x }) { apiKey { id name } ${ERRORS} } }`,
    x: ({ keys }) => [keys[1]!],
  },
  {
    document: `mutation { createApiKey(input: { name: "k", scopes: [READ] }) { apiKey { name limits { sockets } } ${ERRORS} } }`,
    blind: 'a new key tells nothing of what was there before',
  },
  {
    document: `mutation ($x: URL!) { registerWebhook(input: { url: $x, events: [WEBHOOK_RECOVERED] }) { webhook { status statusReason } ${ERRORS} } }`,
    x: ({ slowUrl }) => [slowUrl],
  },
  {
    document: `mutation ($x: String!) { submitPipeline(input: { name: $x, nodes: [{ nodeName: "n", algorithmName: "noop" }] }) { job { run } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.completed.split(':')[0]!],
  },
  {
    document: `mutation ($x: String) { submitPipeline(input: { name: "p", nodes: [{ nodeName: "n", algorithmName: "noop" }], idempotencyKey: $x }) { job { pipelineName } ${ERRORS} } }`,
    x: ({ idempotencyKey }) => [idempotencyKey],
  },
  {
    document: `mutation ($x: String) { submitDescriptor(input: { descriptor: { name: "p", nodes: [{ nodeName: "n", algorithmName: "noop" }] }, idempotencyKey: $x }) { job { pipelineName } ${ERRORS} } }`,
    x: ({ idempotencyKey }) => [idempotencyKey],
  },
  {
    document: `mutation ($x: String) { runAlgorithm(input: { name: "noop", idempotencyKey: $x }) { job { pipelineName } ${ERRORS} } }`,
    x: ({ idempotencyKey }) => [idempotencyKey],
  },
  {
    document: `mutation ($x: String!) { savePipeline(input: { descriptor: { name: $x, nodes: [{ nodeName: "n", algorithmName: "noop" }] }, ifVersion: 1 }) { pipeline { version } ${ERRORS} } }`,
    x: ({ jobs }) => [storedName(jobs)],
  },
  {
    document: `mutation ($x: String!) { runPipeline(input: { name: $x }) { job { run } ${ERRORS} } }`,
    x: ({ jobs }) => [storedName(jobs)],
  },
  {
    document: `mutation ($x: String, $own: String!) { runPipeline(input: { name: $own, idempotencyKey: $x }) { job { pipelineName } ${ERRORS} } }`,
    own: ({ jobs }) => ({ own: storedName(jobs) }),
    x: ({ idempotencyKey }) => [idempotencyKey],
  },
  {
    document: `mutation ($x: String!) { deletePipeline(input: { name: $x }) { deletedPipelineName stoppedJobs ${ERRORS} } }`,
    x: ({ jobs }) => [storedName(jobs)],
  },
  {
    document: `mutation ($x: ID!) { deleteWebhook(input: { id: $x }) { deletedWebhookId ${ERRORS} } }`,
    x: ({ webhooks }) => [webhooks.hook, webhooks.slow],
  },
];

/** Texts that name nothing of an account, and why. Ids and cursors have a row, always. */
export const namesNothing: Record<string, string> = {
  'Query.algorithm(name)': 'algorithms are shared by all accounts',
  'Query.algorithms(after)': 'algorithms are shared by all accounts',
  'Query.algorithms(before)': 'algorithms are shared by all accounts',
  'Delivery.attempts(after)': 'a number that counts the attempts of this delivery',
  'Delivery.attempts(before)': 'a number that counts the attempts of this delivery',
  'Pipeline.versions(after)': 'a number that counts the versions of this pipeline',
  'Pipeline.versions(before)': 'a number that counts the versions of this pipeline',
  'Job.results(after)': 'a number that counts the results of this job',
  'Job.results(before)': 'a number that counts the results of this job',
  'CancelJobInput.reason': 'kept as it is',
  'CreateApiKeyInput.name': 'kept as it is: two keys may have the same',
  'CronInput.pattern': 'kept as it is',
  'CronInput.timeZone': 'kept as it is',
  'HttpHeaderInput.name': 'of a header',
  'HttpHeaderInput.value': 'of a header',
  'JobWebhooksInput.progress': 'URLs are told apart by account: see registerWebhook(input.url)',
  'JobWebhooksInput.result': 'URLs are told apart by account: see registerWebhook(input.url)',
  'NodeInput.algorithmName': 'algorithms are shared by all accounts',
  'NodeInput.extraData': 'handed to the algorithm as it is',
  'NodeInput.input': 'refers to nodes of its own pipeline alone',
  'NodeInput.nodeName': 'of its own pipeline',
  'NodeInput.spec': 'kept as it is',
  'PipelineOptionsInput.debugOverride': 'nodes of its own pipeline',
  'RegisterWebhookInput.description': 'kept as it is',
  'RegisterWebhookInput.pipelines': "compared with names of the account's own jobs",
  'RegisterWebhookInput.secret': 'kept as it is',
  'RotateWebhookSecretInput.secret': 'kept as it is',
  'RunAlgorithmInput.input': 'refers to nodes of its own pipeline alone',
  'RunAlgorithmInput.name': 'algorithms are shared by all accounts',
  'RunAlgorithmInput.tags': 'kept as they are',
  'RunPipelineInput.externalId': 'kept as it is',
  'RunPipelineInput.flowInput': 'handed to the algorithms as it is',
  'RunPipelineInput.nodes': 'parts of nodes of its own pipeline',
  'RunPipelineInput.tags': 'kept as they are',
  'RunWebhooksInput.progress': 'URLs are told apart by account: see registerWebhook(input.url)',
  'RunWebhooksInput.result': 'URLs are told apart by account: see registerWebhook(input.url)',
  'SavePipelineInput.descriptor': 'read like a submission; its name is that of a row of savePipeline',
  'SubmitDescriptorInput.descriptor': 'read by the same code as the input of submitPipeline',
  'SubmitPipelineInput.description': 'kept as it is',
  'SubmitPipelineInput.experimentName': 'kept as it is',
  'SubmitPipelineInput.externalId': 'kept as it is',
  'SubmitPipelineInput.flowInput': 'handed to the algorithms as it is',
  'SubmitPipelineInput.tags': 'kept as they are',
  'TriggersInput.pipelines': "compared with names of the account's own jobs",
  'UpdateAccountInput.defaultWebhookUrl': 'URLs are told apart by account: see registerWebhook(input.url)',
  'UpdateWebhookInput.description': 'kept as it is',
  'UpdateWebhookInput.pipelines': "compared with names of the account's own jobs",
  'UpdateWebhookInput.url': 'URLs are told apart by account: see registerWebhook(input.url)',
};

/** Every route beside GraphQL, and what its path may name: nothing, so far. */
export const routes: Record<string, { path: (x: string) => string; x?: (of: Things) => string[] }> = {
  'GET /healthz': { path: () => '/healthz' },
  'GET /readyz': { path: () => '/readyz' },
  'GET /metrics': { path: () => '/metrics' },
};
