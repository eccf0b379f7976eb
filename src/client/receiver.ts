/**
 * For those who receive Carillon's webhooks: tell whether a call is genuine, and whether it came before. Needs
 * nothing but Web Crypto, so it runs in Node, Deno, Bun, browsers' workers and at the edge.
 */

/** Headers as the platforms give them: the Fetch API's `Headers`, or Node's `request.headers`. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /** How far the time of the call may be from now, in either direction. */
  toleranceSeconds?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** A call that was proved genuine. */
export interface VerifiedWebhook {
  /** The same for every attempt of one event: what duplicates are told by. */
  id: string;
  /** Of this attempt, in seconds since 1970. */
  timestamp: number;
  /** Such as "job.completed". */
  event: string | null;
  jobId: string | null;
  /** 1, 2, 3 …; null where the header is absent. */
  attempt: number | null;
  /** The parsed JSON; undefined for an empty body. */
  body: unknown;
}

/** The call must not be trusted. Answer 400 or 401, so that a wrong secret is noticed on the sending side. */
export class WebhookVerificationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WebhookVerificationError';
  }
}

/**
 * Proves that a call was signed with `secret` (`whsec_…`), or with one of several while one is being replaced.
 * `rawBody` must be the bytes as they arrived: a body that was parsed and written again has another signature. The
 * event, job id and attempt come from headers that the signature does not cover. Throws a WebhookVerificationError.
 */
export async function verify(
  secret: string | readonly string[],
  headers: WebhookHeaders,
  rawBody: string | Uint8Array | ArrayBuffer,
  options: VerifyOptions = {},
): Promise<VerifiedWebhook> {
  const keys = await importKeys(typeof secret === 'string' ? [secret] : secret);
  const id = required(headers, 'webhook-id');
  const timestamp = timestampOf(required(headers, 'webhook-timestamp'), options);
  const signatures = signaturesOf(required(headers, 'webhook-signature'));
  const body = bytesOf(rawBody);
  const content = joined(new TextEncoder().encode(`${id}.${timestamp}.`), body);
  if (!(await anyMatches(keys, signatures, content)))
    throw new WebhookVerificationError('no matching signature');
  const attempt = header(headers, 'x-carillon-attempt');
  return {
    id,
    timestamp,
    event: header(headers, 'x-carillon-event'),
    jobId: header(headers, 'x-carillon-job-id'),
    attempt: attempt !== null && /^\d{1,9}$/.test(attempt) ? Number(attempt) : null,
    body: parsed(body),
  };
}

type Bytes = Uint8Array<ArrayBuffer>;
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

async function importKeys(secrets: readonly string[]): Promise<Key[]> {
  if (secrets.length === 0) throw new WebhookVerificationError('no secret given');
  return Promise.all(
    secrets.map((secret) => {
      const key = decodeBase64(secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret);
      if (key === null) throw new WebhookVerificationError('secret is not base64');
      if (key.length === 0) throw new WebhookVerificationError('secret is empty');
      return crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    }),
  );
}

function header(headers: WebhookHeaders, name: string): string | null {
  if (typeof headers.get === 'function') return headers.get(name);
  for (const [key, value] of Object.entries(headers)) {
    if (key.toLowerCase() !== name || value === undefined) continue;
    return typeof value === 'string' ? value : value.join(' ');
  }
  return null;
}

function required(headers: WebhookHeaders, name: string): string {
  const value = header(headers, name);
  if (!value) throw new WebhookVerificationError(`missing header ${name}`);
  return value;
}

function timestampOf(text: string, { toleranceSeconds = 300, now = Date.now }: VerifyOptions): number {
  if (!/^\d{1,12}$/.test(text)) throw new WebhookVerificationError('invalid header webhook-timestamp');
  const timestamp = Number(text);
  const nowSeconds = Math.floor(now() / 1000);
  if (timestamp < nowSeconds - toleranceSeconds) throw new WebhookVerificationError('timestamp too old');
  if (timestamp > nowSeconds + toleranceSeconds) throw new WebhookVerificationError('timestamp too new');
  return timestamp;
}

/** The entries of version 1, of which a sender that replaces its secret writes several; other versions are skipped. */
function signaturesOf(list: string): Bytes[] {
  return list
    .split(' ')
    .filter((entry) => /^v1,[A-Za-z0-9+/]{43}=$/.test(entry))
    .map((entry) => decodeBase64(entry.slice('v1,'.length)))
    .filter((signature) => signature !== null);
}

/** `subtle.verify` compares in constant time; the number of entries is no secret. */
async function anyMatches(keys: Key[], signatures: Bytes[], content: Bytes): Promise<boolean> {
  for (const key of keys) {
    for (const signature of signatures) {
      if (await crypto.subtle.verify('HMAC', key, signature, content)) return true;
    }
  }
  return false;
}

function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw new WebhookVerificationError('body must be the raw text or bytes');
}

function joined(head: Uint8Array, tail: Uint8Array): Bytes {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}

function parsed(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw new WebhookVerificationError('body is not JSON');
  }
}

function decodeBase64(text: string): Bytes | null {
  // Unpadded secrets are common; white space, which `atob` would skip, is not.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

// ── Duplicates ──────────────────────────────────────────────────────────────────────────────────────

export interface DedupeOptions {
  /** How long an id is remembered. Attempts of one event can be 76 hours apart: the default is 4 days. */
  maxAgeMs?: number;
  /** Above it the oldest are forgotten first. About 150 bytes each. */
  maxIds?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface Dedupe {
  /** Whether the id was seen before; remembers it from now on. */
  seen(id: string): boolean;
  /** Takes an id back, where handling it failed and the next attempt shall be handled. */
  forget(id: string): void;
}

/**
 * Tells repeated calls by their `id`. It remembers in memory: where a duplicate after a restart would hurt, keep the
 * ids in the database, in the transaction that handles the event.
 */
export function createDedupe(options: DedupeOptions = {}): Dedupe {
  const { maxAgeMs = 4 * 24 * 3_600_000, maxIds = 100_000, now = Date.now } = options;
  // A Map keeps the order of insertion: the oldest are at its front.
  const seenAt = new Map<string, number>();
  return {
    seen(id) {
      const at = now();
      for (const [oldest, then] of seenAt) {
        if (then > at - maxAgeMs) break;
        seenAt.delete(oldest);
      }
      if (seenAt.has(id)) return true;
      seenAt.set(id, at);
      if (seenAt.size > maxIds) seenAt.delete(seenAt.keys().next().value!);
      return false;
    },
    forget(id) {
      seenAt.delete(id);
    },
  };
}
