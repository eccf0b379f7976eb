import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { LeasedTask } from '../../src/lease.js';
import { createPool } from '../../src/run/pool.js';
import { FakeSource, fixture, lease } from './fake-source.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';

/** What a task of each kind may come to, beside being released. */
const kinds = {
  echo: { input: [1], ends: ['succeeded'] },
  sleep: { input: [5], ends: ['succeeded'] },
  blockShortly: { input: [30], ends: ['succeeded'] },
  throws: { input: ['error'], ends: ['failed ALGORITHM_ERROR'] },
  returns: { input: ['circular'], ends: ['failed NOT_JSON'] },
  print: { input: [300], ends: ['succeeded'] },
  exit: { input: [2], ends: ['failed EXITED'] },
  during: { input: ['rejection'], ends: ['failed ALGORITHM_ERROR'] },
  lateRejection: { input: ['rejection', 2], ends: ['succeeded'] },
  lateExit: { input: ['exit', 2], ends: ['succeeded'] },
  waitTimesOut: { input: ['obeys'], timeoutMs: 10, ends: ['failed TIMEOUT'] },
  blockTimesOut: { input: [], timeoutMs: 10, ends: ['failed TIMEOUT'] },
  missing: { input: [], ends: ['failed ALGORITHM_NOT_FOUND'] },
} satisfies Record<string, { input: unknown[]; timeoutMs?: number; ends: string[] }>;
type Kind = keyof typeof kinds;

function algorithmOf(kind: Kind): string {
  return kind.startsWith('late') ? 'late' : kind.replace(/Shortly|TimesOut/, '');
}

const algorithms = new Map(
  [...new Set((Object.keys(kinds) as Kind[]).map(algorithmOf))]
    .filter((name) => name !== 'missing')
    .map(fixture),
);

const plan = fc.record({
  threads: fc.integer({ min: 1, max: 3 }),
  tasks: fc.array(
    fc.record({
      kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
      // Quick ones in between, so that some wait behind others.
      echoes: fc.nat(4),
      // The lease is taken away at this look at the store's state, if it still stands.
      revokeAfter: fc.option(fc.nat(20), { freq: 4 }),
    }),
    { minLength: 1, maxLength: 25 },
  ),
  settleFails: fc.array(fc.boolean(), { maxLength: 10 }),
});

test('every acquired task is settled once, with the end its code has, or released unstarted', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ threads, tasks, settleFails }) => {
      const source = new FakeSource();
      const kindOf = new Map<string, Kind>();
      const revocations = new Map<string, number>();
      const leases = new Map<string, LeasedTask>();
      const offer = (kind: Kind, task: LeasedTask) => {
        kindOf.set(task.token, kind);
        leases.set(task.token, task);
        source.offer(task);
      };
      let item = 0;
      const add = (kind: Kind): string => {
        const { input, timeoutMs = null } = kinds[kind] as { input: unknown[]; timeoutMs?: number };
        const task = lease(++item, algorithmOf(kind), input, { timeoutMs });
        offer(kind, task);
        return task.token;
      };
      source.beforeSettle = () => {
        if (settleFails.pop()) throw new Error('the store fails');
      };
      const pool = createPool({
        threads,
        algorithms,
        tasks: source,
        clock: systemClock,
        worker: 'test',
        limits: { graceMs: 20 },
        log: () => {},
      });
      pool.start();
      // Once it has seen that all of them are short, the pool puts many into one thread.
      for (const kind of Object.keys(kinds) as Kind[]) await source.end(add(kind));
      for (let count = 0; count < 20; count++) await source.end(add('echo'));
      for (const { kind, echoes, revokeAfter } of tasks) {
        const token = add(kind);
        if (revokeAfter !== null) revocations.set(token, revokeAfter);
        for (let count = 0; count < echoes; count++) add('echo');
      }

      const reoffered = new Set<string>();
      const isOver = (token: string) =>
        source.lost.has(token) || (source.acquired.includes(token) && endsOf(source, token).length > 0);
      await source.until(() => {
        for (const [token, looks] of revocations) {
          revocations.set(token, looks - 1);
          if (looks <= 0 && source.acquired.includes(token)) {
            revocations.delete(token);
            source.revoke(token);
          }
        }
        for (const [token, task] of [...leases]) {
          if (!endsOf(source, token).includes('released') || reoffered.has(token)) continue;
          reoffered.add(token);
          const kind = kindOf.get(token) as Kind;
          offer(kind, { ...task, token: `${task.token}+` });
        }
        return [...leases.keys()].every(isOver);
      });
      expect(await pool.stop(1_000)).toEqual({ unsettled: 0 });

      for (const token of source.acquired) {
        const outcomes = source.kinds(token).filter((kind) => kind !== 'progress');
        const ends = endsOf(source, token);
        if (source.lost.has(token)) {
          expect(ends.length).toBeLessThanOrEqual(1);
        } else if (ends[0] === 'released') {
          expect(outcomes).toEqual(['released']);
        } else {
          expect(outcomes).toEqual(['started', ends[0]?.split(' ')[0]]);
          expect(kinds[kindOf.get(token) as Kind].ends).toContain(ends[0]);
        }
        expect(source.kinds(token).lastIndexOf('started')).toBeLessThanOrEqual(0);
      }
      expect(pool.stats()).toEqual({ threads: 0, busy: 0, waiting: 0, unsettled: 0 });
    }),
    { numRuns: heavy ? 300 : 8, endOnFailure: true },
  );
});

function endsOf(source: FakeSource, token: string): string[] {
  return source
    .outcomes(token)
    .filter(({ kind }) => kind !== 'started' && kind !== 'progress')
    .map((outcome) => (outcome.kind === 'failed' ? `failed ${outcome.code}` : outcome.kind));
}
