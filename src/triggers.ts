import { cronProblem, DEFAULT_TIME_ZONE, nextRun } from './cron.js';
import { fieldName } from './descriptor.js';
import { type Problem, shown } from './errors.js';
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

/** Pipelines that one may name: all of them are looked at in the transaction that saves it. */
export const MAX_TRIGGERS = 100;
/** As long as the name of a pipeline can be: another one is nobody's. */
const MAX_NAME = 200;

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

/** What their shape does not say: patterns that never come, unknown time zones, too many names. */
export function triggerProblems(descriptor: { triggers?: unknown }): Problem[] {
  const { cron, pipelines } = triggersOf(descriptor);
  const problems: Problem[] = [];
  const refuse = (path: string[], message: string) =>
    problems.push({ code: 'INVALID', message: `${fieldName(path)} ${message}`, path });
  const wrong = cron && cronProblem(cron.pattern, cron.timeZone);
  if (wrong) refuse(['triggers', 'cron', wrong.field], wrong.message);
  if (pipelines.length > MAX_TRIGGERS)
    refuse(['triggers', 'pipelines'], `must be at most ${MAX_TRIGGERS} items long, got ${pipelines.length}`);
  pipelines.forEach((name, index) => {
    if (name.length > MAX_NAME)
      refuse(
        ['triggers', 'pipelines', String(index)],
        `must be at most ${MAX_NAME} characters long, got ${shown(name)}`,
      );
  });
  return problems;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
