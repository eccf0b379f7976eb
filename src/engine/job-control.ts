import { problem, shown } from '../errors.js';
import type { Job, JobStatus } from '../job.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

type Control = 'pause' | 'resume';

const allowedIn: Record<Control, JobStatus[]> = { pause: ['PENDING', 'ACTIVE'], resume: ['PAUSED'] };

/**
 * Pauses or resumes a job. Nothing new of a paused job starts, what runs goes on. A resumed one is ACTIVE, or PENDING
 * where nothing of it had started. NOT_FOUND, or NOT_ALLOWED_IN_STATE with HKube's sentence.
 */
export async function controlJob(
  parts: Parts,
  accountId: string,
  id: string,
  control: Control,
): Promise<Job> {
  const { store, clock } = parts;
  const job = await store.job(accountId, id);
  if (!job) throw problem('NOT_FOUND', `job ${shown(id)} was not found`, ['id']);
  const [accepted] = await settleJob(parts, job.uuid, [{ kind: control, at: clock.now() }]);
  const now = (await store.job(accountId, id)) ?? job;
  if (accepted) return now;
  // Somebody was quicker, and somebody else has undone it: a refusal would name a state in which this is allowed.
  if (allowedIn[control].includes(now.status)) return controlJob(parts, accountId, id, control);
  throw problem(
    'NOT_ALLOWED_IN_STATE',
    `unable to ${control} pipeline ${now.pipelineName} because its in ${wordOf(now.status)} status`,
    ['id'],
  );
}

/** HKube's word for a state. */
function wordOf(status: JobStatus): string {
  return status === 'CANCELLED' ? 'stopped' : status.toLowerCase();
}
