import { UnavailableError } from '../errors.js';
import { Loop, POLL_MS } from '../loop.js';
import { parseLeaseToken } from '../task.js';
import { isRecent } from './outage.js';
import { endOverdue } from './overdue.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

const AT_ONCE = 200;
/** A job that has waited this long for a worker ranks one priority higher. */
const AGE_AFTER_MS = 10 * 60_000;

/**
 * Does what falls due with time alone: leases and time limits that end, retries, the ageing of those who wait; and
 * removes what large jobs have left.
 */
export function createSweeper(parts: Parts): Loop {
  const { store, bus, clock } = parts;
  return new Loop(clock, parts.log, 'sweeper', async () => {
    const at = clock.now();
    const outage = await store.outage();
    const expired = outage && isRecent(outage, at) ? 0 : await expireLeases(parts, at);
    const { readyQueues, nextAt } = await store.promoteRetries(at, AT_ONCE);
    if (readyQueues.length > 0) bus.publish(readyQueues.map((queue) => ({ kind: 'ready', queue })));
    await store.agePriorities(at, AGE_AFTER_MS);
    const overdue = await endOverdue(parts, at, AT_ONCE);
    const forgotten = await store.forgetArrivals();
    if (forgotten || expired === AT_ONCE || overdue.ended === AT_ONCE) return 0;
    const next = Math.min(nextAt ?? Number.POSITIVE_INFINITY, overdue.nextAt ?? Number.POSITIVE_INFINITY);
    return Math.min(Math.max(next - clock.now(), 0), POLL_MS);
  });
}

/**
 * Gives back tasks whose lease has ended; of workers that are known to be gone, whatever the time. Answers how many,
 * at most AT_ONCE.
 */
export async function expireLeases(parts: Parts, at: number, ofWorkers?: string): Promise<number> {
  const expired = await parts.store.expiredLeases(at, AT_ONCE, ofWorkers);
  let given = 0;
  const byJob = new Map<string, string[]>();
  for (const { jobUuid, token } of expired) byJob.set(jobUuid, [...(byJob.get(jobUuid) ?? []), token]);
  await Promise.all(
    [...byJob].map(async ([jobUuid, tokens]) => {
      const outcomes = tokens.map((token) => ({
        kind: 'expired' as const,
        ref: parseLeaseToken(token)!,
        token,
        at,
      }));
      // One job's trouble must not keep the others', or the retries after this, from their turn.
      try {
        await settleJob(parts, jobUuid, outcomes);
        given += outcomes.length;
      } catch (error) {
        if (!(error instanceof UnavailableError))
          parts.log.error({ err: error, jobUuid }, 'leases that ended could not be given back');
      }
    }),
  );
  return given;
}
