import type { LoggedEvent } from './event.js';

/** What others must hear once a transaction stands. */
export interface Committed {
  /** In order of position. */
  events: LoggedEvent[];
  /** Queues that have got tasks to claim. */
  readyQueues: string[];
  /** Whether some lane became due. */
  deliveries: boolean;
  /** Whether some node waits to be expanded. */
  expansion: boolean;
  /** Whether a stored pipeline is owed a run. */
  triggered: boolean;
  /** Leases taken from their holders because the job has ended, or was paused before they started. */
  revoked: string[];
  /** Whether something is to be done about a job that a task has started; see Links. */
  links: boolean;
}
