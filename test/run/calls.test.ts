import { expect, test } from 'vitest';
import { Calls } from '../../src/run/calls.js';
import type { ChildCall } from '../../src/run/messages.js';

const algorithm = (input: unknown): ChildCall => ({
  request: { kind: 'algorithm', name: 'a', input },
  includeResult: true,
});

function setup() {
  const posted: [number, unknown][] = [];
  const calls = new Calls((call, json) => posted.push([call, JSON.parse(json)]));
  return { calls, posted };
}

test('gives each call its own answer, in whatever order they come', async () => {
  const { calls, posted } = setup();
  const [first, second, third] = [1, 2, 3].map((n) => calls.make(algorithm([n])));
  expect(posted.map(([, call]) => call)).toEqual([1, 2, 3].map((n) => algorithm([n])));
  const numbers = posted.map(([number]) => number);
  calls.answer(numbers[2]!, { results: null });
  calls.answer(numbers[1]!, { problem: 'no' });
  calls.answer(numbers[0]!, { results: '[{"nodeName":"a"}]' });
  await expect(first).resolves.toEqual([{ nodeName: 'a' }]);
  await expect(second).rejects.toThrow('no');
  await expect(third).resolves.toBeNull();
});

test('tells who waits, and who asks later, that the task is to stop', async () => {
  const { calls, posted } = setup();
  const waiting = calls.make(algorithm([]));
  calls.end(new Error('the job has ended'));
  await expect(waiting).rejects.toThrow('the job has ended');
  await expect(calls.make(algorithm([]))).rejects.toThrow('the job has ended');
  expect(posted).toHaveLength(1);
  // An answer that was on its way is nobody's.
  calls.answer(posted[0]![0], { problem: 'late' });
});

test('refuses what is no JSON, or too much of it, before anything is handed over', async () => {
  const { calls, posted } = setup();
  await expect(calls.make(algorithm([1n]))).rejects.toThrow('cannot be written as JSON');
  await expect(calls.make(algorithm(['x'.repeat(2 * 1024 * 1024)]))).rejects.toThrow(
    /must be at most 2097152 bytes of JSON, got 2097\d+/,
  );
  expect(posted).toEqual([]);
});
