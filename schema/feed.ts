import type { EventType, LoggedEvent } from '../src/event.js';
import { encodeCursor, expired, laterCursor, positionOf } from '../src/feed.js';
import type { Job } from '../src/job.js';
import type { EventPage } from '../src/store.js';
import { apiError } from './api-error.js';
import { builder } from './builder.js';
import { type Connection, pageSize } from './connection.js';
import type { Context } from './context.js';
import { EventTypeEnum } from './event.js';
import { given } from './input.js';
import { EventRef } from './refs.js';

export const EventConnection = builder.connectionObject(
  {
    type: EventRef,
    name: 'EventConnection',
    description:
      'A page of events, oldest first. It may be short or empty though more follow, since only so many events are looked at for a rare match: go on while `pageInfo.hasNextPage`.',
  },
  {
    name: 'EventEdge',
    description: 'An event and its place.',
    // Relay's cursors are strings; an event's is the one that subscriptions take too.
    fields: (t) => ({
      cursor: t.field({
        type: 'Cursor',
        description: 'The place of this event in the log, for `after` of every field that has it.',
        resolve: (edge) => edge.cursor,
      }),
    }),
  },
);

const EventFilterInput = builder.inputType('EventFilter', {
  description: 'Which events: those that match every field given.',
  fields: (t) => ({
    types: t.field({ type: [EventTypeEnum], description: 'Of one of these types.' }),
    jobIds: t.idList({ description: 'Of one of these jobs.' }),
    pipelines: t.stringList({ description: 'Of a job of one of these pipelines, by name.' }),
    tags: t.stringList({ description: 'Of a job with one of these tags.' }),
    webhookIds: t.idList({ description: 'About one of these webhooks.' }),
  }),
});

interface FeedArgs {
  first?: number | null | undefined;
  after?: string | null | undefined;
}

function eventPage(accountId: string, page: EventPage, from: number, more: boolean): Connection<LoggedEvent> {
  const edges = page.events.map((node) => ({ cursor: encodeCursor(accountId, node.position), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: more,
      hasPreviousPage: from > page.tail,
      startCursor: edges[0]?.cursor ?? null,
      // The place looked at last: paging goes on behind it also where nothing matched.
      endCursor: encodeCursor(accountId, page.through),
    },
  };
}

export async function jobEventPage(
  { id, accountId, position }: Job,
  { first, after, types }: FeedArgs & { types?: EventType[] | null | undefined },
  { store }: Context,
): Promise<Connection<LoggedEvent>> {
  const size = pageSize({ first });
  const from = after == null ? 0 : positionOf(after, accountId);
  const page = await store.jobEvents(accountId, id, types ?? null, from, size);
  if (!page) throw apiError('NOT_FOUND', `the job "${id}" is gone`);
  return eventPage(accountId, page, from, page.through < position);
}

builder.queryField('events', (t) =>
  t.field({
    type: EventConnection,
    description:
      'The event log of the account, to page through by hand: what a subscription would have delivered. CURSOR_EXPIRED where events after the cursor are gone.',
    authScopes: { scope: 'READ' },
    args: {
      filter: t.arg({ type: EventFilterInput, description: 'Only events that match.' }),
      first: t.arg.int({ description: 'At most this many: 0 to 100, 50 where not given.' }),
      after: t.arg({ type: 'Cursor', description: 'Only events after this place; from the oldest kept.' }),
    },
    resolve: async (_root, { filter, first, after }, { store, viewer }) => {
      const { id } = viewer.account;
      const size = pageSize({ first });
      const from = after == null ? 0 : positionOf(after, id);
      const page = await store.events(id, given(filter), from, size);
      if (from >= page.tail) return eventPage(id, page, from, page.through < page.head);
      const { tail } = page;
      if (after != null) throw expired(id, tail);
      const oldest = await store.events(id, given(filter), tail, size);
      return eventPage(id, oldest, tail, oldest.through < oldest.head);
    },
  }),
);

/** A browser that reconnects sends the `after` of its first try again, and the place it has got to as Last-Event-ID. */
function resumeFrom(after: string | null | undefined, { viewer, lastEventId }: Context): string | null {
  return laterCursor(viewer.account.id, after ?? null, lastEventId);
}

builder.subscriptionFields((t) => ({
  jobEvents: t.field({
    type: EventRef,
    description:
      'Every event of one job, in order, each exactly once; completes after the one that ends the job. Resume anywhere with the last cursor seen.',
    authScopes: { scope: 'READ' },
    args: {
      jobId: t.arg.id({ required: true, description: 'Its id; NOT_FOUND where there is no such job.' }),
      after: t.arg({ type: 'Cursor', description: 'Only events after this place; from its first.' }),
      types: t.arg({ type: [EventTypeEnum], description: 'Only these types; all where not given.' }),
    },
    subscribe: (_root, { jobId, after, types }, context) =>
      context.engine.feed.jobEvents(
        context.viewer.account.id,
        jobId,
        resumeFrom(after, context),
        types ?? null,
      ),
    resolve: (event) => event,
  }),
  events: t.field({
    type: EventRef,
    description:
      'Every event of the account that matches, in order, each exactly once: from `after`, or from now on. CURSOR_EXPIRED where events after the cursor are gone.',
    authScopes: { scope: 'READ' },
    args: {
      filter: t.arg({ type: EventFilterInput, description: 'Only events that match.' }),
      after: t.arg({ type: 'Cursor', description: 'Only events after this place; from now on.' }),
    },
    subscribe: (_root, { filter, after }, context) =>
      context.engine.feed.events(context.viewer.account.id, given(filter), resumeFrom(after, context)),
    resolve: (event) => event,
  }),
}));
