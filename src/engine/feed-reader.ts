import { problem, shown } from '../errors.js';
import { type EventType, isTerminal, type LoggedEvent } from '../event.js';
import { CursorError, encodeCursor, expired, matches, positionOf } from '../feed.js';
import { isEnded, type Job } from '../job.js';
import type { EventFilter, EventPage } from '../store.js';
import { AccountFeeds, type Listener } from './account-feed.js';
import { attemptSource } from './attempt-source.js';
import type { FeedReader } from './engine.js';
import type { Parts } from './parts.js';
import { createSource, type Page, type Source } from './source.js';

const PAGE = 100;

/** The feed for subscribers: the newest events from memory, all others from the log, by position. */
export function createFeedReader(parts: Parts): FeedReader {
  const feeds = new AccountFeeds(parts);
  return {
    jobEvents: (accountId, jobId, after, types) =>
      jobEvents(parts, feeds, accountId, jobId, after === null ? 0 : positionOf(after, accountId), types),
    events: (accountId, filter, after) =>
      events(parts, feeds, accountId, filter, after === null ? null : positionOf(after, accountId)),
    job: (accountId, jobId, intervalMs) => jobView(parts, feeds, accountId, jobId, intervalMs),
    attempts: (accountId, webhookId) => attemptSource(parts, accountId, webhookId),
  };
}

function jobEvents(
  { store }: Parts,
  feeds: AccountFeeds,
  accountId: string,
  jobId: string,
  after: number,
  types: EventType[] | null,
): Source<LoggedEvent> {
  const wanted = (event: LoggedEvent) => types === null || types.includes(event.type);
  return createSource({
    topic: JSON.stringify(['jobEvents', accountId, jobId, types && [...new Set(types)].sort()]),
    after,
    paceMs: 0,
    cursorOf: (position) => encodeCursor(accountId, position),
    open(tell) {
      const { feed, opened } = listening(feeds, accountId, jobId, {
        tell(event) {
          const last = isTerminal(event.type);
          if (wanted(event)) tell({ position: event.position, item: itemOf(event), last });
          // The end is told also where its event is not asked for.
          else if (last) tell({ position: event.position, item: null, last });
        },
        missed: (position) => tell({ position, item: null, last: false }),
      });
      return {
        ...opened,
        recent(position) {
          const recent = feed.recent(position)?.filter((event) => event.job?.id === jobId);
          return recent
            ? {
                items: recent.filter(wanted).map(itemOf),
                through: Math.max(position, feed.position),
                ended: recent.some((event) => isTerminal(event.type)),
              }
            : null;
        },
        async read(position) {
          const page = await store.jobEvents(accountId, jobId, types, position, PAGE);
          if (!page) throw problem('NOT_FOUND', `job ${shown(jobId)} was not found`, ['jobId']);
          refuseFuture(position, page.head);
          return pageOf(page, page.ended);
        },
      };
    },
  });
}

function events(
  { store }: Parts,
  feeds: AccountFeeds,
  accountId: string,
  filter: EventFilter,
  after: number | null,
): Source<LoggedEvent> {
  return createSource({
    topic: JSON.stringify(['events', accountId, Object.entries(filter).sort()]),
    after,
    paceMs: 0,
    cursorOf: (position) => encodeCursor(accountId, position),
    open(tell) {
      const { feed, opened } = listening(feeds, accountId, null, {
        tell(event) {
          if (matches(event, filter)) tell({ position: event.position, item: itemOf(event), last: false });
        },
        missed: (position) => tell({ position, item: null, last: false }),
      });
      return {
        ...opened,
        recent(position) {
          const items = feed
            .recent(position)
            ?.filter((event) => matches(event, filter))
            .map(itemOf);
          return items ? { items, through: Math.max(position, feed.position), ended: false } : null;
        },
        async read(position) {
          const page = await store.events(accountId, filter, position, PAGE);
          refuseFuture(position, page.head);
          if (position < page.tail) throw expired(accountId, page.tail);
          return pageOf(page, false);
        },
      };
    },
  });
}

/** The job as it is: whoever is told of a change reads it, so that only the newest state is ever sent. */
function jobView(
  { store }: Parts,
  feeds: AccountFeeds,
  accountId: string,
  jobId: string,
  intervalMs: number,
): Source<Job> {
  return createSource({
    topic: JSON.stringify(['job', accountId, jobId, intervalMs]),
    after: -1,
    paceMs: intervalMs,
    cursorOf: null,
    open(tell) {
      const changed = (position: number) => tell({ position, item: null, last: false });
      const { feed, opened } = listening(feeds, accountId, jobId, {
        tell: ({ position }) => changed(position),
        missed: changed,
      });
      return {
        ...opened,
        recent: () => null,
        async read(position) {
          // Taken before the read: what was told by then is in what is read.
          const told = feed.position;
          const job = await store.job(accountId, jobId);
          if (!job) throw problem('NOT_FOUND', `job ${shown(jobId)} was not found`, ['id']);
          const items = job.position > position ? [{ position: job.position, value: job }] : [];
          return { items, through: Math.max(job.position, told), ended: isEnded(job.status) };
        },
      };
    },
  });
}

/** The account's feed, and what every stream on it has in common. */
function listening(feeds: AccountFeeds, accountId: string, jobId: string | null, listener: Listener) {
  const { feed, release } = feeds.use(accountId);
  const unlisten = feed.listen(jobId, listener);
  const opened = {
    ready: feed.ready(),
    position: () => feed.position,
    close() {
      unlisten();
      release();
    },
  };
  return { feed, opened };
}

function itemOf(event: LoggedEvent) {
  return { position: event.position, value: event };
}

function pageOf({ events: found, through }: EventPage, ended: boolean): Page<LoggedEvent> {
  return { items: found.map(itemOf), through, ended };
}

/** A cursor from the future is one of a log that is not this one: a copy was put back that does not reach so far. */
function refuseFuture(position: number, head: number): void {
  if (position <= head) return;
  throw new CursorError('CURSOR_INVALID', 'this cursor is ahead of the log; the log may have been restored');
}
