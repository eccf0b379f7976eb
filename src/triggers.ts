import { DEFAULT_TIME_ZONE, nextRun } from './cron.js';
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

/** The triggers of a descriptor. */
export function triggersOf({ triggers }: { triggers?: unknown }): Triggers {
  const { cron, pipelines } = objectOf(triggers);
  const { pattern, timeZone, enabled } = objectOf(cron);
  return {
    cron:
      typeof pattern === 'string'
        ? {
            pattern,
            timeZone: typeof timeZone === 'string' ? timeZone : DEFAULT_TIME_ZONE,
            enabled: enabled === true,
          }
        : null,
    pipelines: Array.isArray(pipelines)
      ? [...new Set(pipelines.filter((name): name is string => typeof name === 'string'))]
      : [],
  };
}

/** What is kept of them beside a descriptor that is saved at this time. */
export function savedTriggers(descriptor: { triggers?: unknown }, at: number): SavedTriggers {
  const { cron, pipelines } = triggersOf(descriptor);
  if (cron === null) return { cron, pipelines };
  const { pattern, timeZone, enabled } = cron;
  return { cron: { pattern, timeZone, nextAt: enabled ? nextRun(pattern, timeZone, at) : null }, pipelines };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
