import type { AttemptOutcome } from './delivery.js';
import type { HttpHeader } from './webhook.js';

/** One HTTP POST to a receiver. */
export interface Call {
  url: string;
  /** Sent as given; `content-type` included. */
  headers: HttpHeader[];
  body: string;
  /** From the start of connecting to the end of the answer's headers. */
  timeoutMs: number;
}

/** What became of it. Every exchange ends in exactly one outcome; nothing is thrown. */
export interface CallResult {
  outcome: AttemptOutcome;
  statusCode: number | null;
  /** The start of the answer's body, as text; null where there was none. */
  responseSnippet: string | null;
  durationMs: number;
  /** One sentence for a person, free of addresses and socket text. */
  message: string | null;
}

/** Makes outbound calls under the destination policy. */
export interface Caller {
  call(call: Call): Promise<CallResult>;
  close(): Promise<void>;
}
