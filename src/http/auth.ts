import { scopes } from '../account.js';
import type { Clock } from '../clock.js';
import { hashKey } from '../engine/api-keys.js';
import type { Store } from '../store.js';
import type { Viewer } from '../viewer.js';
import type { Refusal } from './refusal.js';

export interface Auth {
  /** Whether the installation has no key: then none is asked for, and browsers are watched more closely. */
  keyless(): Promise<boolean>;
  /** Who presents these credentials ("Bearer <key>"); null: nobody who may come in. */
  viewerOf(authorization: string | undefined): Promise<Viewer | null>;
  /** Why these credentials do not open the operator's own pages; null: they do. No account's key does. */
  operatorRefusal(authorization: string | undefined): Promise<Refusal | null>;
}

export const UNAUTHENTICATED: Refusal = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: 'an API key is needed: send the header "Authorization: Bearer <key>" with a key that is valid',
  headers: { 'www-authenticate': 'Bearer' },
};

/** `defaultAccountId` is whose server it is as long as there is no key. */
export function createAuth({
  store,
  clock,
  defaultAccountId,
  operatorToken = '',
}: {
  store: Pick<Store, 'account' | 'apiKeyByHash' | 'hasApiKeys'>;
  clock: Clock;
  defaultAccountId: string;
  operatorToken?: string | undefined;
}): Auth {
  const keyless = async () => !(await store.hasApiKeys());
  return {
    keyless,
    async viewerOf(authorization) {
      if (await keyless()) {
        const account = await store.account(defaultAccountId);
        if (!account) throw new Error(`the default account ${defaultAccountId} is missing`);
        return { account, apiKey: null, scopes };
      }
      const key = /^Bearer +(\S{1,200}) *$/i.exec(authorization ?? '')?.[1];
      if (key === undefined) return null;
      // Keys are long and random, so one round of SHA-256 keeps them safe, and finding by it leaks no time.
      const apiKey = await store.apiKeyByHash(hashKey(key), clock.now());
      const account = apiKey && (await store.account(apiKey.accountId));
      return apiKey && account ? { account, apiKey, scopes: apiKey.scopes } : null;
    },
    async operatorRefusal(authorization) {
      // What counts all accounts together is no account's to see; without keys there is only one, on this machine.
      if (await keyless()) return null;
      const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
      if (operatorToken !== '' && hashKey(given) === hashKey(operatorToken)) return null;
      return {
        status: 401,
        code: 'UNAUTHENTICATED',
        message:
          'metrics are for the operator: send the header "Authorization: Bearer <token>" with the token that CARILLON_METRICS_TOKEN sets',
        headers: { 'www-authenticate': 'Bearer' },
      };
    },
  };
}
