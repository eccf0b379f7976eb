import { cronProblem, DEFAULT_TIME_ZONE } from './cron.js';
import { fieldName } from './descriptor.js';
import { type Problem, shown } from './errors.js';

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

/** The triggers of a descriptor that was checked. */
export function triggersOf({ triggers }: { triggers?: unknown }): Triggers {
  const { cron, pipelines } = (triggers ?? {}) as {
    cron?: Partial<CronTrigger> | null;
    pipelines?: string[] | null;
  };
  return {
    cron: cron?.pattern
      ? {
          pattern: cron.pattern,
          timeZone: cron.timeZone ?? DEFAULT_TIME_ZONE,
          enabled: cron.enabled ?? false,
        }
      : null,
    pipelines: [...new Set(pipelines ?? [])],
  };
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

const MAX_NAME = 200;
