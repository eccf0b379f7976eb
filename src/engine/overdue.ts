import { UnavailableError } from '../errors.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

/**
 * Ends jobs whose time is over, at most `limit`: the rules look again, since a job may have been paused meanwhile.
 * Answers how many, and when the next one is due.
 */
export async function endOverdue(
  parts: Parts,
  at: number,
  limit: number,
): Promise<{ ended: number; nextAt: number | null }> {
  const { jobUuids, nextAt } = await parts.store.overdueJobs(at, limit);
  let ended = 0;
  await Promise.all(
    jobUuids.map(async (jobUuid) => {
      // One job's trouble must not keep the others from their end.
      try {
        await settleJob(parts, jobUuid, [{ kind: 'overdue', at }]);
        ended++;
      } catch (error) {
        if (!(error instanceof UnavailableError))
          parts.log.error({ err: error, jobUuid }, 'a job whose time is over could not be ended');
      }
    }),
  );
  return { ended, nextAt };
}
