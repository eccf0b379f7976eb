import type { Account } from '../src/account.js';
import { problem } from '../src/errors.js';
import type { Limits } from '../src/limits.js';
import type { WebhookFormat } from '../src/webhook.js';
import { ScopeEnum } from './api-key.js';
import { builder } from './builder.js';
import { connection } from './connection.js';
import type { Context } from './context.js';
import { given } from './input.js';
import { AccountLimitsInput, AccountLimitsRef, viewerLimits } from './limit.js';
import { AccountRef, ApiKeyRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';
import { WebhookFormatEnum } from './webhook.js';

builder.node(AccountRef, {
  description: 'An account: everything belongs to one, and no account sees anything of another.',
  id: { resolve: (account) => account.id },
  loadOne: async (id, { viewer, store }) => (id === viewer.account.id ? store.account(id) : null),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, 1 to 63 characters.' }),
    defaultWebhookUrl: t.expose('defaultWebhookUrl', {
      type: 'URL',
      nullable: true,
      description: 'Called when a job ends that named no URL of its own; null: none.',
    }),
    defaultWebhookFormat: t.expose('defaultWebhookFormat', {
      type: WebhookFormatEnum,
      description: 'How the calls to the default URL are written.',
    }),
    limits: t.expose('limits', {
      type: AccountLimitsRef,
      authScopes: { scope: 'READ' },
      description: 'The limits it has set for itself; what is used of them is told under viewer.',
    }),
    apiKeys: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: ApiKeyRef,
        description:
          'Its API keys, oldest first, expired and revoked ones included. The keys themselves are not kept.',
        resolve: ({ id }, args, { store }) => connection(args, (page) => store.apiKeys(id, page)),
      },
      { name: 'ApiKeyConnection', description: 'A page of API keys.' },
      { name: 'ApiKeyEdge', description: 'An API key and its place.' },
    ),
  }),
});

const ViewerRef = builder.objectRef<Context['viewer']>('Viewer').implement({
  description: 'Who is asking.',
  fields: (t) => ({
    account: t.expose('account', {
      type: AccountRef,
      description: 'The account of the key; on a server without keys, the account "default".',
    }),
    apiKey: t.expose('apiKey', {
      type: ApiKeyRef,
      nullable: true,
      description: 'The key in use; null on a server without keys.',
    }),
    scopes: t.field({
      type: [ScopeEnum],
      description: 'What this caller may do.',
      resolve: (viewer) => [...viewer.scopes],
    }),
    limits: t.field(viewerLimits),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    description: 'Who is asking: the account and the key.',
    authScopes: { scope: 'READ' },
    resolve: (_root, _args, { viewer }) => viewer,
  }),
);

const UpdateAccountInput = builder.inputType('UpdateAccountInput', {
  description: 'What to change of the account; fields that are left out stay.',
  fields: (t) => ({
    defaultWebhookUrl: t.field({
      type: 'URL',
      description: 'Called when a job ends that named no URL of its own; null removes it.',
    }),
    defaultWebhookFormat: t.field({
      type: WebhookFormatEnum,
      description: 'How calls to the default URL are written.',
    }),
    limits: t.field({
      type: AccountLimitsInput,
      description: 'Limits the account sets for itself, on top of those of the server.',
    }),
  }),
});

const UpdateAccountPayload = payloadType<{ account: Account }>(
  'UpdateAccountPayload',
  'What became of updateAccount.',
  (t) => ({
    account: t.field({
      type: AccountRef,
      nullable: true,
      description: 'The account as it is now; null where nothing was changed.',
      resolve: (payload) => payload.account,
    }),
  }),
);

builder.mutationField('updateAccount', (t) =>
  t.field({
    type: UpdateAccountPayload,
    description: 'Changes the default webhook of the account and its limits. Needs the scope ADMIN.',
    authScopes: { scope: 'ADMIN' },
    args: {
      input: t.arg({ type: UpdateAccountInput, required: true, description: 'What to change.' }),
    },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => {
        const { defaultWebhookUrl } = input;
        const patch: {
          defaultWebhookUrl?: string | null;
          defaultWebhookFormat?: WebhookFormat;
          limits?: Partial<Limits>;
        } = {
          ...given({ defaultWebhookFormat: input.defaultWebhookFormat }),
          // Null removes the URL, so it is not the same as leaving it out.
          ...(defaultWebhookUrl === undefined ? {} : { defaultWebhookUrl }),
          ...(input.limits && { limits: input.limits as Partial<Limits> }),
        };
        return { account: await engine.updateAccount(viewer.account.id, patch) };
      }),
  }),
);

const RotateAccountWebhookSecretInput = builder.inputType('RotateAccountWebhookSecretInput', {
  description: 'Whose secret to rotate.',
  fields: (t) => ({
    accountId: t.id({
      description:
        "Guards against rotating with the wrong key: where given, it must be the id of the caller's own account.",
    }),
  }),
});

const RotateAccountWebhookSecretPayload = payloadType<{ secret: string }>(
  'RotateAccountWebhookSecretPayload',
  'What became of rotateAccountWebhookSecret.',
  (t) => ({
    secret: t.string({
      nullable: true,
      description: 'The new secret, "whsec_…": shown here and never again.',
      resolve: (payload) => payload.secret,
    }),
  }),
);

builder.mutationField('rotateAccountWebhookSecret', (t) =>
  t.field({
    type: RotateAccountWebhookSecretPayload,
    description:
      'Replaces the secret that signs calls to the URLs given with jobs and to the default URL. The old one is gone at once. Needs the scope ADMIN.',
    authScopes: { scope: 'ADMIN' },
    args: {
      input: t.arg({
        type: RotateAccountWebhookSecretInput,
        required: true,
        description: 'Whose secret to rotate: {} for the account of the key.',
      }),
    },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => {
        if (input.accountId != null && input.accountId !== viewer.account.id) {
          throw problem('NOT_FOUND', `accountId "${input.accountId}" is not the account of this key`, [
            'accountId',
          ]);
        }
        return { secret: await engine.rotateAccountWebhookSecret(viewer.account.id) };
      }),
  }),
);
