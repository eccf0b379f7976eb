import { oversizeMessage } from '../batch.js';
import { UnavailableError } from '../errors.js';
import { LEASE_MS, type LeasedTask } from '../lease.js';
import { PIPELINE_QUEUE } from '../node-kind.js';
import type { Outcome } from '../state.js';
import { parseLeaseToken } from '../task.js';
import { isRecent } from './outage.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

/** Outcomes that one unit of a commit takes: about 1 ms of work, so that the event loop gets its turns in between. */
const UNIT = 32;
/** Characters of results that one takes; a single result may exceed it. */
const UNIT_CHARACTERS = 1024 * 1024;
/** Queues without an algorithm that one look finds; the next look finds the rest. */
const MAX_ORPHANED = 100;

type TaskOutcome = Extract<Outcome, { token: string }>;

/** Leasing for whoever runs tasks: the pool of this server, or workers elsewhere. */
export interface Leases {
  /** None of the queues `without`. */
  acquire(max: number, without?: readonly string[]): Promise<LeasedTask[]>;
  /** `accepted` has one for each outcome; null: it was not taken, and should be handed in again, in the same order. */
  settle(outcomes: { jobUuid: string; outcome: TaskOutcome }[]): Promise<{ accepted: (boolean | null)[] }>;
  extend(tokens: string[]): Promise<boolean[]>;
  onReady(handler: () => void): () => void;
  onRevoked(handler: (tokens: string[]) => void): () => void;
}

export function createLeases(
  parts: Parts,
  options: { queues: string[]; worker: string; leaseMs?: number },
): Leases {
  const { store, bus, clock, log } = parts;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  /** Outcomes wait for the disk to take them: until it does, nothing is claimed that would make more of them. */
  let waiting = false;

  /**
   * The store commits the units of a tick together, but each may fail alone. All outcomes of a task are in one unit:
   * none of them is taken while an earlier one has to be handed in again.
   */
  const settle: Leases['settle'] = async (outcomes) => {
    const accepted: (boolean | null)[] = outcomes.map(() => null);
    let refused = false;
    await Promise.all(
      unitsOf(outcomes).map(async ({ jobUuid, outcomes: some, places }) => {
        try {
          const settled = await settleJob(parts, jobUuid, some);
          places.forEach((place, index) => {
            accepted[place] = settled[index]!;
          });
        } catch (error) {
          if (error instanceof UnavailableError) refused = true;
          else log.error({ err: error, jobUuid }, 'outcomes could not be settled; they are handed in again');
        }
      }),
    );
    waiting = refused;
    return { accepted };
  };

  const claim = async (queues: string[], max: number) => {
    const at = clock.now();
    const leased = await store.claim({ queues, max, worker: options.worker, leaseMs, at });
    const runnable = leased.filter((task) => task.source.oversize === undefined);
    if (runnable.length < leased.length)
      await settle(leased.flatMap((task) => refuseOversize(task, clock.now())));
    return { leased, runnable };
  };

  /**
   * Ready queues that nobody serves, since their algorithm was removed: the pool fails their tasks, which would wait
   * for ever. Today every algorithm is a module of this server.
   */
  const orphaned = async () =>
    (await store.readyQueues(options.queues.length + MAX_ORPHANED)).filter(
      (queue) => queue !== PIPELINE_QUEUE && !options.queues.includes(queue),
    );

  return {
    async acquire(max, without = []) {
      if (waiting) return [];
      const served = options.queues.filter((queue) => !without.includes(queue));
      const { leased, runnable } = await claim(served, max);
      // Looked for only when there is nothing else to do, which an idle pool asks every second.
      if (leased.length > 0) return runnable;
      const queues = await orphaned();
      return queues.length > 0 ? (await claim(queues, max)).runnable : [];
    },
    settle,
    async extend(tokens) {
      const now = clock.now();
      // A lease that ended while it could not be renewed was held all the same.
      const outage = await store.outage();
      const held = outage && isRecent(outage, now) ? outage.since : now;
      return store.extend(tokens, now + leaseMs, held);
    },
    onReady: (handler) =>
      bus.listen('ready', ({ queue }) => {
        if (options.queues.includes(queue)) handler();
      }),
    onRevoked: (handler) => bus.listen('revoked', ({ tokens }) => handler(tokens)),
  };
}

interface Unit {
  jobUuid: string;
  outcomes: TaskOutcome[];
  /** Where each of them stands in the call. */
  places: number[];
  /** Of results. */
  characters: number;
}

function isFull({ outcomes, characters }: Unit): boolean {
  return outcomes.length >= UNIT || characters >= UNIT_CHARACTERS;
}

function unitsOf(outcomes: { jobUuid: string; outcome: TaskOutcome }[]): Unit[] {
  const units: Unit[] = [];
  const ofTask = new Map<string, Unit>();
  const latest = new Map<string, Unit>();
  outcomes.forEach(({ jobUuid, outcome }, place) => {
    let unit = ofTask.get(outcome.token) ?? latest.get(jobUuid);
    if (!unit || (isFull(unit) && !ofTask.has(outcome.token))) {
      unit = { jobUuid, outcomes: [], places: [], characters: 0 };
      units.push(unit);
      latest.set(jobUuid, unit);
    }
    unit.outcomes.push(outcome);
    unit.places.push(place);
    if (outcome.kind === 'succeeded') unit.characters += outcome.result.length;
    ofTask.set(outcome.token, unit);
  });
  return units;
}

function refuseOversize(task: LeasedTask, at: number): { jobUuid: string; outcome: TaskOutcome }[] {
  if (task.source.oversize === undefined) return [];
  const ref = parseLeaseToken(task.token)!;
  const message = oversizeMessage(task.nodeName, task.source.oversize);
  const outcome: TaskOutcome = {
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
