import type { Delivery, DeliveryAttempt } from '../delivery.js';
import { problem, shown } from '../errors.js';
import type { EventType, LoggedEvent } from '../event.js';
import { CursorError, decodeCursor, encodeCursor } from '../feed.js';
import { isEnded, type Job } from '../job.js';
import { POLL_MS } from '../loop.js';
import type { EventFilter } from '../store.js';
import type { FeedReader } from './engine.js';
import { liveStream, type Wakeup } from './live-stream.js';
import type { Parts } from './parts.js';

const PAGE = 100;
/** A view of attempts that nobody reads keeps this many: older ones can be queried. */
const ATTEMPTS_KEPT = 256;

/** Reads the feed for subscribers, straight from the log: the bus only says when to look. */
export function createFeedReader(parts: Parts): FeedReader {
  const { store, bus, clock } = parts;
  return {
    jobEvents: (accountId, jobId, after, types) =>
      liveStream(clock, (wakeup) => {
        const unlisten = bus.listen('events', (message) => {
          if (message.accountId === accountId && message.events.some((event) => event.job?.id === jobId))
            wakeup.wake();
        });
        return { run: () => jobEvents(parts, wakeup, accountId, jobId, after, types), end: unlisten };
      }),

    events: (accountId, filter, after) =>
      liveStream(clock, (wakeup) => {
        const unlisten = bus.listen('events', (message) => {
          if (message.accountId === accountId) wakeup.wake();
        });
        return { run: () => events(parts, wakeup, accountId, filter, after), end: unlisten };
      }),

    job: (accountId, jobId, intervalMs) =>
      liveStream(clock, (wakeup) => {
        const unlisten = bus.listen('events', (message) => {
          if (message.accountId === accountId && message.events.some((event) => event.job?.id === jobId))
            wakeup.wake();
        });
        return { run: () => jobView(parts, wakeup, accountId, jobId, intervalMs), end: unlisten };
      }),

    attempts: (accountId, webhookId) =>
      liveStream(clock, (wakeup) => {
        const waiting: { deliveryId: string; number: number }[] = [];
        const unlisten = bus.listen('attempt', (message) => {
          if (message.accountId !== accountId || (webhookId !== null && message.webhookId !== webhookId))
            return;
          waiting.push(message);
          if (waiting.length > ATTEMPTS_KEPT) waiting.shift();
          wakeup.wake();
        });
        async function* run(): AsyncGenerator<{ attempt: DeliveryAttempt; delivery: Delivery }> {
          for (;;) {
            const next = waiting.shift();
            if (!next) {
              await wakeup.wait(POLL_MS * 60);
              if (wakeup.ended) return;
              continue;
            }
            const delivery = await store.delivery(accountId, next.deliveryId, clock.now());
            const attempts = delivery ? await store.attempts(accountId, next.deliveryId) : [];
            const attempt = attempts.find((one) => one.number === next.number);
            if (delivery && attempt) yield { attempt, delivery };
          }
        }
        return { run, end: unlisten };
      }),
  };
}

async function* jobEvents(
  { store }: Parts,
  wakeup: Wakeup,
  accountId: string,
  jobId: string,
  after: string | null,
  types: EventType[] | null,
): AsyncGenerator<LoggedEvent> {
  let position = after === null ? 0 : positionOf(after, accountId);
  for (;;) {
    const page = await store.jobEvents(accountId, jobId, types, position, PAGE);
    if (!page) throw problem('NOT_FOUND', `job ${shown(jobId)} was not found`, ['jobId']);
    refuseFuture(position, page.head);
    yield* page.events;
    const moved = page.through > position;
    position = page.through;
    if (page.ended || wakeup.ended) return;
    if (!moved) await wakeup.wait(POLL_MS);
  }
}

async function* events(
  { store }: Parts,
  wakeup: Wakeup,
  accountId: string,
  filter: EventFilter,
  after: string | null,
): AsyncGenerator<LoggedEvent> {
  let position =
    after === null ? (await store.events(accountId, filter, 0, 1)).head : positionOf(after, accountId);
  while (!wakeup.ended) {
    const page = await store.events(accountId, filter, position, PAGE);
    refuseFuture(position, page.head);
    if (position < page.tail) {
      const oldest = encodeCursor(accountId, page.tail);
      throw new CursorError(
        'CURSOR_EXPIRED',
        'events after this cursor have been removed; go on from extensions.oldest',
        oldest,
      );
    }
    yield* page.events;
    position = page.through;
    if (page.through >= page.head) await wakeup.wait(POLL_MS);
  }
}

async function* jobView(
  { store, clock }: Parts,
  wakeup: Wakeup,
  accountId: string,
  jobId: string,
  intervalMs: number,
): AsyncGenerator<Job> {
  let shownPosition = -1;
  while (!wakeup.ended) {
    const job = await store.job(accountId, jobId);
    if (!job) throw problem('NOT_FOUND', `job ${shown(jobId)} was not found`, ['id']);
    if (job.position !== shownPosition) {
      shownPosition = job.position;
      const at = clock.now();
      yield job;
      if (isEnded(job.status)) return;
      await wakeup.pause(at + intervalMs - clock.now());
    } else {
      await wakeup.wait(POLL_MS);
    }
  }
}

function positionOf(cursor: string, accountId: string): number {
  const position = decodeCursor(cursor, accountId);
  if (position === null)
    throw new CursorError(
      'CURSOR_INVALID',
      'this is no cursor of this account; use one that an event carried',
    );
  return position;
}

/** A cursor from the future is one of a log that is not this one: a copy was put back that does not reach so far. */
function refuseFuture(position: number, head: number): void {
  if (position > head)
    throw new CursorError(
      'CURSOR_INVALID',
      'this cursor is ahead of the log; the log may have been restored',
    );
}
