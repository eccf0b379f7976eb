import { expect, test } from 'vitest';
import { Durations } from '../../src/run/durations.js';
import { Held } from '../../src/run/held.js';
import type { ModuleThread } from '../../src/run/module.js';
import { MAX_CHARS_PER_THREAD, MAX_PER_THREAD, share } from '../../src/run/share.js';
import { parseTaskId } from '../../src/task.js';
import { fake } from '../support/fake.js';
import { lease } from './fake-source.js';

/** Tasks with an input text each; of one text, where `flowInput` is given. */
function queueOf(chars: number[], flowInput: string | null = null): Held[] {
  return chars.map((length, index) => {
    const source = { template: '[]', flowInput, results: {}, item: String(index).padStart(length, '1') };
    const task = lease(index + 1, 'echo', [], { source });
    return new Held(task, parseTaskId(task.taskId)!, '', 0);
  });
}

function thread(tasks: Held[] = []): ModuleThread {
  const state = {
    isReady: true,
    isEnding: false,
    isParked: false,
    size: tasks.length,
    tasks,
    running: () => null,
  };
  return fake<ModuleThread>('thread', state);
}

/** How many tasks each thread is given, where the pool knows that they are short. */
function given(queue: Held[], threads: ModuleThread[]): number[] {
  const durations = new Durations();
  durations.add('echo', 0);
  const shares = share(queue, threads, durations);
  return threads.map((one) => shares.get(one)?.length ?? 0);
}

test('threads get the same number of short tasks, and no more than they may hold', () => {
  const queue = queueOf(Array(200).fill(10));
  expect(given(queue, [thread(), thread()])).toEqual([MAX_PER_THREAD, MAX_PER_THREAD]);
  expect(queue).toHaveLength(200 - 2 * MAX_PER_THREAD);
});

test('no thread holds more input than 4 MiB, but for a single task', () => {
  const third = Math.floor(MAX_CHARS_PER_THREAD / 3) - 10;
  expect(given(queueOf(Array(9).fill(third)), [thread(), thread()])).toEqual([3, 3]);
  expect(given(queueOf(Array(3).fill(MAX_CHARS_PER_THREAD + 1)), [thread()])).toEqual([1]);
  expect(given(queueOf([third + 3]), [thread(queueOf([third, third + 1, third + 2]))])).toEqual([0]);
});

test('an input that tasks share counts once', () => {
  const shared = 'x'.repeat(MAX_CHARS_PER_THREAD / 2);
  const held = queueOf([1, 2], shared);
  expect(given(queueOf(Array(20).fill(10), shared), [thread(held)])).toEqual([20]);
});
