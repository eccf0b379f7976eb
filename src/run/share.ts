import type { Durations } from './durations.js';
import type { Held } from './held.js';
import type { ModuleThread } from './module.js';
import { Texts } from './texts.js';

/** Work that may wait inside a thread: enough to bridge a claim, little enough to keep no other server waiting. */
const TARGET_MS = 50;
export const MAX_PER_THREAD = 64;
/** Input texts that the tasks in a thread may have together; copying a MiB costs the main thread about 1 ms. */
export const MAX_CHARS_PER_THREAD = 4 * 1024 * 1024;
/** Handing over costs about this much even where the code costs nothing. */
const MIN_TASK_MS = 0.1;

/** Whether a thread may be given tasks. Behind one that runs long they would wait longer than intended. */
export function isOpen(thread: ModuleThread): boolean {
  return thread.isReady && !thread.isEnding && !thread.isParked && !thread.running()?.long;
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
 * least to do. An idle thread takes any task; a busy one only what fits into its 50 ms and 4 MiB of input.
 */
export function share(
  queue: Held[],
  threads: Iterable<ModuleThread>,
  durations: Durations,
): Map<ModuleThread, Held[]> {
  const shares = [...threads].filter(isOpen).map(
    (thread): Share => ({
      thread,
      tasks: [],
      count: thread.size,
      ms: loadMs(thread, durations),
      texts: null,
    }),
  );
  let taken = 0;
  for (const held of queue) {
    const ms = taskMs(held, durations);
    let least: Share | null = null;
    for (const one of shares) {
      if ((least === null || one.ms < least.ms) && fits(one, held, ms)) least = one;
    }
    if (!least) break;
    least.tasks.push(held);
    textsOf(least).add(held.task);
    least.count++;
    least.ms += ms;
    taken++;
  }
  queue.splice(0, taken);
  return new Map(shares.filter(({ tasks }) => tasks.length > 0).map(({ thread, tasks }) => [thread, tasks]));
}

interface Share {
  thread: ModuleThread;
  tasks: Held[];
  /** What the thread will hold, those tasks included. */
  count: number;
  ms: number;
  /** Null until it is asked for: most threads that cannot take a task are busy enough. */
  texts: Texts | null;
}

function fits(one: Share, { task }: Held, ms: number): boolean {
  if (one.count === 0) return true;
  if (one.count >= MAX_PER_THREAD || one.ms + ms > TARGET_MS) return false;
  const texts = textsOf(one);
  return texts.chars + texts.charsOf(task) <= MAX_CHARS_PER_THREAD;
}

function textsOf(one: Share): Texts {
  if (one.texts) return one.texts;
  one.texts = new Texts();
  for (const { task } of one.thread.tasks) one.texts.add(task);
  return one.texts;
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
