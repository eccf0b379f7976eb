import type { Account, ApiKey, Scope } from '../src/account.js';
import { problem } from '../src/errors.js';
import type { WebhookFormat } from '../src/webhook.js';
import { builder } from './builder.js';
import { connection } from './connection.js';
import type { Context } from './context.js';
import { described } from './enum.js';
import { given } from './input.js';
import { AccountRef, ApiKeyRef } from './refs.js';
import { attempt, payloadType } from './user-error.js';
import { WebhookFormatEnum } from './webhook.js';

export const ScopeEnum = builder.enumType('Scope', {
  description:
    'What an API key may do. None implies another. A mutation shows the plain fields of what it made or changed to every key that may call it; fields that lead on from there to other things, and those that hold content (inputs, results, descriptors, bodies, events), need READ as well.',
  values: described<Scope>({
    READ: 'Every query and subscription.',
    SUBMIT: 'Submit pipelines and cancel jobs.',
    WORK: 'Lease tasks and settle them.',
    WEBHOOKS: 'Register, change and delete webhooks; ping them and resend deliveries.',
    ADMIN: 'Change the account and its keys.',
  }),
});

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
    apiKeys: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: ApiKeyRef,
        description: 'Its API keys, oldest first, expired ones included. The keys themselves are not kept.',
        resolve: ({ id }, args, { store }) => connection(args, (page) => store.apiKeys(id, page)),
      },
      { name: 'ApiKeyConnection', description: 'A page of API keys.' },
      { name: 'ApiKeyEdge', description: 'An API key and its place.' },
    ),
  }),
});

builder.node(ApiKeyRef, {
  description: 'A key that calls authenticate with: `Authorization: Bearer <key>`.',
  id: { resolve: (key) => key.id },
  loadOne: findApiKey,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name it was given, for people.' }),
    prefix: t.exposeString('prefix', { description: 'The first characters of the key, to recognise it by.' }),
    scopes: t.expose('scopes', { type: [ScopeEnum], description: 'What it may do.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it stops working; null: never.',
    }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to the minute; null: not yet.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

/** Keys are few and have no index by id: their pages are looked through. */
async function findApiKey(id: string, { viewer, store }: Context): Promise<ApiKey | null> {
  const limit = 100;
  for (let after: string | null = null; ; ) {
    const keys: ApiKey[] = await store.apiKeys(viewer.account.id, {
      limit,
      after,
      before: null,
      inverted: false,
    });
    const found = keys.find((key) => key.id === id);
    if (found || keys.length < limit) return found ?? null;
    after = keys.at(-1)!.id;
  }
}

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
    description: 'Changes the default webhook of the account. Needs the scope ADMIN.',
    authScopes: { scope: 'ADMIN' },
    args: {
      input: t.arg({ type: UpdateAccountInput, required: true, description: 'What to change.' }),
    },
    resolve: (_root, { input }, { engine, viewer }) =>
      attempt(async () => {
        const { defaultWebhookUrl } = input;
        const patch: { defaultWebhookUrl?: string | null; defaultWebhookFormat?: WebhookFormat } = {
          ...given({ defaultWebhookFormat: input.defaultWebhookFormat }),
          // Null removes the URL, so it is not the same as leaving it out.
          ...(defaultWebhookUrl === undefined ? {} : { defaultWebhookUrl }),
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
