import { createHash } from 'node:crypto';
import type { ApiKey } from '../account.js';
import { type Problem, ProblemError, problem, shown } from '../errors.js';
import { limitProblems, NO_LIMITS } from '../limits.js';
import type { ApiKeyInput } from './engine.js';
import type { Parts } from './parts.js';

const MAX_NAME = 100;

/** Makes a key; the store keeps only its hash. */
export async function createApiKey(
  { store, ids, clock }: Pick<Parts, 'store' | 'ids' | 'clock'>,
  accountId: string,
  input: ApiKeyInput,
): Promise<{ apiKey: ApiKey; key: string }> {
  const at = clock.now();
  const problems = problemsOf(input, at);
  if (problems.length > 0) throw new ProblemError(problems);
  const { name, expiresAt, limits = NO_LIMITS } = input;
  const key = ids.random('car');
  const scopes = [...new Set(input.scopes)];
  const record = { name, prefix: key.slice(0, 10), hash: hashKey(key), scopes, expiresAt, limits, at };
  return { apiKey: await store.createApiKey(accountId, record), key };
}

/** Ends a key for good, and tells the bus, so that what was opened with it is closed. */
export async function revokeApiKey(
  { store, bus, clock }: Pick<Parts, 'store' | 'bus' | 'clock'>,
  accountId: string,
  id: string,
): Promise<ApiKey> {
  const apiKey = await store.revokeApiKey(accountId, id, clock.now());
  if (!apiKey) throw problem('NOT_FOUND', `API key ${shown(id)} was not found`, ['id']);
  bus.publish([{ kind: 'key', accountId, keyId: id }]);
  return apiKey;
}

/** What is stored of a key. It has 124 bits of its own, so a fast hash is enough. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function problemsOf({ name, scopes, expiresAt, limits = NO_LIMITS }: ApiKeyInput, at: number): Problem[] {
  const problems = limitProblems(limits, ['limits']);
  const invalid = (field: string, message: string) =>
    problems.push({ code: 'INVALID', message: `${field} ${message}`, path: [field] });
  if (name.length < 1 || name.length > MAX_NAME)
    invalid('name', `must be 1 to ${MAX_NAME} characters long, got ${name.length}`);
  // It is printed in terminals, which obey what they print.
  if (/\p{Cc}/u.test(name)) invalid('name', `must not have control characters, got ${shown(name)}`);
  if (scopes.length === 0) invalid('scopes', 'must name at least one scope, got none');
  if (expiresAt !== null && expiresAt <= at) {
    const [now, given] = [at, expiresAt].map((time) => new Date(time).toISOString());
    invalid('expiresAt', `must be in the future: it is ${now}, got ${given}`);
  }
  return problems;
}
