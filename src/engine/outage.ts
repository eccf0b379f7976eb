import { LEASE_MS } from '../lease.js';
import type { Outage } from '../store.js';

/**
 * Whether leases may have ended only because the disk took no renewal: until everybody who holds one has had the time
 * of a lease to renew it, none is given back.
 */
export function isRecent(outage: Outage, now: number): boolean {
  return now - outage.last < LEASE_MS;
}
