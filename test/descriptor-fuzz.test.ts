import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseDescriptor } from '../src/descriptor.js';
import { hkubeWording } from '../src/dialects/hkube/wording.js';
import type { Problem } from '../src/errors.js';
import { graphOf } from '../src/graph.js';
import { MAX_PROBLEMS, type Wording } from '../src/issue.js';
import { leadsSomewhere, looseDescriptors } from './support/loose-descriptors.js';

const runs = process.env['CARILLON_TEST_HEAVY'] === '1' ? 20_000 : 1_000;

function problemsOf(value: unknown, wording?: Wording): Problem[] {
  const parsed = parseDescriptor(value, wording);
  return 'problems' in parsed ? parsed.problems : graphOf(parsed.descriptor).problems;
}

it('whatever is given as a descriptor is accepted, or refused with places that exist', () => {
  let accepted = 0;
  const check = (value: unknown) => {
    const parsed = parseDescriptor(value);
    const problems = problemsOf(value);
    if ('problems' in parsed) expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThanOrEqual(MAX_PROBLEMS);
    expect(problems.filter(({ path }) => !leadsSomewhere(value, path))).toEqual([]);
    // The words alone are others.
    const said = problemsOf(value, hkubeWording);
    expect(said.map(({ code, path }) => ({ code, path }))).toEqual(
      problems.map(({ code, path }) => ({ code, path })),
    );
    expect([...problems, ...said].filter(({ message }) => message.length < 6)).toEqual([]);
    if (!('descriptor' in parsed)) return;
    accepted++;
    // What was accepted is JSON, and accepted again as it is.
    const again = parseDescriptor(JSON.parse(JSON.stringify(parsed.descriptor)));
    expect(JSON.stringify(again)).toBe(JSON.stringify({ descriptor: parsed.descriptor }));
  };
  fc.assert(fc.property(looseDescriptors, check), { numRuns: runs });
  // The changes are small enough that not all are refused.
  expect(accepted).toBeGreaterThan(runs / 50);
});
