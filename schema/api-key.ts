import type { ApiKey, Scope } from '../src/account.js';
import { builder } from './builder.js';
import { described } from './enum.js';
import { ApiKeyLimitsInput, ApiKeyLimitsRef } from './limit.js';
import { ApiKeyRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';

export const ScopeEnum = builder.enumType('Scope', {
  description:
    'What an API key may do. None implies another. A mutation shows the plain fields of what it made or changed to every key that may call it; fields that lead on from there to other things, and those that hold content (inputs, results, descriptors, bodies, events), need READ as well.',
  values: described<Scope>({
    READ: 'Every query and subscription.',
    SUBMIT: 'Submit pipelines and cancel jobs.',
    WORK: 'Lease tasks and settle them.',
    WEBHOOKS: 'Register, change and delete webhooks; ping them and resend deliveries.',
    ADMIN: 'Change the account and its keys; make keys of any scope.',
  }),
});

builder.node(ApiKeyRef, {
  description: 'A key that calls authenticate with: `Authorization: Bearer <key>`.',
  id: { resolve: (key) => key.id },
  loadOne: (id, { viewer, store }) => store.apiKey(viewer.account.id, id),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name it was given, for people.' }),
    prefix: t.exposeString('prefix', { description: 'The first characters of the key, to recognise it by.' }),
    scopes: t.expose('scopes', { type: [ScopeEnum], description: 'What it may do.' }),
    limits: t.expose('limits', {
      type: ApiKeyLimitsRef,
      authScopes: { scope: 'READ' },
      description: 'The limits of this key alone.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it stops working; null: never.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked, from which it is refused; null: it was not.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute; null: not yet.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'The key to make.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'For people: 1 to 100 characters, none for control.' }),
    scopes: t.field({
      type: [ScopeEnum],
      required: true,
      description: 'What it may do, at least one; any, whatever the key that makes it may do besides ADMIN.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it stops working, in the future; left out or null: never.',
    }),
    limits: t.field({ type: ApiKeyLimitsInput, description: 'Limits of its own; left out: none.' }),
  }),
});

const CreateApiKeyPayload = payloadType<{ apiKey: ApiKey; key: string }>(
  'CreateApiKeyPayload',
  'What became of createApiKey.',
  (t) => ({
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'What is kept of the key; null where none was made.',
      resolve: (payload) => payload.apiKey,
    }),
    key: t.string({
      nullable: true,
      description: 'The key itself, "car_…": shown here and never again.',
      resolve: (payload) => payload.key,
    }),
  }),
);

builder.mutationField('createApiKey', (t) =>
  t.field({
    type: CreateApiKeyPayload,
    description:
      'Makes an API key of the account. From the first key of a server on, every request needs one. Needs the scope ADMIN.',
    authScopes: { scope: 'ADMIN' },
    args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'The key to make.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(() =>
        engine.createApiKey(viewer.account.id, {
          name: input.name,
          scopes: input.scopes,
          expiresAt: input.expiresAt ?? null,
          limits: {
            requestsPerSecond: input.limits?.requestsPerSecond ?? null,
            sockets: input.limits?.sockets ?? null,
          },
        }),
      ),
  }),
);

const RevokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  description: 'The key to revoke.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Its id, "key_…": not the key itself.' }) }),
});

const RevokeApiKeyPayload = payloadType<{ apiKey: ApiKey }>(
  'RevokeApiKeyPayload',
  'What became of revokeApiKey.',
  (t) => ({
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'The key as it is now; null where nothing was changed.',
      resolve: (payload) => payload.apiKey,
    }),
  }),
);

builder.mutationField('revokeApiKey', (t) =>
  t.field({
    type: RevokeApiKeyPayload,
    description:
      'Ends a key for good, also the one in use. Its record stays, and revoking it again changes nothing. Needs the scope ADMIN.',
    authScopes: { scope: 'ADMIN' },
    args: { input: t.arg({ type: RevokeApiKeyInput, required: true, description: 'The key to revoke.' }) },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => ({ apiKey: await engine.revokeApiKey(viewer.account.id, input.id) })),
  }),
);
