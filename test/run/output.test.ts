import { expect, test } from 'vitest';
import type { LogLine } from '../../src/run/messages.js';
import { MAX_LINES_PER_SECOND, Output } from '../../src/run/output.js';
import { ManualClock } from './manual-clock.js';

const writer = { algorithm: 'green', taskId: 'tsk_1' };

function setup() {
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  const output = new Output(clock, (line) => lines.push(line));
  return { clock, lines, output, texts: () => lines.map(({ line }) => line) };
}

test('puts lines together from pieces, each stream for itself', () => {
  const { output, lines } = setup();
  output.write('stdout', 'one\ntw', writer);
  output.write('stderr', 'err\r\n', writer);
  output.write('stdout', 'o\n\n', writer);
  expect(lines).toEqual([
    { ...writer, stream: 'stdout', line: 'one' },
    { ...writer, stream: 'stderr', line: 'err' },
    { ...writer, stream: 'stdout', line: 'two' },
    { ...writer, stream: 'stdout', line: '' },
  ]);
});

test('sends a line without an end when the task ends', () => {
  const { output, texts } = setup();
  output.write('stdout', 'unfinished', writer);
  expect(texts()).toEqual([]);
  output.flush(writer);
  output.flush(writer);
  expect(texts()).toEqual(['unfinished']);
});

test('cuts lines to 2,000 characters, however they arrive', () => {
  const { output, texts } = setup();
  output.write('stdout', `${'a'.repeat(3_000)}\n`, writer);
  for (let piece = 0; piece < 30; piece++) output.write('stdout', 'b'.repeat(100), writer);
  output.write('stdout', 'c\nnext\n', writer);
  expect(texts()).toEqual(['a'.repeat(2_000), 'b'.repeat(2_000), 'next']);
});

test('lets 100 lines a second through and says once how many were dropped', () => {
  const { output, texts, clock } = setup();
  output.write('stdout', 'x\n'.repeat(1_000), writer);
  expect(texts()).toHaveLength(MAX_LINES_PER_SECOND);
  clock.advance(1_000);
  expect(texts().slice(MAX_LINES_PER_SECOND)).toEqual(['… 900 lines dropped']);
  output.write('stdout', 'after\n', writer);
  expect(texts().at(-1)).toBe('after');
});

test('says what was dropped at the end of the task, before the next one prints', () => {
  const { output, texts } = setup();
  output.write('stdout', 'x\n'.repeat(101), writer);
  output.flush(writer);
  expect(texts().at(-1)).toBe('… 1 lines dropped');
});
