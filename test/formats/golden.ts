import { readFileSync } from 'node:fs';
import type { EventType, JobFacts, LoggedEvent, TaskFacts } from '../../src/event.js';
import type { JobStatus, Progress } from '../../src/job.js';
import type { ResultItem } from '../../src/result.js';

/** The bytes that a format must send, from `test/golden`. */
export function golden(path: string): string {
  return readFileSync(new URL(`../golden/${path}`, import.meta.url), 'utf8');
}

export const PENDING_AT = Date.UTC(2018, 0, 16, 14, 47, 1, 2);
export const ACTIVE_AT = Date.UTC(2018, 0, 16, 14, 47, 1, 530);
export const ENDED_AT = Date.UTC(2018, 0, 16, 14, 47, 4, 142);

export const UNDER_WAY: Progress = {
  percent: 33.33,
  states: [
    ['succeed', 1],
    ['active', 2],
  ],
  total: 3,
  succeeded: 1,
  failed: 0,
  skipped: 0,
  active: 2,
};
export const ALL_DONE: Progress = {
  percent: 100,
  states: [['succeed', 3]],
  total: 3,
  succeeded: 3,
  failed: 0,
  skipped: 0,
  active: 0,
};
export const BROKEN_OFF: Progress = {
  percent: 33.33,
  states: [
    ['failed', 1],
    ['stopped', 2],
  ],
  total: 3,
  succeeded: 0,
  failed: 1,
  skipped: 0,
  active: 0,
};
export const READ_ERROR = {
  code: 'ALGORITHM_ERROR',
  message: 'cannot read the image',
  nodeName: 'green',
  taskId: 'tsk_672a8b0ec0b0486ebb2b4571b0805f29_0_2',
} as const;

/** An event of the job `batch:672a8b0e…`: by default the seventh of it, at position 42 of its account. */
export function eventOf(
  type: EventType,
  occurredAt: number,
  facts: LoggedEvent['facts'],
  more: Partial<LoggedEvent> = {},
): LoggedEvent {
  return {
    type,
    occurredAt,
    facts,
    accountId: 'acc_a1',
    position: 42,
    sequence: 7,
    job: {
      id: 'batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29',
      number: 1010,
      pipelineName: 'batch',
      externalId: 'order-7',
      tags: ['a', 'b'],
      createdAt: PENDING_AT,
    },
    ...more,
  };
}

export function jobFacts(status: JobStatus, progress: Progress, more: Partial<JobFacts> = {}): JobFacts {
  return {
    of: 'job',
    status,
    progress,
    error: null,
    reason: null,
    startedAt: ACTIVE_AT,
    finishedAt: null,
    ...more,
  };
}

export function taskFacts(more: Partial<TaskFacts>): TaskFacts {
  return {
    of: 'task',
    node: 0,
    item: 2,
    nodeName: 'green',
    algorithmName: 'green-alg',
    queue: 'green-alg',
    status: 'ACTIVE',
    attempt: 1,
    worker: null,
    acquiredAt: ACTIVE_AT,
    leaseExpiresAt: null,
    error: null,
    retryAt: null,
    percent: null,
    message: null,
    ...more,
  };
}

/** Item `n` of the batch of `green`. */
export function greenItem(n: number, resultJson: string | null, error: string | null = null): ResultItem {
  return { nodeName: 'green', batchIndex: n, algorithmName: 'green-alg', resultJson, error };
}
