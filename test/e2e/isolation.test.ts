import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { decodeCursor, encodeCursor } from '../../src/feed.js';
import { createRoutes, GRAPHQL_PATH, type RouteOptions, routeNames } from '../../src/http/routes.js';
import { answers, isNext, type Transport, told, transports } from '../support/answers.js';
import { fake } from '../support/fake.js';
import { send } from '../support/http.js';
import { references, usesOf } from '../support/references.js';
import { Tenant, type Things } from '../support/tenant.js';
import { World } from '../support/world.js';

/** One operation that A asks with something of B's, and with what never was. */
interface Row {
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
const allJobs = ({ jobs }: Things) => Object.values(jobs);
/** An early place in the log, with events of every kind behind it. */
const early = ({ cursors }: Things) => [cursors[0]!];
const middle = (ids: string[]) => [ids[Math.floor(ids.length / 2)]!];
const ERRORS = 'userErrors { code message path }';

const table: Row[] = [
  // Queries
  { document: 'query ($x: ID!) { job(id: $x) { id status } }', x: allJobs },
  {
    document: 'query ($x: ID!) { node(id: $x) { __typename id } }',
    x: (of) => [
      of.account,
      ...of.keys,
      ...allJobs(of),
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
      events(first: 20) { nodes { id cursor } } deliveries(first: 20) { nodes { id } } } } }`,
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
    document: `mutation ($x: ID!) { cancelJob(input: { id: $x, reason: "mine" }) { job { id } ${ERRORS} } }`,
    x: ({ jobs }) => [jobs.running, jobs.completed],
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
    document: `mutation ($x: ID!) { deleteWebhook(input: { id: $x }) { deletedWebhookId ${ERRORS} } }`,
    x: ({ webhooks }) => [webhooks.hook, webhooks.slow],
  },
];

/** Texts that name nothing of an account, and why. Ids and cursors have a row, always. */
const namesNothing: Record<string, string> = {
  'Query.algorithm(name)': 'algorithms are shared by all accounts',
  'Query.algorithms(after)': 'algorithms are shared by all accounts',
  'Query.algorithms(before)': 'algorithms are shared by all accounts',
  'Delivery.attempts(after)': 'a number that counts the attempts of this delivery',
  'Delivery.attempts(before)': 'a number that counts the attempts of this delivery',
  'Job.results(after)': 'a number that counts the results of this job',
  'Job.results(before)': 'a number that counts the results of this job',
  'CancelJobInput.reason': 'kept as it is',
  'CronInput.pattern': 'kept as it is',
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
  'SubmitDescriptorInput.descriptor': 'read by the same code as the input of submitPipeline',
  'SubmitPipelineInput.description': 'kept as it is',
  'SubmitPipelineInput.experimentName': 'kept as it is',
  'SubmitPipelineInput.externalId': 'kept as it is',
  'SubmitPipelineInput.flowInput': 'handed to the algorithms as it is',
  'SubmitPipelineInput.tags': 'kept as they are',
  'TriggersInput.pipelines': 'kept as they are',
  'UpdateAccountInput.defaultWebhookUrl': 'URLs are told apart by account: see registerWebhook(input.url)',
  'UpdateWebhookInput.description': 'kept as it is',
  'UpdateWebhookInput.pipelines': "compared with names of the account's own jobs",
  'UpdateWebhookInput.url': 'URLs are told apart by account: see registerWebhook(input.url)',
};

/** Every route beside GraphQL, and what its path may name: nothing, so far. */
const routes: Record<string, { path: (x: string) => string; x?: (of: Things) => string[] }> = {
  'GET /healthz': { path: () => '/healthz' },
  'GET /readyz': { path: () => '/readyz' },
};

const schema = createSchema();

describe('the table of isolation', () => {
  const used = table.map(({ document }) => usesOf(schema, document));

  it('has a row for every root field', () => {
    const asked = new Set(used.flatMap(({ fields }) => fields));
    const missing = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
      .flatMap((type) => Object.keys(type!.getFields()).map((field) => `${type!.name}.${field}`))
      .filter((field) => !asked.has(field));
    expect(missing, 'add a row to `table` that asks for them').toEqual([]);
  });

  it('has a row for every argument and input field that can name a thing', () => {
    const places = new Set(used.flatMap((one) => one.places));
    const missing = references(schema).filter(
      ({ at, declared, type }) =>
        !places.has(at) && (type === 'ID' || type === 'Cursor' || !namesNothing[declared]),
    );
    expect(
      missing.map(({ at }) => at),
      'add a row to `table` with `$x` in their place, or say in `namesNothing` why such a text names nothing of an account',
    ).toEqual([]);
  });

  it('excuses nothing that is not there', () => {
    const declared = references(schema).map((one) => one.declared);
    expect(Object.keys(namesNothing).filter((one) => !declared.includes(one))).toEqual([]);
  });

  it('has a row for every route', () => {
    const served = routeNames(createRoutes(fake<RouteOptions>('routes', {})));
    const missing = served.filter(
      (name) =>
        !name.endsWith(` ${GRAPHQL_PATH}`) && (!routes[name] || (/[:*]/.test(name) && !routes[name].x)),
    );
    expect(missing, 'add them to `routes`, with `x` where the path names a thing').toEqual([]);
    expect(Object.keys(routes).filter((name) => !served.includes(name))).toEqual([]);
  });
});

/** Something of the same shape and length that never was. */
function neverWas(x: string): string[] {
  const text = Buffer.from(x, 'base64url').toString();
  const account = /^1\.(acc_[a-z0-9]+)\./.exec(text)?.[1];
  if (account) {
    const position = decodeCursor(x, account)!;
    const damaged = x.slice(0, -1) + (x.endsWith('A') ? 'Q' : 'A');
    return [encodeCursor(changed(account), position), damaged];
  }
  if (/^[\x20-\x7e]{8,}$/.test(text) && Buffer.from(text).toString('base64url') === x)
    return [Buffer.from(changed(text)).toString('base64url')];
  return [changed(x)];
}

/** The last letters and digits of an id or a name changed into others, hexadecimal ones into hexadecimal ones. */
function changed(id: string): string {
  const cut = /^tsk_[0-9a-f]{32}/.exec(id)?.[0].length ?? id.length;
  const next = (letter: string) => {
    const set = ['0123456789', 'abcdef', 'ghijklmnopqrstuvwxyz'].find((one) => one.includes(letter))!;
    return set[(set.indexOf(letter) + 1) % set.length]!;
  };
  return id.slice(0, cut - 6) + id.slice(cut - 6, cut).replace(/[a-z0-9]/g, next) + id.slice(cut);
}

function transportsOf(document: string): readonly Transport[] {
  if (document.startsWith('subscription')) return ['stream by POST', 'stream by GET', 'WebSocket'];
  return document.startsWith('mutation') ? ['POST', 'stream by POST', 'WebSocket'] : transports;
}

const titled = table.map((row) => ({ ...row, title: row.document.replace(/\s+/g, ' ') }));

describe('of two accounts on one server', () => {
  let world: World;
  let a: Tenant;
  let b: Tenant;
  let wordsOfB: string[];

  beforeAll(async () => {
    world = await World.open({ CARILLON_WORKER_THREADS: '4' });
    const receiver = await world.receiver();
    receiver.answer((call, response) => {
      if (!call.path.endsWith('-slow')) response.writeHead(204).end();
    });
    const { engine } = world.app;
    const tenants = [await Tenant.open(world, 'eigen'), await Tenant.open(world, 'geheim')] as const;
    [a, b] = tenants;
    // Keys come in turns, so that the place of one among all would show.
    for (const n of [1, 2, 3]) {
      for (const { mark, account } of tenants)
        await engine.createApiKey(account, { name: `${mark}-${n}`, scopes: ['READ'], expiresAt: null });
    }
    for (const tenant of tenants) await tenant.furnish(receiver.url);
    wordsOfB = b.secrets(a);
  });
  afterAll(() => world.close());

  const put = (row: Row, as: Tenant, transport: Transport, x?: string) =>
    told(
      world.url,
      transport,
      {
        query: row.document,
        variables: { ...row.own?.(as.things), ...(x !== undefined && { x }) },
        authorization: as.authorization,
      },
      row.take,
    );

  /** The answer with a sign in place of what was named. */
  const about = async (row: Row, as: Tenant, transport: Transport, x: string) =>
    (await put(row, as, transport, x)).replaceAll(x, '◊');

  function expectNothingOf(words: readonly string[], answer: string): void {
    const found = words.filter((word) => answer.includes(word));
    expect(found, answer).toEqual([]);
  }

  describe.each(titled)('$title', (row) => {
    it.each(transportsOf(row.document))("shows and changes nothing of B's by %s", async (transport) => {
      const before = b.rows();
      if (!row.x) expectNothingOf(wordsOfB, await put(row, a, transport));
      for (const x of row.x?.(b.things) ?? []) {
        const answer = await about(row, a, transport, x);
        expectNothingOf(wordsOfB, answer);
        for (const never of neverWas(x)) expect(await about(row, a, transport, never)).toBe(answer);
      }
      expect(b.rows()).toEqual(before);
    });
  });

  it('cursors of B are as good as damaged ones', async () => {
    const places = titled.filter(({ document }) => document.includes('$x: Cursor'));
    expect(places.length).toBeGreaterThan(0);
    for (const row of places) {
      for (const transport of transportsOf(row.document)) {
        const answer = await put(row, a, transport, b.things.cursors[0]!);
        expect(answer).toContain('"code":"CURSOR_INVALID"');
      }
    }
  });

  it('what B has is NOT_FOUND to who would follow it, and not waited for', async () => {
    const followed = titled.filter(({ document }) => /^subscription \(\$x: ID!?\)/.test(document));
    expect(followed.map(({ document }) => usesOf(schema, document).fields[0])).toEqual([
      'Subscription.job',
      'Subscription.jobEvents',
      'Subscription.deliveryAttempts',
    ]);
    for (const row of followed) {
      for (const transport of transportsOf(row.document))
        expect(await put(row, a, transport, row.x!(b.things)[0]!)).toContain('"code":"NOT_FOUND"');
    }
  });

  it.each(['stream by POST', 'stream by GET'] as const)(
    'a Last-Event-ID of B says nothing (%s)',
    async (transport) => {
      const ask = (id: string) =>
        told(
          world.url,
          transport,
          {
            query: 'subscription ($job: ID!) { jobEvents(jobId: $job) { type } }',
            variables: { job: a.things.jobs.last },
            authorization: a.authorization,
            headers: { 'last-event-id': id },
          },
          1,
        );
      const [cursor] = b.things.cursors;
      const answer = await ask(cursor!);
      expectNothingOf(wordsOfB, answer);
      for (const never of neverWas(cursor!)) expect(await ask(never)).toBe(answer);
    },
  );

  it.each(Object.entries(routes))('%s tells nothing of B', async (name, { path, x }) => {
    const [method] = name.split(' ') as [string];
    const ask = async (of: string) => {
      const { status, text } = await send(world.app.url + path(of), {
        method,
        headers: { authorization: a.authorization },
      });
      return `${status} ${text}`.replaceAll(of || '◊', '◊');
    };
    for (const of of x?.(b.things) ?? ['']) {
      const answer = await ask(of);
      expectNothingOf(wordsOfB, answer);
      if (of !== '') for (const never of neverWas(of)) expect(await ask(never)).toBe(answer);
    }
  });

  it('a path that is not served says the same of all ids', async () => {
    const ask = async (id: string) => {
      const { status, text } = await send(`${world.app.url}/jobs/${id}`, {
        method: 'GET',
        headers: { authorization: a.authorization },
      });
      return `${status} ${text}`.replaceAll(id, '◊');
    };
    const { completed } = b.things.jobs;
    expect(await ask(completed)).toBe(await ask(changed(completed)));
  });

  it('a key of idempotency that B has used makes a job of A alone', async () => {
    const submit = (as: Tenant) =>
      as.ask<{ runAlgorithm: { job: { id: string } | null; userErrors: unknown[] } }>(
        `mutation ($key: String) { runAlgorithm(input: { name: "echo", input: ["same"], idempotencyKey: $key }) { job { id } ${ERRORS} } }`,
        { key: 'of-both' },
      );
    const made = await submit(b);
    const own = await submit(a);
    expect(own.runAlgorithm.userErrors).toEqual([]);
    expect(own.runAlgorithm.job?.id).not.toBe(made.runAlgorithm.job?.id);
    expect(await submit(a)).toEqual(own);
    expect(await submit(b)).toEqual(made);
  });

  it.each([
    ['events', 'WebSocket'],
    ['events', 'stream by POST'],
    ['deliveryAttempts', 'WebSocket'],
    ['deliveryAttempts', 'stream by POST'],
  ] as const)('who follows all %s by %s hears nothing of what B does meanwhile', async (field, transport) => {
    const query = {
      events: 'subscription { events { id cursor type jobId job { id tags results { nodes { result } } } } }',
      deliveryAttempts: 'subscription { deliveryAttempts { outcome delivery { id url jobId body } } }',
    }[field];
    const heard: string[] = [];
    let wake: () => void = () => {};
    const leave = new AbortController();
    const asked = { query, authorization: a.authorization };
    const reading = (async () => {
      for await (const part of answers(world.url, transport, asked, leave.signal)) {
        if (isNext(part)) heard.push(part);
        wake();
      }
    })();
    const until = async (isTrue: () => boolean) => {
      while (!isTrue()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    // It is open once something of A's own is heard.
    while (heard.length === 0) await a.run();
    const before = heard.length;
    const foreign = await b.run();
    await b.ping(b.things.webhooks.hook);
    await b.atRest();
    const own = await a.run();
    await until(() =>
      heard.slice(before).some((part) => part.includes(own) && /JOB_COMPLETED|outcome/.test(part)),
    );
    expect(heard.join('\n')).not.toContain(foreign);
    expectNothingOf(b.secrets(a), heard.join('\n'));
    leave.abort();
    await reading;
  });

  // Last, since it does to B's things what A could not.
  it.each(titled.filter(({ blind }) => !blind))('its owner is told otherwise by $title', async (row) => {
    const transport = row.document.startsWith('subscription') ? 'WebSocket' : 'POST';
    if (!row.x) {
      const answer = await put(row, b, transport);
      expect(
        wordsOfB.some((word) => answer.includes(word)),
        answer,
      ).toBe(true);
      return;
    }
    let answered = false;
    for (const x of row.x(b.things)) {
      const never = await about(row, b, transport, neverWas(x)[0]!);
      const asked = about(row, b, transport, x).finally(() => {
        answered = true;
      });
      while (row.stir && !answered) await row.stir(b);
      expect(await asked).not.toBe(never);
    }
  });
});
