import type { DeliveryAttempt } from '../src/delivery.js';
import type { WebhookInput } from '../src/engine/engine.js';
import { ProblemError } from '../src/errors.js';
import { DEFAULT_TIMEOUT_MS, type Webhook } from '../src/webhook.js';
import { builder } from './builder.js';
import { EventTypeEnum } from './event.js';
import { DeliveryAttemptRef, WebhookRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';
import { WebhookFormatEnum } from './webhook.js';

const HttpHeaderInput = builder.inputType('HttpHeaderInput', {
  description: 'An HTTP header to send along.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'Its name, 1 to 100 characters; names that frame the message or are our own are refused.',
    }),
    value: t.string({ required: true, description: 'Its value, 1 to 4,096 visible ASCII characters.' }),
  }),
});

const RegisterWebhookInput = builder.inputType('RegisterWebhookInput', {
  description: 'An endpoint to call.',
  fields: (t) => ({
    url: t.field({ type: 'URL', required: true, description: 'Where to call it; http or https.' }),
    events: t.field({
      type: [EventTypeEnum],
      description: "The events to call it with; where not given, the job's status changes without progress.",
    }),
    pipelines: t.stringList({
      description: 'Only events of jobs of these pipelines, by name; all where not given.',
    }),
    format: t.field({
      type: WebhookFormatEnum,
      defaultValue: 'STANDARD',
      description: 'How its bodies are written.',
    }),
    description: t.string({ description: 'What it is for, for people: at most 1,000 characters.' }),
    headers: t.field({
      type: [HttpHeaderInput],
      description:
        'At most 20 headers to send along, such as Authorization. Their values are never shown again.',
    }),
    secret: t.string({ description: 'The signing secret, "whsec_…"; generated where not given.' }),
    timeoutMs: t.int({
      defaultValue: DEFAULT_TIMEOUT_MS,
      description: 'How long a call may take, in milliseconds: 100 to 30,000.',
    }),
    maxPerSecond: t.int({
      description: 'At most this many calls a second: 1 to 10,000. Not supported yet: leave it out.',
    }),
    enabled: t.boolean({ defaultValue: true, description: 'Whether to call it from the start.' }),
  }),
});

const UpdateWebhookInput = builder.inputType('UpdateWebhookInput', {
  description: 'What to change of a webhook; fields that are left out stay.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Which webhook: its id, "wh_…".' }),
    url: t.field({ type: 'URL', description: 'Where to call it; http or https.' }),
    events: t.field({
      type: [EventTypeEnum],
      description: "The events to call it with; null: the job's status changes without progress.",
    }),
    pipelines: t.stringList({ description: 'Only events of jobs of these pipelines; null: all.' }),
    format: t.field({ type: WebhookFormatEnum, description: 'How its bodies are written.' }),
    description: t.string({ description: 'What it is for, for people; null removes it.' }),
    headers: t.field({
      type: [HttpHeaderInput],
      description: 'Headers to send along: these in place of all it had; null: none.',
    }),
    timeoutMs: t.int({
      description: 'How long a call may take, in milliseconds: 100 to 30,000; null: the default.',
    }),
    maxPerSecond: t.int({
      description:
        'At most this many calls a second: 1 to 10,000; null: no such limit. Not supported yet: leave it out.',
    }),
    enabled: t.boolean({ description: 'Whether to call it.' }),
  }),
});

const DeleteWebhookInput = builder.inputType('DeleteWebhookInput', {
  description: 'Which webhook to delete.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Its id, "wh_…".' }) }),
});

const RotateWebhookSecretInput = builder.inputType('RotateWebhookSecretInput', {
  description: 'Which webhook gets a new secret.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'Its id, "wh_…".' }),
    secret: t.string({ description: 'The new secret, "whsec_…"; generated where not given.' }),
  }),
});

const PingWebhookInput = builder.inputType('PingWebhookInput', {
  description: 'Which webhook to call.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Its id, "wh_…".' }) }),
});

interface WithSecret {
  webhook: Webhook;
  secret: string;
}

const webhookWithSecret = (name: string, mutation: string) =>
  payloadType<WithSecret>(name, `What became of ${mutation}.`, (t) => ({
    webhook: t.field({
      type: WebhookRef,
      nullable: true,
      description: 'The webhook as it is now; null where nothing was changed.',
      resolve: (payload) => payload.webhook,
    }),
    secret: t.string({
      nullable: true,
      description: 'The secret that signs its calls, "whsec_…": shown here and never again.',
      resolve: (payload) => payload.secret,
    }),
  }));

const RegisterWebhookPayload = webhookWithSecret('RegisterWebhookPayload', 'registerWebhook');
const RotateWebhookSecretPayload = webhookWithSecret('RotateWebhookSecretPayload', 'rotateWebhookSecret');

const UpdateWebhookPayload = payloadType<Pick<WithSecret, 'webhook'>>(
  'UpdateWebhookPayload',
  'What became of updateWebhook.',
  (t) => ({
    webhook: t.field({
      type: WebhookRef,
      nullable: true,
      description: 'The webhook as it is now; null where nothing was changed.',
      resolve: (payload) => payload.webhook,
    }),
  }),
);

const DeleteWebhookPayload = payloadType<{ deletedWebhookId: string }>(
  'DeleteWebhookPayload',
  'What became of deleteWebhook.',
  (t) => ({
    deletedWebhookId: t.id({
      nullable: true,
      description: 'The id of the webhook that is gone; null where nothing was changed.',
      resolve: (payload) => payload.deletedWebhookId,
    }),
  }),
);

const PingWebhookPayload = payloadType<{ attempt: DeliveryAttempt }>(
  'PingWebhookPayload',
  'What became of pingWebhook.',
  (t) => ({
    attempt: t.field({
      type: DeliveryAttemptRef,
      nullable: true,
      description: 'The call and its outcome, a failing receiver included; null where none was made.',
      resolve: (payload) => payload.attempt,
    }),
  }),
);

type Changes = typeof UpdateWebhookInput.$inferInput;

/** Of the fields given, what to change. Null resets those that have a reset, and is refused for the others. */
function patchOf({ id: _id, ...changes }: Changes): Partial<WebhookInput> {
  const { url, events, pipelines, format, description, headers, timeoutMs, maxPerSecond, enabled } = changes;
  const problems = Object.entries({ url, format, enabled })
    .filter(([, value]) => value === null)
    .map(([field]) => ({
      code: 'INVALID' as const,
      message: `${field} must not be null: leave it out to keep it as it is`,
      path: [field],
    }));
  if (problems.length > 0) throw new ProblemError(problems);
  return {
    ...(url != null && { url }),
    ...(events !== undefined && { events }),
    ...(pipelines !== undefined && { pipelines }),
    ...(format != null && { format }),
    ...(description !== undefined && { description }),
    ...(headers !== undefined && { headers: headers ?? [] }),
    ...(timeoutMs !== undefined && { timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS }),
    ...(maxPerSecond !== undefined && { maxPerSecond }),
    ...(enabled != null && { enabled }),
  };
}

builder.mutationFields((t) => ({
  registerWebhook: t.field({
    type: RegisterWebhookPayload,
    description: 'Registers an endpoint. The secret is shown in the answer, once. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: { input: t.arg({ type: RegisterWebhookInput, required: true, description: 'The endpoint.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(() =>
        engine.registerWebhook(viewer.account.id, {
          url: input.url,
          events: input.events ?? null,
          pipelines: input.pipelines ?? null,
          format: input.format ?? 'STANDARD',
          description: input.description ?? null,
          headers: input.headers ?? [],
          secret: input.secret ?? null,
          timeoutMs: input.timeoutMs ?? DEFAULT_TIMEOUT_MS,
          maxPerSecond: input.maxPerSecond ?? null,
          enabled: input.enabled ?? true,
        }),
      ),
  }),
  updateWebhook: t.field({
    type: UpdateWebhookPayload,
    description:
      'Changes a webhook. Disabling holds its deliveries; enabling sends them in order. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: { input: t.arg({ type: UpdateWebhookInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({
        webhook: await engine.updateWebhook(viewer.account.id, input.id, patchOf(input)),
      })),
  }),
  deleteWebhook: t.field({
    type: DeleteWebhookPayload,
    description:
      'Deletes a webhook and cancels what it still had to get; the record of its deliveries stays. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: { input: t.arg({ type: DeleteWebhookInput, required: true, description: 'Which webhook.' }) },
    resolve: (_root, { input: { id } }, { engine, viewer }) =>
      attempt(async () => {
        await engine.deleteWebhook(viewer.account.id, id);
        return { deletedWebhookId: id };
      }),
  }),
  rotateWebhookSecret: t.field({
    type: RotateWebhookSecretPayload,
    description: 'Replaces the secret of a webhook. The old one is gone at once. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: {
      input: t.arg({ type: RotateWebhookSecretInput, required: true, description: 'Which webhook.' }),
    },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(() => engine.rotateWebhookSecret(viewer.account.id, input.id, input.secret ?? null)),
  }),
  pingWebhook: t.field({
    type: PingWebhookPayload,
    description:
      'Calls a webhook with one signed test event, now, and waits for the outcome. A receiver that fails is an attempt that failed, not a user error. Needs the scope WEBHOOKS.',
    authScopes: { scope: 'WEBHOOKS' },
    args: { input: t.arg({ type: PingWebhookInput, required: true, description: 'Which webhook.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({ attempt: await engine.pingWebhook(viewer.account.id, input.id) })),
  }),
}));
