import { serialize } from 'node:v8';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ThreadTask } from '../../src/run/messages.js';
import { pack, unpack } from '../../src/run/texts.js';

const text = fc.constantFrom('', '[]', '"a"', '{"a":[1]}', 'é');
const task = fc.record<ThreadTask>({
  id: fc.nat(),
  algorithmName: text,
  path: text,
  jobId: text,
  taskId: text,
  nodeName: text,
  pipelineName: text,
  batchIndex: fc.option(fc.nat()),
  attempt: fc.nat(),
  source: fc.record({
    template: text,
    flowInput: fc.option(text),
    results: fc.dictionary(
      fc.constantFrom('a', 'b', '__proto__'),
      fc.record({ batch: fc.boolean(), json: text }),
    ),
    item: fc.option(text),
  }),
  extraData: fc.option(text),
});

test('what is unpacked on the other side is what was packed', () => {
  fc.assert(
    fc.property(fc.array(task), (tasks) => {
      const message = structuredClone(pack(tasks));
      expect(message.tasks.map((packed) => unpack(packed, message.texts))).toEqual(tasks);
      expect(new Set(message.texts).size).toBe(message.texts.length);
    }),
  );
});

test('the tasks of a node carry the texts they share once', () => {
  const [one] = fc.sample(task, 1);
  const shared = '1'.repeat(100_000);
  const tasks = Array.from({ length: 64 }, (_, id): ThreadTask => {
    const results = { parent: { batch: true, json: `[${shared}]` } };
    const source = {
      template: '["@flowInput","@parent","#[1]"]',
      flowInput: shared,
      results,
      item: `[${id}]`,
    };
    return { ...one!, id, source, extraData: shared };
  });
  expect(serialize(pack(tasks)).byteLength).toBeLessThan(3 * shared.length);
});
