import { type Limits, limitsOf, NO_LIMITS, type NoRoom, roomFor } from '../limits.js';
import type { NewJob } from '../state.js';
import type { Handle } from './database.js';

/**
 * What accounts.stored_bytes counts: the texts of job_inputs, node_inputs, task_items, task_results, pipeline_versions,
 * delivery_bodies and events, in UTF-8. It is written in the transaction that writes them, and whoever removes such rows takes their
 * `octet_length` off again; test/sqlite/fixture.ts counts anew and compares.
 */
export function bytesOf(texts: readonly (string | null)[]): number {
  return texts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);
}

/** What a new job takes before any of it has run. */
export function bytesOfJob(job: NewJob): number {
  const nodes = job.nodes.reduce((sum, { input, extraData }) => sum + bytesOf([input, extraData]), 0);
  const items = job.newTasks.reduce((sum, { itemJson }) => sum + bytesOf([itemJson]), 0);
  return bytesOf([job.descriptor, job.flowInput]) + nodes + items;
}

/** Notes bytes that were written, or removed where there are less than none, and jobs that have ended. */
export function addUse(db: Handle, account: number, bytes: number, endedJobs = 0): void {
  if (bytes === 0 && endedJobs === 0) return;
  db.prepare(
    'update accounts set stored_bytes = stored_bytes + ?, running_jobs = running_jobs - ? where key = ?',
  ).run(bytes, endedJobs, account);
}

/** The limit that one more job (or none) of so many bytes would break; null: there is room. */
export function noRoom(
  db: Handle,
  account: { key: number; id: string },
  server: Limits,
  bytes: number,
  jobs: 0 | 1 = 1,
): NoRoom | null {
  const row = db
    .prepare(
      'select running_jobs, stored_bytes, max_running_jobs, max_stored_bytes from accounts where key = ?',
    )
    .get(account.key) as Record<`${'' | 'max_'}${'running_jobs' | 'stored_bytes'}`, number>;
  const own = { ...NO_LIMITS, runningJobs: row.max_running_jobs, storedBytes: row.max_stored_bytes };
  const limits = limitsOf(server, { account: { id: account.id, limits: own }, apiKey: null });
  return (
    (jobs > 0 ? roomFor(limits, 'runningJobs', row.running_jobs, jobs) : null) ??
    // What takes no more than it gives back is always let in.
    (bytes > 0 ? roomFor(limits, 'storedBytes', row.stored_bytes, bytes) : null)
  );
}
