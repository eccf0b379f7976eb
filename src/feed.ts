import { createHash } from 'node:crypto';

/** A place in an account's log: everything up to and including `position` has been seen. */
const VERSION = 1;

/** An opaque cursor: version, account and position, with a check sum so that a damaged one is told from an old one. */
export function encodeCursor(accountId: string, position: number): string {
  const content = `${VERSION}.${accountId}.${position}`;
  return Buffer.from(`${content}.${checksum(content)}`).toString('base64url');
}

/** The position, or null where the cursor is damaged or another account's. */
export function decodeCursor(cursor: string, accountId: string): number | null {
  if (cursor.length > 200) return null;
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const cut = text.lastIndexOf('.');
  const content = text.slice(0, cut);
  const [version, account, position] = content.split('.');
  if (version !== String(VERSION) || account !== accountId || checksum(content) !== text.slice(cut + 1))
    return null;
  return Number(position);
}

function checksum(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 6);
}

/** Thrown where a cursor cannot be served. CURSOR_EXPIRED carries the oldest cursor that can. */
export class CursorError extends Error {
  constructor(
    readonly code: 'CURSOR_INVALID' | 'CURSOR_EXPIRED',
    message: string,
    readonly oldest: string | null = null,
  ) {
    super(message);
    this.name = 'CursorError';
  }
}
