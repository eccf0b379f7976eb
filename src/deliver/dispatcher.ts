import type { Bus } from '../bus.js';
import type { Clock, Timer } from '../clock.js';
import { UnavailableError } from '../errors.js';
import type { Ids } from '../id.js';
import type { Log } from '../log.js';
import { Loop } from '../loop.js';
import type { AttemptRecord, DueDelivery, Store } from '../store.js';

export interface DispatcherOptions {
  store: Store;
  bus: Bus;
  clock: Clock;
  ids: Ids;
  log: Log;
  send: (due: DueDelivery) => Promise<AttemptRecord>;
  /** Calls under way at once: in all, and to one URL, so that a hanging receiver takes no more than its share. */
  maxInFlight: number;
  maxPerUrl: number;
}

/** Longer than the longest call (30 s, and as much again for the answer's body) can take. */
const LEASE_MS = 90_000;
/** Results a body may carry; what is above is named, not sent. */
const MAX_RESULT_BYTES = 1024 * 1024;
const RECORD_TRIES = 5;
const RECORD_RETRY_MS = 500;

export interface Dispatcher {
  start(): void;
  /** Takes nothing new and waits for the calls under way; what is left at the deadline is sent again later. */
  stop(deadlineMs: number): Promise<void>;
  alive(): boolean;
}

/** Leases lanes whose head is due, sends, and records what became of it. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, bus, clock, log } = options;
  const inFlight = new Set<Promise<void>>();
  const unrecorded = new Unrecorded();

  const loop = new Loop(clock, log, 'dispatcher', async () => {
    const room = options.maxInFlight - inFlight.size;
    // Calls that cannot be recorded would only become more; and a lane whose lease has ended would be called again.
    if (room <= 0 || unrecorded.count > 0) return null;
    const at = clock.now();
    const claim = {
      max: room,
      maxPerUrl: options.maxPerUrl,
      maxResultBytes: MAX_RESULT_BYTES,
      leaseMs: LEASE_MS,
      at,
    };
    const due = await store.claimLanes(claim);
    for (const one of due) {
      const call = deliver(options, one, unrecorded).finally(() => {
        inFlight.delete(call);
        loop.wake();
      });
      inFlight.add(call);
    }
    if (due.length > 0) return 0;
    const next = await store.nextDueAt(at);
    return next === null ? null : Math.max(next - clock.now(), 1);
  });
  const unlisten = bus.listen('deliveries', () => loop.wake());

  return {
    start: () => loop.start(),
    async stop(deadlineMs) {
      unlisten();
      await loop.stop();
      let timer: Timer | undefined;
      const deadline = new Promise<void>((resolve) => {
        timer = clock.after(deadlineMs, resolve);
      });
      await Promise.race([Promise.all(inFlight), deadline]);
      timer?.cancel();
      unrecorded.givenUp = true;
    },
    alive: () => loop.alive(),
  };
}

/** Calls that were made and wait for the disk to take their record. */
class Unrecorded {
  count = 0;
  /** The server has stopped: nobody will write them any more. */
  givenUp = false;
}

async function deliver(
  { send, store, bus, clock, ids, log }: DispatcherOptions,
  due: DueDelivery,
  unrecorded: Unrecorded,
): Promise<void> {
  const { deliveryId, accountId, webhookId, number } = due;
  try {
    const record = await send(due);
    await recorded(() => store.recordAttempt(record, ids.fraction(), clock.now()), clock, unrecorded);
    bus.publish([{ kind: 'attempt', accountId, webhookId, deliveryId, number }]);
    const { outcome, statusCode, durationMs } = record;
    log.info(
      { deliveryId, jobId: due.event.job?.id, outcome, statusCode, durationMs, attempt: number },
      'webhook called',
    );
  } catch (error) {
    // The lane's lease ends by itself, and the delivery is tried again: at least once, never not at all.
    log.error({ err: error, deliveryId }, 'a webhook call could not be recorded');
  }
}

/**
 * A call that was made must be known. A full disk is waited for, with at most `maxInFlight` records in hand; any other
 * trouble gets a few chances before the lease has to decide.
 */
async function recorded(record: () => Promise<boolean>, clock: Clock, unrecorded: Unrecorded): Promise<void> {
  let waits = false;
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await record();
        return;
      } catch (error) {
        const refused = error instanceof UnavailableError;
        if (unrecorded.givenUp || (!refused && attempt >= RECORD_TRIES)) throw error;
        if (refused && !waits) unrecorded.count++;
        waits ||= refused;
        const tries = Math.min(attempt, RECORD_TRIES);
        await new Promise<void>((resolve) => clock.after(tries * RECORD_RETRY_MS, resolve));
      }
    }
  } finally {
    if (waits) unrecorded.count--;
  }
}
