import type {
  AttemptOutcome,
  Delivery,
  DeliveryAttempt,
  DeliveryPart,
  DeliverySource,
  DeliveryStatus,
} from '../src/delivery.js';
import { shown } from '../src/errors.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';
import { arrayConnection, connection } from './connection.js';
import { described } from './enum.js';
import { EventTypeEnum } from './event.js';
import { given } from './input.js';
import { DeliveryAttemptRef, DeliveryRef, EventRef, WebhookRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';
import { HttpHeaderRef, WebhookFormatEnum } from './webhook.js';

const DeliveryStatusEnum = builder.enumType('DeliveryStatus', {
  description: 'Where a delivery stands.',
  values: described<DeliveryStatus>({
    PENDING: 'Waits for its turn.',
    IN_FLIGHT: 'Being sent.',
    DELIVERED: 'The receiver answered with a 2xx status.',
    RETRYING: 'Failed, and will be tried again at `nextAttemptAt`.',
    HELD: 'Waits for a URL that cools down or a webhook that is disabled.',
    EXHAUSTED: 'Given up: no try was left.',
    SUPERSEDED: 'Not needed any more: newer progress, or the end of the job, took its place.',
    CANCELLED: 'Not sent: its webhook was deleted, or its job erased.',
  }),
});

const DeliverySourceEnum = builder.enumType('DeliverySource', {
  description: 'Why an event is delivered there.',
  values: described<DeliverySource>({
    REGISTERED: 'A registered webhook.',
    JOB_PROGRESS: 'The progress URL given with the job.',
    JOB_RESULT: 'The result URL given with the job.',
    ACCOUNT_DEFAULT: "The account's default URL.",
  }),
});

const DeliveryPartEnum = builder.enumType('DeliveryPart', {
  description: 'Which body of the event: the end of a job has two in the HKube formats.',
  values: described<DeliveryPart>({
    EVENT: 'The event, such as progress.',
    RESULT: 'The result of the job.',
  }),
});

const AttemptOutcomeEnum = builder.enumType('AttemptOutcome', {
  description: 'What became of one call.',
  values: described<AttemptOutcome>({
    DELIVERED: 'Answered with a 2xx status.',
    HTTP_ERROR: 'Answered with another status.',
    REDIRECT: 'Answered with a redirect, which is not followed.',
    TIMEOUT: 'Not answered in time.',
    DNS_ERROR: 'The name of the host was not found.',
    CONNECTION_ERROR: 'No connection, or it broke.',
    TLS_ERROR: 'The certificate or the handshake was bad.',
    BLOCKED_DESTINATION: 'The address policy does not let requests go there.',
    GONE: 'Answered with 410: never send again.',
  }),
});

builder.node(DeliveryRef, {
  description: 'One event for one target.',
  id: { resolve: (delivery) => delivery.id },
  loadOne: (id, { loaders }) => loaders.delivery.load(id),
  fields: (t) => ({
    url: t.expose('url', { type: 'URL', description: 'Where it goes.' }),
    format: t.expose('format', { type: WebhookFormatEnum, description: 'How its body is written.' }),
    source: t.expose('source', { type: DeliverySourceEnum, description: 'Why it goes there.' }),
    webhook: t.field({
      authScopes: { scope: 'READ' },
      type: WebhookRef,
      nullable: true,
      description: "The webhook; null for a job's URL, the default URL, or a deleted webhook.",
      resolve: ({ webhookId }, _args, { loaders }) =>
        webhookId === null ? null : loaders.webhook.load(webhookId),
    }),
    event: t.field({
      authScopes: { scope: 'READ' },
      type: EventRef,
      description: 'What it tells of.',
      resolve: async ({ id, eventPosition }, _args, { loaders }) => {
        const event = await loaders.event.load(eventPosition);
        if (!event) throw apiError('NOT_FOUND', `the event of delivery "${id}" is gone`);
        return event;
      },
    }),
    part: t.expose('part', { type: DeliveryPartEnum, description: 'Which body of the event.' }),
    jobId: t.exposeID('jobId', {
      nullable: true,
      description: 'The job of the event; null of events about webhooks.',
    }),
    status: t.expose('status', { type: DeliveryStatusEnum, description: 'Where it stands.' }),
    attempts: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: DeliveryAttemptRef,
        description: 'The calls made so far, first one first.',
        resolve: async ({ id }, args, { store, viewer }) =>
          arrayConnection(args, ({ number }) => String(number), await store.attempts(viewer.account.id, id)),
      },
      { name: 'DeliveryAttemptConnection', description: 'A page of attempts.' },
      { name: 'DeliveryAttemptEdge', description: 'An attempt and its place.' },
    ),
    nextAttemptAt: t.expose('nextAttemptAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried next, as far as is known; null: not by itself.',
    }),
    body: t.string({
      authScopes: { scope: 'READ' },
      nullable: true,
      description: 'The bytes last sent, as text; null before the first attempt and above 64 KiB.',
      resolve: ({ body }, _args, { content }) => body && content.show(body),
    }),
    bodyBytes: t.exposeInt('bodyBytes', {
      nullable: true,
      description: 'Size of the body last sent; null before the first attempt.',
    }),
    // A body that is nearly known can be guessed by its hash.
    bodySha256: t.exposeString('bodySha256', {
      authScopes: { scope: 'READ' },
      nullable: true,
      description: 'SHA-256 of the body last sent, in hexadecimal; null before the first attempt.',
    }),
  }),
});

DeliveryAttemptRef.implement({
  description: 'One call of a webhook.',
  fields: (t) => ({
    delivery: t.field({
      authScopes: { scope: 'READ' },
      type: DeliveryRef,
      description: 'What was to be delivered.',
      resolve: async ({ deliveryId }, _args, { loaders }) => {
        const delivery = await loaders.delivery.load(deliveryId);
        if (!delivery) throw apiError('NOT_FOUND', `the delivery "${deliveryId}" is gone`);
        return delivery;
      },
    }),
    number: t.exposeInt('number', { description: 'Counts the attempts of the delivery, from 1.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the call began.' }),
    durationMs: t.exposeInt('durationMs', { description: 'How long it took, in milliseconds.' }),
    outcome: t.expose('outcome', { type: AttemptOutcomeEnum, description: 'What became of it.' }),
    statusCode: t.exposeInt('statusCode', {
      nullable: true,
      description: 'The HTTP status of the answer; null where there was none.',
    }),
    responseSnippet: t.exposeString('responseSnippet', {
      nullable: true,
      description: 'The start of the answer; null where there was none.',
    }),
    requestHeaders: t.expose('requestHeaders', {
      type: [HttpHeaderRef],
      description: 'The headers sent; values that the webhook was registered with read as "•••".',
    }),
  }),
});

export const DeliveryConnection = builder.connectionObject(
  { type: DeliveryRef, name: 'DeliveryConnection', description: 'A page of deliveries.' },
  { name: 'DeliveryEdge', description: 'A delivery and its place.' },
);

export const DeliveryFilterInput = builder.inputType('DeliveryFilter', {
  description: 'Which deliveries: those that match every field given.',
  fields: (t) => ({
    statuses: t.field({ type: [DeliveryStatusEnum], description: 'In one of these states.' }),
    webhookId: t.id({ description: 'To this webhook.' }),
    jobId: t.id({ description: 'Of events of this job.' }),
    eventTypes: t.field({ type: [EventTypeEnum], description: 'Of events of one of these types.' }),
  }),
});

builder.queryField('deliveries', (t) =>
  t.connection(
    {
      type: DeliveryRef,
      description: 'Webhook deliveries, oldest first.',
      authScopes: { scope: 'READ' },
      args: { filter: t.arg({ type: DeliveryFilterInput, description: 'Only deliveries that match.' }) },
      resolve: (_root, { filter, ...args }, { store, viewer, now }) =>
        connection(args, (page) => store.deliveries(viewer.account.id, given(filter), page, now())),
    },
    DeliveryConnection,
  ),
);

const ResendDeliveryInput = builder.inputType('ResendDeliveryInput', {
  description: 'Which delivery to send again.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Its id, "dlv_…".' }) }),
});

const ResendDeliveryPayload = payloadType<{ delivery: Delivery }>(
  'ResendDeliveryPayload',
  'What became of resendDelivery.',
  (t) => ({
    delivery: t.field({
      type: DeliveryRef,
      nullable: true,
      description: 'The delivery as it is now; null where nothing was changed.',
      resolve: (payload) => payload.delivery,
    }),
  }),
);

builder.mutationField('resendDelivery', (t) =>
  t.field({
    type: ResendDeliveryPayload,
    description:
      'Sends a delivery again, with its id and body, on a new schedule and beside its lane. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: { input: t.arg({ type: ResendDeliveryInput, required: true, description: 'Which delivery.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({ delivery: await engine.resendDelivery(viewer.account.id, input.id) })),
  }),
);

builder.subscriptionField('deliveryAttempts', (t) =>
  t.field({
    type: DeliveryAttemptRef,
    description: 'Every call of a webhook, as it ends: a live view, without history.',
    authScopes: { scope: 'READ' },
    args: {
      webhookId: t.arg.id({
        description:
          'Only calls of this webhook, NOT_FOUND where there is no such; every call where not given.',
      }),
    },
    subscribe: async (_root, { webhookId }, { engine, loaders, viewer }) => {
      // Nothing would ever come of a webhook that is not there: its subscriber must hear of it.
      if (webhookId != null && !(await loaders.webhook.load(webhookId))) {
        throw apiError('NOT_FOUND', `webhook ${shown(webhookId)} was not found`);
      }
      return engine.feed.attempts(viewer.account.id, webhookId ?? null);
    },
    resolve: (
      { attempt: made, delivery }: { attempt: DeliveryAttempt; delivery: Delivery },
      _args,
      { loaders },
    ) => {
      loaders.delivery.prime(delivery.id, delivery);
      return made;
    },
  }),
);
