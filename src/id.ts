import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.js';

/** Where identifiers and randomness come from, so that tests can fix them. */
export interface Ids {
  /** A version 7 UUID (RFC 9562): ordered by time, in lower case with dashes. */
  uuid(): string;
  /** `prefix_` and 24 lower-case letters and digits (about 124 bits). */
  random(prefix: string): string;
  /** Random bytes for secrets. */
  bytes(length: number): Buffer;
  /** A number from 0 up to but not 1, for jitter. */
  fraction(): number;
}

export function systemIds(clock: Clock): Ids {
  return {
    uuid: () => uuidV7(clock.now(), randomBytes(10)),
    random: (prefix) => `${prefix}_${letters(randomBytes(24))}`,
    bytes: (length) => randomBytes(length),
    fraction: () => randomBytes(4).readUInt32BE() / 2 ** 32,
  };
}

/** RFC 9562, 5.7: 48 bits of time, version, 12 bits, variant, 62 bits. */
export function uuidV7(ms: number, random: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(ms, 0, 6);
  random.copy(bytes, 6, 0, 10);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// 36 does not divide 256: the first letters are a little likelier, which costs less than one bit in all.
function letters(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) text += (byte % 36).toString(36);
  return text;
}
