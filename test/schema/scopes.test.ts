import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isLeafType,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { type Scope, scopes } from '../../src/account.js';
import { startReceiver, type TestReceiver } from '../support/receiver.js';
import { World } from '../support/world.js';

/** Every root field: the scope it needs, and arguments that find nothing and change little. */
const roots: Record<string, [scope: Scope, args?: string]> = {
  'Query.algorithm': ['READ', 'name: "x"'],
  'Query.algorithms': ['READ'],
  'Query.deliveries': ['READ'],
  'Query.events': ['READ'],
  'Query.job': ['READ', 'id: "x"'],
  'Query.jobs': ['READ'],
  'Query.node': ['READ', 'id: "x"'],
  'Query.nodes': ['READ', 'ids: ["x"]'],
  'Query.pipeline': ['READ', 'name: "x"'],
  'Query.pipelines': ['READ'],
  'Query.viewer': ['READ'],
  'Query.webhook': ['READ', 'id: "x"'],
  'Query.webhooks': ['READ'],
  'Mutation.cancelJob': ['SUBMIT', 'input: { id: "x" }'],
  'Mutation.createApiKey': ['ADMIN', 'input: { name: "x", scopes: [] }'],
  'Mutation.deletePipeline': ['SUBMIT', 'input: { name: "x" }'],
  'Mutation.deleteWebhook': ['WEBHOOKS', 'input: { id: "x" }'],
  'Mutation.pauseJob': ['SUBMIT', 'input: { id: "x" }'],
  'Mutation.pingWebhook': ['WEBHOOKS', 'input: { id: "x" }'],
  'Mutation.registerWebhook': ['WEBHOOKS', 'input: { url: "http://127.0.0.1:9/", enabled: false }'],
  'Mutation.rerunJob': ['SUBMIT', 'input: { id: "x" }'],
  'Mutation.resendDelivery': ['WEBHOOKS', 'input: { id: "x" }'],
  'Mutation.resumeJob': ['SUBMIT', 'input: { id: "x" }'],
  'Mutation.revokeApiKey': ['ADMIN', 'input: { id: "x" }'],
  'Mutation.rotateAccountWebhookSecret': ['ADMIN', 'input: {}'],
  'Mutation.rotateWebhookSecret': ['WEBHOOKS', 'input: { id: "x" }'],
  'Mutation.runAlgorithm': ['SUBMIT', 'input: { name: "noop" }'],
  'Mutation.runPipeline': ['SUBMIT', 'input: { name: "x" }'],
  'Mutation.savePipeline': ['SUBMIT', 'input: { descriptor: {} }'],
  'Mutation.submitDescriptor': ['SUBMIT', 'input: { descriptor: {} }'],
  'Mutation.submitPipeline': ['SUBMIT', 'input: { name: "x", nodes: [] }'],
  'Mutation.updateAccount': ['ADMIN', 'input: {}'],
  'Mutation.updateWebhook': ['WEBHOOKS', 'input: { id: "x" }'],
  'Subscription.deliveryAttempts': ['READ', 'webhookId: "x"'],
  'Subscription.events': ['READ', 'after: "x"'],
  'Subscription.job': ['READ', 'id: "x"'],
  'Subscription.jobEvents': ['READ', 'jobId: "x"'],
};

/** What a key without READ can read of each thing, once a mutation has answered with it: plain fields alone. */
const plain: Record<string, string> = {
  Account: 'defaultWebhookFormat defaultWebhookUrl id name',
  ApiKey: 'createdAt expiresAt id lastUsedAt name prefix revokedAt scopes',
  Delivery: 'bodyBytes format id jobId nextAttemptAt part source status url',
  DeliveryAttempt: 'durationMs number outcome requestHeaders responseSnippet startedAt statusCode',
  HttpHeader: 'name value',
  Job: 'createdAt cursor error externalId finishedAt id number pipelineName priority progress reason run startedAt status tags types',
  JobError: 'code message nodeName taskId',
  Pipeline: 'createdAt description id modifiedAt name tags version',
  Progress: 'active details failed percent skipped succeeded total',
  UserError: 'code message path',
  Webhook:
    'consecutiveFailures coolingUntil createdAt description events format headers id maxPerSecond pipelines status statusReason timeoutMs url',
};

/** Types that are a part of the one thing that shows them, and hold nothing of another. */
const parts = ['HttpHeader', 'JobError', 'Progress', 'UserError', 'PageInfo'];
/** Leaves that hold content, beside all that is JSON. */
const content = ['Delivery.body', 'Delivery.bodySha256'];

const schema = createSchema();
type Field = GraphQLField<unknown, unknown>;

const fieldsOf = (type: GraphQLNamedType): Field[] =>
  isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];

function scopeOf(field: Field): Scope | undefined {
  const options = field.extensions['pothosOptions'] as { authScopes?: { scope?: Scope } } | undefined;
  return options?.authScopes?.scope;
}

const rootFields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap(
  (type) => fieldsOf(type!).map((field) => ({ at: `${type!.name}.${field.name}`, field })),
);
const payloads = fieldsOf(schema.getMutationType()!).map(
  (field) => getNamedType(field.type) as GraphQLObjectType,
);

/** Every type that can be come to from what mutations answer, through fields that `follow` lets pass. */
function reachable(follow: (field: Field) => boolean): GraphQLNamedType[] {
  const found = new Set<GraphQLNamedType>();
  const visit = (type: GraphQLNamedType) => {
    if (!isCompositeType(type) || found.has(type)) return;
    found.add(type);
    if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(visit);
    for (const field of fieldsOf(type)) if (follow(field)) visit(getNamedType(field.type));
  };
  for (const { type } of payloads.flatMap(fieldsOf)) visit(getNamedType(type));
  return [...found];
}

/** A list of something else, or an item of one: whoever has it came through a field that needed READ. */
const isPage = ({ name }: GraphQLNamedType) => /(Connection|Edge)$/.test(name);

describe('the schema', () => {
  it('asks the scope of the table for every root field', () => {
    const missing = rootFields.filter(({ at }) => !roots[at]).map(({ at }) => at);
    expect(missing, 'add a row to `roots`: the scope that it needs, and arguments').toEqual([]);
    const asked = Object.fromEntries(rootFields.map(({ at, field }) => [at, scopeOf(field)]));
    expect(asked).toEqual(Object.fromEntries(Object.entries(roots).map(([at, [scope]]) => [at, scope])));
  });

  it('asks READ for every field that leads to another thing or holds content, wherever a mutation may lead', () => {
    const open = reachable(() => true)
      .filter((type) => !isPage(type))
      .flatMap((type) =>
        fieldsOf(type)
          .filter(({ name, type: given }) => {
            const to = getNamedType(given);
            const leads = isCompositeType(to) && !parts.includes(to.name);
            return leads || to.name === 'JSON' || content.includes(`${type.name}.${name}`);
          })
          .filter((field) => scopeOf(field) !== 'READ')
          .map((field) => `${type.name}.${field.name}`),
      );
    expect(open, 'give them `authScopes: { scope: "READ" }`').toEqual([]);
  });

  it('leaves the plain fields of what a mutation made or changed to keys without READ, and nothing else', () => {
    const readable = reachable((field) => scopeOf(field) !== 'READ').map((type) => [
      type.name,
      fieldsOf(type)
        .filter((field) => scopeOf(field) !== 'READ')
        .map(({ name }) => name)
        .sort()
        .join(' '),
    ]);
    expect(
      Object.fromEntries(readable.filter(([name]) => name !== 'Node')),
      'a new field is READ, or is listed in `plain` as one that tells nothing of other things',
    ).toEqual(plain);
  });
});

interface Reply {
  data?: Record<string, Record<string, unknown> | null> | null | undefined;
  errors?: readonly { message: string; extensions?: Record<string, unknown> }[] | undefined;
}

describe.each(['HTTP', 'server-sent events', 'WebSocket'] as const)('over %s', (transport) => {
  let world: World;
  let receiver: TestReceiver;
  let webhookId: string;
  const keys = {} as Record<Scope, string>;

  async function ask(scope: Scope, query: string): Promise<Reply> {
    const authorization = `Bearer ${keys[scope]}`;
    if (transport === 'HTTP') return world.graphql(query, {}, { authorization });
    if (transport === 'WebSocket') {
      const answers = world.client({ connectionParams: { authorization } }).iterate({ query });
      try {
        return ((await answers.next()).value ?? {}) as Reply;
      } catch (errors) {
        return { errors: errors as NonNullable<Reply['errors']> };
      } finally {
        await answers.return?.();
      }
    }
    const response = await world.post(JSON.stringify({ query }), {
      authorization,
      accept: 'text/event-stream',
    });
    const line = (await response.text()).split('\n').find((one) => one.startsWith('data: {'));
    return JSON.parse(line?.slice(6) ?? '{}') as Reply;
  }

  const refusedFor = ({ errors }: Reply) =>
    errors?.flatMap(({ extensions }) =>
      extensions?.['code'] === 'FORBIDDEN' ? [extensions['scope']] : [],
    ) ?? [];

  beforeAll(async () => {
    world = await World.open();
    receiver = await startReceiver();
    const { engine, defaultAccountId } = world.app;
    for (const name of scopes) {
      keys[name] = (
        await engine.createApiKey(defaultAccountId, { name, scopes: [name], expiresAt: null })
      ).key;
    }
    const { webhook } = await engine.registerWebhook(defaultAccountId, {
      url: receiver.url,
      events: ['WEBHOOK_PING'],
      pipelines: null,
      format: 'STANDARD',
      description: null,
      headers: [],
      secret: null,
      timeoutMs: 5_000,
      maxPerSecond: null,
      enabled: true,
    });
    webhookId = webhook.id;
  });
  afterAll(async () => {
    await world.close();
    await receiver.close();
  });

  it.each(rootFields)('$at is for keys with its scope alone', async ({ at, field }) => {
    const [needs, args = ''] = roots[at]!;
    const [root, name] = at.split('.') as [string, string];
    if (root === 'Subscription' && transport === 'HTTP') return;
    const selection = isLeafType(getNamedType(field.type)) ? '' : '{ __typename }';
    const query = `${root.toLowerCase()} { ${name}${args && `(${args})`} ${selection} }`;
    for (const scope of scopes) {
      const reply = await ask(scope, query);
      expect(refusedFor(reply), `with ${scope}`).toEqual(scope === needs ? [] : [needs]);
      if (scope === needs) continue;
      expect(reply.data?.[name] ?? null).toBeNull();
      expect(reply.errors?.[0]?.message).toBe(
        `${at} needs the scope ${needs}, which this API key does not have; use a key that has it`,
      );
    }
  });

  const ping = () => world.app.engine.pingWebhook(world.app.defaultAccountId, webhookId);

  /** Shows each thing with a scope that is all a key needs for it. */
  const shows: [type: string, scope: Scope, mutation: () => string | Promise<string>][] = [
    ['Job', 'SUBMIT', () => 'runAlgorithm(input: { name: "noop" }) { job'],
    [
      'Pipeline',
      'SUBMIT',
      () =>
        'savePipeline(input: { descriptor: { name: "x", nodes: [{ nodeName: "n", algorithmName: "noop" }] } }) { pipeline',
    ],
    ['Webhook', 'WEBHOOKS', () => `updateWebhook(input: { id: "${webhookId}" }) { webhook`],
    ['DeliveryAttempt', 'WEBHOOKS', () => `pingWebhook(input: { id: "${webhookId}" }) { attempt`],
    // One that is at rest, or it could not be sent again.
    [
      'Delivery',
      'WEBHOOKS',
      async () => `resendDelivery(input: { id: "${(await ping()).deliveryId}" }) { delivery`,
    ],
    ['Account', 'ADMIN', () => 'updateAccount(input: {}) { account'],
    ['ApiKey', 'ADMIN', () => 'createApiKey(input: { name: "x", scopes: [READ] }) { apiKey'],
  ];

  const selected = ({ name, type }: Field) => {
    const to = getNamedType(type);
    return `${name} ${isLeafType(to) ? '' : `{ ${parts.includes(to.name) ? plain[to.name] : '__typename'} }`}`;
  };

  it.each(shows)(
    '%s shows its plain fields to a key with %s alone, and no other',
    async (type, scope, mutation) => {
      const show = async (fields: readonly Field[]) =>
        ask(scope, `mutation { ${await mutation()} { ${fields.map(selected).join(' ')} } } }`);
      const fields = fieldsOf(schema.getType(type)!);
      const open = fields.filter((field) => scopeOf(field) === undefined);
      const { data, errors } = await show(open);
      expect(errors).toBeUndefined();
      const [payload] = Object.values(data ?? {});
      expect(Object.keys(Object.values(payload ?? {})[0] as object)).toEqual(open.map(({ name }) => name));
      for (const field of fields.filter((one) => !open.includes(one))) {
        const refused = await show([field]);
        expect(refusedFor(refused), field.name).toEqual(['READ']);
        expect(refused.errors?.[0]?.message).toContain(`${type}.${field.name} needs the scope READ`);
      }
    },
  );
});
