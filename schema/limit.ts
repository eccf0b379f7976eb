import type { KeyLimits, Limit, LimitKind, LimitScope, Limits } from '../src/limits.js';
import { builder } from './builder.js';
import type { Context } from './context.js';
import { described } from './enum.js';

const kinds: Record<LimitKind, { word: string; description: string }> = {
  requestsPerSecond: {
    word: 'REQUESTS_PER_SECOND',
    description:
      'HTTP requests and WebSocket operations a second, on average; ten times as many may come at once. Above: 429 with Retry-After, or LIMIT_REACHED with retryAfterMs.',
  },
  sockets: {
    word: 'SOCKETS',
    description: 'WebSockets and event streams that are open. Above: close code 4429, or 429.',
  },
  runningJobs: {
    word: 'RUNNING_JOBS',
    description: 'Jobs that have not ended. Above: submissions get the userError LIMIT_REACHED.',
  },
  storedBytes: {
    word: 'STORED_BYTES',
    description:
      'Bytes of descriptors, inputs, items, results, events and kept webhook bodies. Above: submissions get the userError LIMIT_REACHED; what running jobs write is always taken.',
  },
};

const LimitKindEnum = builder.enumType('LimitKind', {
  description: 'What a limit counts.',
  values: Object.fromEntries(
    Object.entries(kinds).map(([value, { word, description }]) => [
      word,
      { value: value as LimitKind, description },
    ]),
  ),
});

const LimitScopeEnum = builder.enumType('LimitScope', {
  description: 'Who has set a limit, and for whom.',
  values: described<LimitScope>({
    KEY: 'Set on the API key; counts what this key uses.',
    ACCOUNT: 'Set by the account for itself; counts what all of it uses.',
    SERVER: 'Set by the operator for every account; counts what this account uses.',
  }),
});

const LimitRef = builder.objectRef<Limit & { used: number }>('Limit').implement({
  description: 'A limit that is set, and how much of it is used. Of several of a kind the least counts.',
  fields: (t) => ({
    kind: t.expose('kind', { type: LimitKindEnum, description: 'What it counts.' }),
    scope: t.expose('scope', { type: LimitScopeEnum, description: 'Who has set it.' }),
    max: t.exposeFloat('max', {
      description: 'The most there may be. A whole number; a Float since bytes go beyond an Int.',
    }),
    used: t.exposeFloat('used', {
      description: 'How much there is now; of requests the average over the last ten seconds.',
    }),
  }),
});

/** Every limit of a caller with what is used of it: in memory by requests and sockets, in the store by the others. */
export const viewerLimits = {
  type: [LimitRef] as [typeof LimitRef],
  description:
    'The limits that are set for this caller: of its key, then of its account, then of the server.',
  resolve: async (viewer: Context['viewer'], _args: object, { quotas, store }: Context) => {
    const usage: Partial<Record<LimitKind, number>> = await store.usage(viewer.account.id);
    return quotas.limits(viewer).map((limit) => ({
      ...limit,
      used: quotas.used(viewer, limit) ?? usage[limit.kind] ?? 0,
    }));
  },
};

export const AccountLimitsRef = builder.objectRef<Limits>('AccountLimits').implement({
  description:
    'The limits an account has set for itself; null: none of its own. They cannot widen those of the server.',
  fields: (t) => ({
    requestsPerSecond: t.exposeInt('requestsPerSecond', {
      nullable: true,
      description: 'Requests and operations a second, on average.',
    }),
    sockets: t.exposeInt('sockets', {
      nullable: true,
      description: 'WebSockets and event streams open at once.',
    }),
    runningJobs: t.exposeInt('runningJobs', { nullable: true, description: 'Jobs that have not ended.' }),
    storedBytes: t.exposeFloat('storedBytes', {
      nullable: true,
      description: 'Bytes kept: inputs, results, events, webhook bodies.',
    }),
  }),
});

export const ApiKeyLimitsRef = builder.objectRef<KeyLimits>('ApiKeyLimits').implement({
  description: 'The limits of a key alone; null: none of its own. Those of its account count as well.',
  fields: (t) => ({
    requestsPerSecond: t.exposeInt('requestsPerSecond', {
      nullable: true,
      description: 'Requests and operations a second, on average.',
    }),
    sockets: t.exposeInt('sockets', {
      nullable: true,
      description: 'WebSockets and event streams open at once.',
    }),
  }),
});

export const AccountLimitsInput = builder.inputType('AccountLimitsInput', {
  description: 'Limits to set; those that are left out stay, and null removes one.',
  fields: (t) => ({
    requestsPerSecond: t.int({ description: 'Requests and operations a second, 1 to 1,000,000.' }),
    sockets: t.int({ description: 'WebSockets and event streams open at once, 1 to 1,000,000.' }),
    runningJobs: t.int({ description: 'Jobs that have not ended, 1 to 1,000,000,000.' }),
    storedBytes: t.float({ description: 'Bytes kept, a whole number from 1 up.' }),
  }),
});

export const ApiKeyLimitsInput = builder.inputType('ApiKeyLimitsInput', {
  description: 'The limits of a key alone; left out or null: none of its own.',
  fields: (t) => ({
    requestsPerSecond: t.int({ description: 'Requests and operations a second, 1 to 1,000,000.' }),
    sockets: t.int({ description: 'WebSockets and event streams open at once, 1 to 1,000,000.' }),
  }),
});
