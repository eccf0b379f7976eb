import type { Bus, BusMessage } from '../bus.js';
import type { LoggedEvent } from '../event.js';
import type { Committed } from '../store.js';

/** Tells the bus what was committed. Called after the commit and never before it. */
export function publish(bus: Bus, committed: Committed): void {
  const messages: BusMessage[] = [];
  const byAccount = new Map<string, LoggedEvent[]>();
  for (const event of committed.events) {
    const events = byAccount.get(event.accountId) ?? [];
    byAccount.set(event.accountId, events);
    events.push(event);
  }
  for (const [accountId, events] of byAccount) messages.push({ kind: 'events', accountId, events });
  for (const queue of new Set(committed.readyQueues)) messages.push({ kind: 'ready', queue });
  if (committed.expansion) messages.push({ kind: 'expansion' });
  if (committed.triggered) messages.push({ kind: 'triggered' });
  if (committed.deliveries) messages.push({ kind: 'deliveries' });
  if (committed.links) messages.push({ kind: 'links' });
  if (committed.revoked.length > 0) messages.push({ kind: 'revoked', tokens: committed.revoked });
  if (messages.length > 0) bus.publish(messages);
}
