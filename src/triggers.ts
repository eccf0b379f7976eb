import { DEFAULT_CRON_PATTERN, DEFAULT_TIME_ZONE, nextRun } from './cron.js';
import type { Descriptor } from './descriptor.js';
import type { SavedTriggers } from './store.js';

/** What runs a stored pipeline by itself. */
export interface Triggers {
  cron: CronTrigger | null;
  /** Names of the pipelines after each of whose completed runs it runs; each once. They need not exist. */
  pipelines: string[];
}

export interface CronTrigger {
  pattern: string;
  /** IANA name. */
  timeZone: string;
  enabled: boolean;
}

/** How deep triggered jobs may lie: pipelines that run after each other in a circle end here. */
export const MAX_TRIGGER_DEPTH = 32;

/**
 * Runs that an account is owed by triggers at once, a few seconds' worth: pipelines that trigger each other by the
 * hundred would owe more with each run than can ever be submitted.
 */
export const MAX_OWED_RUNS = 10_000;

/** Why a run is not owed at all. */
export const TOO_MANY_OWED = `${MAX_OWED_RUNS} runs owed to triggers of this account wait to be submitted, and there can be no more: see which pipelines trigger each other`;

/** The triggers of a descriptor. */
export function triggersOf({ triggers }: Pick<Descriptor, 'triggers'>): Triggers {
  const { cron, pipelines = [] } = triggers ?? {};
  if (!cron) return { cron: null, pipelines };
  const { pattern = DEFAULT_CRON_PATTERN, timeZone = DEFAULT_TIME_ZONE, enabled } = cron;
  return { cron: { pattern, timeZone, enabled }, pipelines };
}

/** What is kept of them beside a descriptor that is saved at this time. */
export function savedTriggers(descriptor: Pick<Descriptor, 'triggers'>, at: number): SavedTriggers {
  const { cron, pipelines } = triggersOf(descriptor);
  if (cron === null) return { cron, pipelines };
  const { pattern, timeZone, enabled } = cron;
  return { cron: { pattern, timeZone, nextAt: enabled ? nextRun(pattern, timeZone, at) : null }, pipelines };
}
