import { cronProblem } from './cron.js';
import { fieldName } from './descriptor.js';
import { type Problem, shown } from './errors.js';
import { triggersOf } from './triggers.js';

/** Pipelines that one may name: all of them are looked at in the transaction that saves it. */
export const MAX_TRIGGERS = 100;
/** As long as the name of a pipeline can be: another one is nobody's. */
const MAX_NAME = 200;

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
