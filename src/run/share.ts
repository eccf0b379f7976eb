import type { Durations } from './durations.js';
import type { Held } from './held.js';
import type { ModuleThread } from './module.js';

/** Work that may wait inside a thread: enough to bridge a claim, little enough to keep no other server waiting. */
const TARGET_MS = 50;
export const MAX_PER_THREAD = 64;
/** Handing over costs about this much even where the code costs nothing. */
const MIN_TASK_MS = 0.1;

/** Whether a thread may be given tasks. Behind one that runs long they would wait longer than intended. */
export function isOpen(thread: ModuleThread): boolean {
  return thread.isReady && !thread.isEnding && !thread.running()?.long;
}

/** How many tasks all threads together should hold, and how many of them are missing, judged by the mean duration. */
export function room(
  threads: Iterable<ModuleThread>,
  durations: Durations,
): { wanted: number; free: number } {
  const fitting = Math.floor(TARGET_MS / Math.max(durations.overall(), MIN_TASK_MS));
  const depth = Math.min(Math.max(fitting, 1), MAX_PER_THREAD);
  let wanted = 0;
  let free = 0;
  for (const thread of threads) {
    if (!isOpen(thread)) continue;
    wanted += depth;
    free += Math.max(0, depth - thread.size);
  }
  return { wanted, free };
}

/**
 * Takes tasks from the head of `queue`, in order, for the threads that can bear more: each goes to the one with
 * least to do. An idle thread takes a task of any length; a busy one only what fits into its 50 ms.
 */
export function share(
  queue: Held[],
  threads: Iterable<ModuleThread>,
  durations: Durations,
): Map<ModuleThread, Held[]> {
  const shares = [...threads].filter(isOpen).map((thread) => ({
    thread,
    tasks: [] as Held[],
    count: thread.size,
    ms: loadMs(thread, durations),
  }));
  let taken = 0;
  for (const held of queue) {
    const ms = taskMs(held, durations);
    let least: (typeof shares)[number] | null = null;
    for (const one of shares) {
      const fits = one.count === 0 || (one.count < MAX_PER_THREAD && one.ms + ms <= TARGET_MS);
      if (fits && (least === null || one.ms < least.ms)) least = one;
    }
    if (!least) break;
    least.tasks.push(held);
    least.count++;
    least.ms += ms;
    taken++;
  }
  queue.splice(0, taken);
  return new Map(shares.filter(({ tasks }) => tasks.length > 0).map(({ thread, tasks }) => [thread, tasks]));
}

/** Whether an idle thread should relieve this one: what waits there waits longer than it was meant to. */
export function isOverloaded(thread: ModuleThread, durations: Durations): boolean {
  if (thread.size < 2) return false;
  return thread.running()?.long === true || loadMs(thread, durations) > 2 * TARGET_MS;
}

function loadMs(thread: ModuleThread, durations: Durations): number {
  return thread.tasks.reduce((sum, held) => sum + taskMs(held, durations), 0);
}

function taskMs({ task }: Held, durations: Durations): number {
  return Math.max(durations.of(task.algorithmName), MIN_TASK_MS);
}
