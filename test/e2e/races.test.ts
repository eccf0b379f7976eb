import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge } from '../support/history.js';
import { World } from '../support/world.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const ROUNDS = heavy ? 500 : 20;

type Change = 'pauseJob' | 'resumeJob' | 'cancelJob';
interface Event {
  type: string;
  sequence: number;
}

describe('a race', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const change = async (field: Change, id: string) => {
    const input = `${field[0]!.toUpperCase()}${field.slice(1)}Input`;
    const { change } = await world.ask<{ change: { job: object | null; userErrors: { code: string }[] } }>(
      `mutation ($input: ${input}!) { change: ${field}(input: $input) { job { id } userErrors { code } } }`,
      { input: { id } },
    );
    // Either it is so now, or it was refused for the state that the job was in.
    if (change.job === null) expect(change.userErrors).toMatchObject([{ code: 'NOT_ALLOWED_IN_STATE' }]);
    return change.job !== null;
  };

  const descriptors = [
    { name: 'short', nodes: [{ nodeName: 'a', algorithmName: 'noop', input: [] }] },
    {
      name: 'batch',
      nodes: [
        { nodeName: 'a', algorithmName: 'echo', input: ['#[1...6]'] },
        { nodeName: 'b', algorithmName: 'sum', input: ['@a'] },
      ],
    },
    {
      name: 'chain',
      nodes: [
        { nodeName: 'a', algorithmName: 'nap', input: [1] },
        { nodeName: 'b', algorithmName: 'nap', input: [2, '@a'] },
        { nodeName: 'c', algorithmName: 'echo', input: ['#[]', '@b'] },
        { nodeName: 'd', algorithmName: 'echo', input: ['@b'] },
      ],
    },
  ];
  const results: Record<string, unknown[]> = { short: [null], batch: [21], chain: [null, [2]] };
  const changes: Change[] = ['pauseJob', 'resumeJob', 'pauseJob', 'cancelJob'];

  it(
    `of pausing, resuming and cancelling against the end of a job, ${ROUNDS} times, leaves one legal history`,
    async () => {
      const ends = new Map<string, number>();
      const client = world.client();
      for (let round = 0; round < ROUNDS; round++) {
        const descriptor = descriptors[round % descriptors.length]!;
        const id = await world.submit(descriptor);
        const events: Event[] = [];
        const under: Promise<boolean>[] = [];
        // One every third time is hurried along from the start, the others from some event on.
        const from = round % 3 === 0 ? 0 : 1 + Math.floor(Math.random() * 8);
        const stir = () => {
          const count = 1 + Math.floor(Math.random() * 3);
          for (let index = 0; index < count; index++)
            under.push(change(changes[Math.floor(Math.random() * changes.length)]!, id));
        };
        if (from === 0) stir();
        const query = 'subscription ($id: ID!) { jobEvents(jobId: $id) { type sequence } }';
        for await (const { data } of client.iterate<{ jobEvents: Event }>({ query, variables: { id } })) {
          events.push(data!.jobEvents);
          if (events.length === from) stir();
          // However it was left: it goes on, and comes to an end.
          if (data!.jobEvents.type === 'JOB_PAUSED')
            under.push(Promise.all(under).then(() => change('resumeJob', id)));
        }
        await Promise.all(under);
        const { job } = await world.ask<{
          job: {
            status: string;
            results: { nodes: { result: unknown }[] };
            tasks: { nodes: { status: string }[] };
            events: { nodes: Event[] };
          };
        }>(
          `query ($id: ID!) { job(id: $id) { status results { nodes { result } } tasks { nodes { status } }
            events(first: 100) { nodes { type sequence } } } }`,
          { id },
        );
        expect(judge(events)).toEqual({ wrong: [], state: job.status });
        expect(job.events.nodes).toEqual(events);
        expect(['COMPLETED', 'CANCELLED']).toContain(job.status);
        for (const { status } of job.tasks.nodes) expect(['SUCCEEDED', 'CANCELLED']).toContain(status);
        if (job.status === 'COMPLETED')
          expect(job.results.nodes.map(({ result }) => result)).toEqual(results[descriptor.name]);
        const seen = events.some(({ type }) => type === 'JOB_PAUSED') ? 'after a pause' : 'unpaused';
        ends.set(`${job.status} ${seen}`, (ends.get(`${job.status} ${seen}`) ?? 0) + 1);
      }
      // Chance decides, but one way alone would be no race.
      expect(ends.size).toBeGreaterThan(1);
    },
    heavy ? 600_000 : 120_000,
  );
});
