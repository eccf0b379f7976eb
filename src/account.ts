import type { KeyLimits, Limits } from './limits.js';
import type { WebhookFormat } from './webhook.js';

/** Everything belongs to an account: no query, link, number or error shows another account's. */
export interface Account {
  id: string;
  name: string;
  /** Called for terminal events of jobs that name no URL of their own. */
  defaultWebhookUrl: string | null;
  defaultWebhookFormat: WebhookFormat;
  /** Those it has set for itself: they cannot widen the server's. */
  limits: Limits;
  createdAt: number;
}

/** What a key may do. ADMIN covers keys and the account itself; it does not imply the others. */
export const scopes = ['READ', 'SUBMIT', 'WORK', 'WEBHOOKS', 'ADMIN'] as const;
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  id: string;
  accountId: string;
  name: string;
  /** The first characters of the key, to recognise it by. */
  prefix: string;
  scopes: Scope[];
  /** Its own; those of the account count as well. */
  limits: KeyLimits;
  expiresAt: number | null;
  /** From when it is refused. The record stays. */
  revokedAt: number | null;
  /** To the minute. */
  lastUsedAt: number | null;
  createdAt: number;
}

/** The account of a server without keys. */
export const DEFAULT_ACCOUNT_NAME = 'default';
export const ACCOUNT_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
