import { type EventType, type LoggedEvent, levelOf, wireType } from '../../event.js';
import type { BodySource, Encode } from '../../format.js';
import { type HkubeJob, hkubeProgress, hkubeResult, hkubeStatuses } from './bodies.js';
import { type HkubeShape, SEED, V2 } from './shape.js';

/** The format `hkube`: the progress body for part EVENT, the result body for part RESULT. */
export const encodeHkube: Encode = (source) => encode(source, SEED);

/** The format `hkube-v2`: the same in the shape of HKube 2.x. */
export const encodeHkubeV2: Encode = (source) => encode(source, V2);

function encode({ event, part, results }: BodySource, shape: HkubeShape): string {
  const facts = event.facts.of === 'job' ? event.facts : null;
  const job: HkubeJob = {
    jobId: event.job?.id ?? null,
    timestamp: new Date(event.occurredAt).toISOString(),
    pipeline: event.job?.pipelineName ?? null,
    status: statusOf(event),
    error: facts?.error ?? null,
    reason: facts?.reason ?? null,
    createdAt: event.job?.createdAt ?? null,
    startedAt: facts?.startedAt ?? null,
    finishedAt: facts?.finishedAt ?? null,
  };
  if (part === 'RESULT') return hkubeResult({ ...job, results }, shape);
  const progress = facts?.progress ?? null;
  return JSON.stringify(hkubeProgress({ ...job, level: levelOf(event.type), progress }, shape));
}

/** Events of tasks show as their job being active; HKube has no words for those without a job: they keep ours. */
function statusOf({ type, facts, job }: Pick<LoggedEvent, 'type' | 'facts' | 'job'>): string {
  if (job === null) return wireType(type);
  if (facts.of !== 'job') return hkubeStatuses.ACTIVE;
  const spoken: Partial<Record<EventType, string>> = { JOB_PROGRESS: 'active', JOB_RESUMED: 'resumed' };
  return spoken[type] ?? hkubeStatuses[facts.status];
}
