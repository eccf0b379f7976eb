import type { EventType, LoggedEvent } from './event.js';

export interface EventFilter {
  types?: EventType[];
  jobIds?: string[];
  pipelines?: string[];
  tags?: string[];
  webhookIds?: string[];
}

export interface EventPage {
  events: LoggedEvent[];
  /** The position up to which the log was looked at: where to go on, also when nothing matched. */
  through: number;
  /** Position of the newest event. */
  head: number;
  /** Positions at or below it are gone. */
  tail: number;
}

export interface Feed {
  /** Events after `after`, `limit` at most. At most 10 × `limit` rows are looked at, so a page may be short of a rare match. */
  events(accountId: string, filter: EventFilter, after: number, limit: number): Promise<EventPage>;
  /** The same of one job: null for an unknown one. `ended` is true once no event can follow `through`. */
  jobEvents(
    accountId: string,
    jobId: string,
    types: EventType[] | null,
    after: number,
    limit: number,
  ): Promise<(EventPage & { ended: boolean }) | null>;
  event(accountId: string, id: string): Promise<LoggedEvent | null>;
  /** What was done to a job, newest first: it was submitted, paused, resumed and cancelled. Empty for an unknown one. */
  jobHistory(accountId: string, jobId: string, limit: number): Promise<LoggedEvent[]>;
}
