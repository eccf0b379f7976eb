/** What a job's events must hold, told without the rules that made them. */
export interface Told {
  type: string;
  sequence: number | null;
}

/** From which states each event may come, and to which it leads; null: where the job stands stays as it is. */
const STEPS: Record<string, [from: string[], to: string]> = {
  JOB_PENDING: [[''], 'PENDING'],
  JOB_ACTIVE: [['PENDING'], 'ACTIVE'],
  JOB_PAUSED: [['PENDING', 'ACTIVE'], 'PAUSED'],
  JOB_RESUMED: [['PAUSED'], 'RESUMED'],
  JOB_COMPLETED: [['ACTIVE', 'PAUSED'], 'COMPLETED'],
  JOB_FAILED: [['PENDING', 'ACTIVE', 'PAUSED'], 'FAILED'],
  JOB_CANCELLED: [['PENDING', 'ACTIVE', 'PAUSED'], 'CANCELLED'],
};
const ENDS = ['COMPLETED', 'FAILED', 'CANCELLED'];

/** Everything about the history of one job that must not be; and the state that it ends in. */
export function judge(events: readonly Told[]): { wrong: string[]; state: string } {
  const wrong: string[] = [];
  let state = '';
  let begun = false;
  for (const [index, { type, sequence }] of events.entries()) {
    const say = (what: string) => wrong.push(`event ${index + 1}, ${type} while ${state}: ${what}`);
    if (sequence !== index + 1) say(`has the sequence ${sequence}`);
    if (ENDS.includes(state)) say('comes after the end');
    const step = STEPS[type];
    if (step) {
      if (!step[0].includes(state)) say('is no step from there');
      state = step[1];
      // Back where it was: the job has begun if anything of it has.
      if (state === 'RESUMED') state = begun ? 'ACTIVE' : 'PENDING';
      if (state === 'ACTIVE') begun = true;
    } else if (type === 'TASK_ACQUIRED' && state !== 'ACTIVE') {
      say('a task starts');
    }
  }
  return { wrong, state };
}
