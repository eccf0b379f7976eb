import type { EventType } from './event.js';

/** How an event is written for a receiver. The last ones are the formats of existing systems. */
export const webhookFormats = [
  'STANDARD',
  'CLOUDEVENTS',
  'QUERY',
  'HKUBE',
  'HKUBE_V2',
  'PIPELET',
  'REPORT',
  'SERPWOW',
  'CORTEX',
] as const;
export type WebhookFormat = (typeof webhookFormats)[number];

/** "hkube-v2": the spelling of a format in descriptors and dialects. */
export function wireFormat(format: WebhookFormat): string {
  return format.toLowerCase().replace('_', '-');
}

export const webhookStatuses = ['ENABLED', 'COOLING', 'DISABLED'] as const;
export type WebhookStatus = (typeof webhookStatuses)[number];

export const DEFAULT_TIMEOUT_MS = 5_000;

export interface HttpHeader {
  name: string;
  value: string;
}

/** A registered endpoint. */
export interface Webhook {
  id: string;
  accountId: string;
  url: string;
  description: string | null;
  events: EventType[];
  /** Empty: all. */
  pipelines: string[];
  format: WebhookFormat;
  status: WebhookStatus;
  statusReason: string | null;
  coolingUntil: number | null;
  headers: HttpHeader[];
  timeoutMs: number;
  maxPerSecond: number | null;
  consecutiveFailures: number;
  createdAt: number;
}

/** Names a webhook may not set: they frame the message, belong to Carillon, or open doors on metadata services. */
const FORBIDDEN_HEADER =
  /^(host|connection|content-length|content-type|transfer-encoding|te|trailer|upgrade|keep-alive|expect|via|forwarded|x-forwarded-.*|proxy-.*|webhook-.*|x-carillon-.*|metadata|metadata-flavor|x-aws-ec2-metadata-.*|x-google-.*)$/;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
// Visible ASCII, spaces and tabs within: what RFC 9110 5.5 allows and every server takes.
const HEADER_VALUE = /^[\x21-\x7e]([\x20-\x7e\t]{0,4094}[\x21-\x7e])?$/;

/** What is wrong with a header a user wants sent along, or null. The value is not repeated: it may be a secret. */
export function headerProblem(header: HttpHeader): string | null {
  if (!HEADER_NAME.test(header.name))
    return `name must be an HTTP token of 1 to 100 characters, got ${JSON.stringify(header.name.slice(0, 80))}`;
  if (FORBIDDEN_HEADER.test(header.name.toLowerCase())) return `"${header.name}" cannot be set by a webhook`;
  if (!HEADER_VALUE.test(header.value))
    return `value of "${header.name}" must be 1 to 4096 visible ASCII characters`;
  return null;
}
