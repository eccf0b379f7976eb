import { hash } from 'node:crypto';
import type { LoggedEvent } from './event.js';
import type { EventFilter } from './store.js';

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
  const [version, account, position = '', ...more] = content.split('.');
  if (version !== String(VERSION) || account !== accountId || checksum(content) !== text.slice(cut + 1))
    return null;
  // The check sum is no secret: anybody can make one for anything.
  return /^\d{1,15}$/.test(position) && more.length === 0 ? Number(position) : null;
}

function checksum(content: string): string {
  return hash('sha256', content, 'base64url').slice(0, 6);
}

/** Of two cursors the later one; one that is damaged or foreign comes back as it is, for its reader to refuse. */
export function laterCursor(accountId: string, one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  const [first, second] = [decodeCursor(one, accountId), decodeCursor(other, accountId)];
  if (first === null || second === null) return first === null ? one : other;
  return first >= second ? one : other;
}

/** Whether an event is one of those asked for: the rule that every store follows when it reads the log. */
export function matches({ type, job, facts }: LoggedEvent, filter: EventFilter): boolean {
  const { types, jobIds, pipelines, tags, webhookIds } = filter;
  if (types && !types.includes(type)) return false;
  if (jobIds && !(job && jobIds.includes(job.id))) return false;
  if (pipelines && !(job && pipelines.includes(job.pipelineName))) return false;
  if (tags && !job?.tags.some((tag) => tags.includes(tag))) return false;
  return !webhookIds || (facts.of === 'webhook' && webhookIds.includes(facts.webhookId));
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

/** The position a cursor stands for; CURSOR_INVALID where it is damaged or another account's. */
export function positionOf(cursor: string, accountId: string): number {
  const position = decodeCursor(cursor, accountId);
  if (position !== null) return position;
  throw new CursorError(
    'CURSOR_INVALID',
    '`after` is damaged or was not given to this account: take a cursor of its events, or leave it out',
  );
}

/** Why a cursor before `tail` cannot be served: what came next is gone. */
export function expired(accountId: string, tail: number): CursorError {
  return new CursorError(
    'CURSOR_EXPIRED',
    'events after this cursor are no longer kept: go on from `extensions.oldest`, or leave `after` out, and read the jobs again',
    encodeCursor(accountId, tail),
  );
}
