import { oversizeMessage } from '../batch.js';
import { LEASE_MS, type LeasedTask } from '../lease.js';
import type { Outcome } from '../state.js';
import { parseLeaseToken } from '../task.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

/** Outcomes that one unit of a commit takes: about 2 ms of work, so that the event loop gets its turns in between. */
const UNIT = 64;

/** Leasing for whoever runs tasks: the pool of this server, or workers elsewhere. */
export interface Leases {
  acquire(max: number): Promise<LeasedTask[]>;
  settle(outcomes: { jobUuid: string; outcome: Outcome }[]): Promise<{ accepted: boolean[] }>;
  extend(tokens: string[]): Promise<boolean[]>;
  onReady(handler: () => void): () => void;
  onRevoked(handler: (tokens: string[]) => void): () => void;
}

export function createLeases(
  parts: Parts,
  options: { queues: string[]; worker: string; leaseMs?: number },
): Leases {
  const { store, bus, clock } = parts;
  const leaseMs = options.leaseMs ?? LEASE_MS;

  /** The outcomes of a job are settled in order, in units; the store commits the units of a tick together. */
  const settle: Leases['settle'] = async (outcomes) => {
    const groups = new Map<string, { outcomes: Outcome[]; places: number[] }>();
    outcomes.forEach(({ jobUuid, outcome }, place) => {
      const group = groups.get(jobUuid) ?? { outcomes: [], places: [] };
      groups.set(jobUuid, group);
      group.outcomes.push(outcome);
      group.places.push(place);
    });
    const accepted: boolean[] = outcomes.map(() => false);
    const units = [...groups].flatMap(([jobUuid, { outcomes: all, places }]) =>
      Array.from({ length: Math.ceil(all.length / UNIT) }, (_, unit) => {
        const [from, to] = [unit * UNIT, (unit + 1) * UNIT];
        return { jobUuid, outcomes: all.slice(from, to), places: places.slice(from, to) };
      }),
    );
    await Promise.all(
      units.map(async ({ jobUuid, outcomes: some, places }) => {
        const settled = await settleJob(parts, jobUuid, some);
        places.forEach((place, index) => {
          accepted[place] = settled[index]!;
        });
      }),
    );
    return { accepted };
  };

  return {
    async acquire(max) {
      const claim = { queues: options.queues, max, worker: options.worker, leaseMs, at: clock.now() };
      const leased = await store.claim(claim);
      const runnable = leased.filter((task) => task.source.oversize === undefined);
      if (runnable.length < leased.length)
        await settle(leased.flatMap((task) => refuseOversize(task, clock.now())));
      return runnable;
    },
    settle,
    extend: (tokens) => store.extend(tokens, clock.now() + leaseMs),
    onReady: (handler) =>
      bus.listen('ready', ({ queue }) => {
        if (options.queues.includes(queue)) handler();
      }),
    onRevoked: (handler) => bus.listen('revoked', ({ tokens }) => handler(tokens)),
  };
}

function refuseOversize(task: LeasedTask, at: number): { jobUuid: string; outcome: Outcome }[] {
  if (task.source.oversize === undefined) return [];
  const ref = parseLeaseToken(task.token)!;
  const message = oversizeMessage(task.nodeName, task.source.oversize);
  const outcome: Outcome = {
    kind: 'failed',
    ref,
    token: task.token,
    at,
    code: 'INPUT_TOO_LARGE',
    message,
    crash: false,
  };
  return [{ jobUuid: ref.jobUuid, outcome }];
}
