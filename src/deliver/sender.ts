import { createHash } from 'node:crypto';
import type { Caller } from '../caller.js';
import type { Clock } from '../clock.js';
import { eventId, wireType } from '../event.js';
import type { Encode } from '../format.js';
import type { AttemptRecord, DueDelivery } from '../store.js';
import type { HttpHeader, WebhookFormat } from '../webhook.js';
import { sign } from './sign.js';

/** Bodies up to this are kept with the delivery. */
const KEPT_BODY_BYTES = 64 * 1024;
const MASK = '•••';

export interface SenderOptions {
  caller: Caller;
  clock: Clock;
  encoders: ReadonlyMap<WebhookFormat, Encode>;
  /** Base of links; known only once the server listens. */
  publicUrl: () => string;
}

/** Encodes, signs and posts one delivery. Never throws for what a receiver does: that is an outcome. */
export function createSender({ caller, clock, encoders, publicUrl }: SenderOptions) {
  return async (due: DueDelivery): Promise<AttemptRecord> => {
    const { event, part, results } = due;
    const encode = encoders.get(due.format);
    if (!encode) throw new Error(`no encoder for the format ${due.format}`);
    const body = encode({ event, part, results, publicUrl: publicUrl() });
    const startedAt = clock.now();
    const headers = headersOf(due, body, startedAt);
    const own = due.headers;
    const result = await caller.call({
      url: due.url,
      headers: [...own, ...headers],
      body,
      timeoutMs: due.timeoutMs,
    });
    const bytes = Buffer.byteLength(body);
    return {
      deliveryId: due.deliveryId,
      token: due.token,
      number: due.number,
      startedAt,
      durationMs: result.durationMs,
      outcome: result.outcome,
      statusCode: result.statusCode,
      responseSnippet: result.responseSnippet ?? result.message,
      // The user's headers may be credentials, and a signature is one for five minutes.
      requestHeaders: [
        ...own.map(({ name }) => ({ name, value: MASK })),
        ...headers.map(({ name, value }) => ({ name, value: name === 'webhook-signature' ? MASK : value })),
      ],
      body: bytes <= KEPT_BODY_BYTES ? body : null,
      bodyBytes: bytes,
      bodySha256: createHash('sha256').update(body).digest('hex'),
    };
  };
}

/** Standard Webhooks headers, whatever the format, and three of ours. */
function headersOf(
  { event, part, format, number, secret }: DueDelivery,
  body: string,
  at: number,
): HttpHeader[] {
  // HKube owes one event two bodies: a receiver of both must not take the second for a copy of the first.
  const id = part === 'RESULT' && format.startsWith('HKUBE') ? `${eventId(event)}-result` : eventId(event);
  const seconds = Math.floor(at / 1_000);
  return [
    { name: 'content-type', value: 'application/json' },
    { name: 'webhook-id', value: id },
    { name: 'webhook-timestamp', value: String(seconds) },
    { name: 'webhook-signature', value: sign(secret, id, seconds, body) },
    { name: 'x-carillon-event', value: wireType(event.type) },
    ...(event.job ? [{ name: 'x-carillon-job-id', value: event.job.id }] : []),
    { name: 'x-carillon-attempt', value: String(number) },
  ];
}
