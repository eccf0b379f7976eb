import { advance } from '../advance.js';
import type { Outcome } from '../state.js';
import type { Parts } from './parts.js';
import { publish } from './publish.js';

/** Settles outcomes of one job, tells the bus, and answers which were accepted. */
export async function settleJob(
  { store, bus, log }: Pick<Parts, 'store' | 'bus' | 'log'>,
  jobUuid: string,
  outcomes: Outcome[],
): Promise<boolean[]> {
  const settled = await store.settle({ jobUuid, outcomes }, advance);
  if (settled.broken !== undefined)
    log.error({ err: settled.broken, jobUuid }, 'the rules failed on a job; it was ended');
  publish(bus, settled.committed);
  return settled.accepted;
}
