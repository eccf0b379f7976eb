import { createHmac } from 'node:crypto';
import { SECRET_PREFIX } from '../secret.js';

/**
 * The value of `webhook-signature` for one attempt: over `id.timestamp.body`, the very bytes that are sent.
 * `timestampSeconds` is the time of the attempt, in whole seconds since 1970. Throws a RangeError on an empty secret.
 */
export function sign(secret: string, id: string, timestampSeconds: number, body: string): string {
  const key = Buffer.from(
    secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret,
    'base64',
  );
  // HMAC takes an empty key without a word, and anyone can sign with that.
  if (key.length === 0) throw new RangeError('the signing secret is empty');
  const mac = createHmac('sha256', key).update(`${id}.${timestampSeconds}.`, 'utf8').update(body, 'utf8');
  return `v1,${mac.digest('base64')}`;
}
