// Standard Webhooks 1.0, symmetric: HMAC-SHA256, a secret of 24 to 64 bytes, base64 with padding.
export const SECRET_PREFIX = 'whsec_';
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A secret in its written form, `whsec_` and base64. Throws a RangeError unless given 24 to 64 bytes. */
export function generateSecret(bytes: Buffer): string {
  if (bytes.length < MIN_BYTES || bytes.length > MAX_BYTES)
    throw new RangeError(`a secret must have ${MIN_BYTES} to ${MAX_BYTES} bytes, got ${bytes.length}`);
  return SECRET_PREFIX + bytes.toString('base64');
}

/** What is wrong with a secret that a user brings along, or null. The secret itself is never repeated. */
export function secretProblem(secret: string): string | null {
  if (!secret.startsWith(SECRET_PREFIX)) return `must start with "${SECRET_PREFIX}"`;
  const encoded = secret.slice(SECRET_PREFIX.length);
  // Without padding the receivers' own libraries would refuse it, so it is refused here, where it can be corrected.
  if (!BASE64.test(encoded)) return `must be standard base64 with padding after "${SECRET_PREFIX}"`;
  const bytes = Buffer.byteLength(encoded, 'base64');
  if (bytes < MIN_BYTES || bytes > MAX_BYTES)
    return `must hold ${MIN_BYTES} to ${MAX_BYTES} bytes in base64, got ${bytes}`;
  return null;
}
