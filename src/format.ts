import type { DeliveryPart } from './delivery.js';
import type { LoggedEvent } from './event.js';
import type { ResultItem } from './result.js';

/** Everything a body is made of. Nothing else may enter it: attempts of one delivery differ only in links. */
export interface BodySource {
  event: LoggedEvent;
  part: DeliveryPart;
  /** Results of a completed job where the format asks for them; `items` is null where they are too large to carry. */
  results: { items: ResultItem[] | null; bytes: number } | null;
  /** The base of every absolute link (CARILLON_PUBLIC_URL), without a slash at its end. */
  publicUrl: string;
}

/** One pure function a format: from the facts to the bytes. */
export type Encode = (source: BodySource) => string;

/** A body above this carries a link or HKube's `info` in place of the results. */
export const MAX_BODY_BYTES = 1024 * 1024;
