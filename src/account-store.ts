import type { Account, ApiKey, Scope } from './account.js';
import type { KeyLimits, Limits } from './limits.js';
import type { Page } from './page.js';
import type { WebhookFormat } from './webhook.js';

export interface AccountPatch {
  defaultWebhookUrl?: string | null;
  defaultWebhookUrlKey?: string | null;
  defaultWebhookFormat?: WebhookFormat;
  /** Those that are given; null removes one. */
  limits?: Partial<Limits>;
}

export interface Accounts {
  /** The account of that name, made with a signing secret of its own if there is none. */
  ensureAccount(name: string, secret: string, at: number): Promise<Account>;
  account(id: string): Promise<Account | null>;
  accountByName(name: string): Promise<Account | null>;
  updateAccount(id: string, patch: AccountPatch, at: number): Promise<Account | null>;
  rotateAccountSecret(id: string, secret: string): Promise<boolean>;
  /** How much the account uses of what the store counts; of an unknown one nothing. */
  usage(id: string): Promise<Pick<Record<keyof Limits, number>, 'runningJobs' | 'storedBytes'>>;
}

export interface NewApiKey {
  name: string;
  prefix: string;
  hash: string;
  scopes: Scope[];
  limits: KeyLimits;
  expiresAt: number | null;
  at: number;
}

export interface ApiKeys {
  createApiKey(accountId: string, key: NewApiKey): Promise<ApiKey>;
  /** The key is refused from now on, and its record stays. Null for an unknown one; again: nothing changes. */
  revokeApiKey(accountId: string, id: string, at: number): Promise<ApiKey | null>;
  /** The key with this hash, unless it has expired or was revoked. Its use is noted some time later, once a minute. */
  apiKeyByHash(hash: string, at: number): Promise<ApiKey | null>;
  /** Whether this installation has any key, expired and revoked ones included: without one, no key is asked for. */
  hasApiKeys(): Promise<boolean>;
  apiKey(accountId: string, id: string): Promise<ApiKey | null>;
  /** The account of a key: for the operator, who stands outside of accounts. */
  apiKeyOwner(id: string): Promise<string | null>;
  apiKeys(accountId: string, page: Page): Promise<ApiKey[]>;
}
