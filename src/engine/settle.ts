import { advance } from '../advance.js';
import type { Outcome } from '../state.js';
import type { Settled } from '../store.js';
import type { Parts } from './parts.js';
import { publish } from './publish.js';

/** Settles outcomes of one job, in as many commits as the rules ask for, tells the bus, and answers which were accepted. */
export async function settleJob(
  { store, bus, log }: Pick<Parts, 'store' | 'bus' | 'log'>,
  jobUuid: string,
  outcomes: Outcome[],
): Promise<boolean[]> {
  const accepted: boolean[] = [];
  while (accepted.length < outcomes.length) {
    const settled = await store.settle({ jobUuid, outcomes: outcomes.slice(accepted.length) }, advance);
    accepted.push(...tell({ bus, log }, jobUuid, settled));
  }
  return accepted;
}

/** Tells the bus what was settled, and the log where the rules have failed; answers which outcomes were accepted. */
export function tell(
  { bus, log }: Pick<Parts, 'bus' | 'log'>,
  jobUuid: string,
  { accepted, committed, broken }: Settled,
): boolean[] {
  if (broken !== undefined) log.error({ err: broken, jobUuid }, 'the rules failed on a job; it was ended');
  publish(bus, committed);
  return accepted;
}
