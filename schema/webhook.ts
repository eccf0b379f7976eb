import type { Delivery } from '../src/delivery.js';
import type { HttpHeader, WebhookFormat, WebhookStatus } from '../src/webhook.js';
import { builder } from './builder.js';
import { connection, emptyConnection } from './connection.js';
import { DeliveryConnection, DeliveryFilterInput } from './delivery.js';
import { described } from './enum.js';
import { EventTypeEnum } from './event.js';
import { given } from './input.js';
import { DeliveryRef, WebhookRef } from './refs.js';

export const WebhookFormatEnum = builder.enumType('WebhookFormat', {
  description:
    'How an event is written for a receiver. Headers are those of Standard Webhooks in every format.',
  values: described<WebhookFormat>({
    STANDARD: 'Standard Webhooks: { type, timestamp, data }.',
    CLOUDEVENTS: 'CloudEvents 1.0 in structured JSON.',
    QUERY: 'The answer to a GraphQL document that the webhook was registered with.',
    HKUBE: "HKube's progress and result bodies.",
    HKUBE_V2: "HKube's bodies as its version 2 writes them.",
    PIPELET: "Pipelet's bodies.",
    REPORT: 'The bodies of the async reports guide.',
    SERPWOW: "SerpWow's batch bodies.",
    CORTEX: "Cortex's bodies.",
  }),
});

export const WebhookStatusEnum = builder.enumType('WebhookStatus', {
  description: 'Whether a webhook is called.',
  values: described<WebhookStatus>({
    ENABLED: 'Called as events come.',
    COOLING: 'Its URL timed out: left alone until `coolingUntil`, then tried again.',
    DISABLED: 'Not called; its deliveries are held until it is enabled.',
  }),
});

export const HttpHeaderRef = builder.objectRef<HttpHeader>('HttpHeader').implement({
  description: 'An HTTP header.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    value: t.exposeString('value', { description: 'Its value; "•••" where it may be a secret.' }),
  }),
});

builder.node(WebhookRef, {
  description: 'A registered endpoint: called with every event that matches.',
  id: { resolve: (webhook) => webhook.id },
  loadOne: (id, { loaders }) => loaders.webhook.load(id),
  fields: (t) => ({
    url: t.expose('url', { type: 'URL', description: 'Where it is called.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for, for people.',
    }),
    events: t.expose('events', { type: [EventTypeEnum], description: 'The events it is called with.' }),
    pipelines: t.exposeStringList('pipelines', {
      description: 'Only events of jobs of these pipelines, by name; empty: all.',
    }),
    format: t.expose('format', { type: WebhookFormatEnum, description: 'How its bodies are written.' }),
    status: t.expose('status', { type: WebhookStatusEnum, description: 'Whether it is called.' }),
    statusReason: t.exposeString('statusReason', {
      nullable: true,
      description: 'Why it cools down or is disabled; null where there is nothing to say.',
    }),
    coolingUntil: t.expose('coolingUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried again; null where it does not cool down.',
    }),
    headers: t.field({
      type: [HttpHeaderRef],
      description: 'Headers sent along. Their values are never shown.',
      resolve: ({ headers }) => headers.map(({ name }) => ({ name, value: '•••' })),
    }),
    timeoutMs: t.exposeInt('timeoutMs', { description: 'How long a call may take, in milliseconds.' }),
    maxPerSecond: t.exposeInt('maxPerSecond', {
      nullable: true,
      description: 'At most this many calls a second; null: no such limit. Always null for now.',
    }),
    consecutiveFailures: t.exposeInt('consecutiveFailures', {
      description: 'Failed calls since the last good one.',
    }),
    deliveries: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: DeliveryRef,
        description: 'What was, is and will be delivered to it, oldest first.',
        args: { filter: t.arg({ type: DeliveryFilterInput, description: 'Only deliveries that match.' }) },
        resolve: ({ id }, { filter, ...args }, { store, viewer, now }) => {
          const wanted = { webhookId: id, ...given(filter) };
          if (wanted.webhookId !== id) return emptyConnection<Delivery>(args);
          return connection(args, (page) => store.deliveries(viewer.account.id, wanted, page, now()));
        },
      },
      DeliveryConnection,
    ),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
  }),
});

builder.queryFields((t) => ({
  webhook: t.field({
    type: WebhookRef,
    nullable: true,
    description: 'The webhook with this id; null where it does not exist or belongs to another account.',
    authScopes: { scope: 'READ' },
    args: { id: t.arg.id({ required: true, description: 'Its id, "wh_…".' }) },
    resolve: (_root, { id }, { loaders }) => loaders.webhook.load(id),
  }),
  webhooks: t.connection(
    {
      type: WebhookRef,
      description: 'The registered webhooks, oldest first.',
      authScopes: { scope: 'READ' },
      resolve: (_root, args, { store, viewer }) =>
        connection(args, (page) => store.webhooks(viewer.account.id, page)),
    },
    { name: 'WebhookConnection', description: 'A page of webhooks.' },
    { name: 'WebhookEdge', description: 'A webhook and its place.' },
  ),
}));
