import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { World } from '../support/world.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const JOBS = heavy ? 1_000 : 100;

it(
  `${JOBS} jobs of mixed priorities start in order of priority, and in order of age within one`,
  async () => {
    const world = await World.open({ CARILLON_WORKER_THREADS: '1' });
    try {
      const gate = join(world.folder, 'gate');
      const blocker = await world.submit({
        name: 'blocker',
        nodes: [{ nodeName: 'a', algorithmName: 'until', input: [gate] }],
      });
      // Its thread is taken from here on: nothing that comes later starts before the gate is open.
      const active = 'subscription ($id: ID!) { jobEvents(jobId: $id, types: [JOB_ACTIVE]) { type } }';
      for await (const _ of world.client().iterate({ query: active, variables: { id: blocker } })) break;
      const submitted: { id: string; priority: number }[] = [];
      for (let number = 0; number < JOBS; number++) {
        const priority = 1 + ((number * 7) % 5);
        const nodes = [{ nodeName: 'a', algorithmName: 'noop', input: [] }];
        submitted.push({ id: await world.submit({ name: `p${priority}`, priority, nodes }), priority });
      }
      const { events } = await world.ask<{ events: { pageInfo: { endCursor: string } } }>(
        '{ events(first: 1) { pageInfo { endCursor } } }',
      );
      await writeFile(gate, '');
      const started: string[] = [];
      const query =
        'subscription ($after: Cursor) { events(after: $after, filter: { types: [JOB_ACTIVE] }) { job { id } } }';
      const variables = { after: events.pageInfo.endCursor };
      for await (const { data } of world.client().iterate<Told>({ query, variables })) {
        started.push(data!.events.job.id);
        if (started.length > JOBS) break;
      }
      const inOrder = [...submitted].sort((a, b) => b.priority - a.priority).map(({ id }) => id);
      expect(started).toEqual([blocker, ...inOrder]);
    } finally {
      await world.close();
    }
  },
  heavy ? 600_000 : 60_000,
);

interface Told {
  events: { job: { id: string } };
}
