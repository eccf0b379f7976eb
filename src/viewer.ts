import type { Account, ApiKey, Scope } from './account.js';

/** Who asks: an account, and what the key in use may do. */
export interface Viewer {
  account: Account;
  /** Null on a server without keys. */
  apiKey: ApiKey | null;
  scopes: readonly Scope[];
}
