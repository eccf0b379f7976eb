import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leadsSomewhere, looseDescriptors } from '../support/loose-descriptors.js';
import { World } from '../support/world.js';

const runs = process.env['CARILLON_TEST_HEAVY'] === '1' ? 2_000 : 100;

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world.close());

const SUBMIT = `mutation ($d: JSON!) {
  submitDescriptor(input: { descriptor: $d }) { job { id descriptor } userErrors { code message path } }
}`;
interface Submitted {
  submitDescriptor: {
    job: { id: string; descriptor: unknown } | null;
    userErrors: { code: string; message: string; path: string[] }[];
  };
}

it('whatever is submitted as a descriptor is a job, or refused with places that exist, and never an error of the server', async () => {
  const seen = { jobs: 0, refused: 0 };
  const check = async (descriptor: unknown) => {
    const sent = JSON.parse(JSON.stringify(descriptor)) as unknown;
    const { status, data, errors } = await world.graphql<Submitted>(SUBMIT, { d: sent });
    expect(status).toBeLessThan(500);
    if (errors) {
      // Null where JSON must be, too deep, too much: refused before it is a descriptor.
      expect(['BAD_USER_INPUT', 'LIMIT_REACHED']).toContain(errors[0]!.extensions['code']);
      return;
    }
    const { job, userErrors } = data!.submitDescriptor;
    if (job) {
      seen.jobs++;
      expect(userErrors).toEqual([]);
      // It may stand for a hundred thousand tasks.
      await world.ask('mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }', job);
      return;
    }
    seen.refused++;
    expect(userErrors.length).toBeGreaterThan(0);
    for (const { path, message } of userErrors) {
      expect(path.slice(0, 2)).toEqual(['input', 'descriptor']);
      expect(leadsSomewhere(sent, path.slice(2))).toBe(true);
      expect(message).not.toMatch(/\.(ts|js):\d|SQLITE|Cannot read/);
    }
  };
  await fc.assert(fc.asyncProperty(looseDescriptors, check), { numRuns: runs });
  expect(seen.jobs).toBeGreaterThan(0);
  expect(seen.refused).toBeGreaterThan(0);
  // The server is as it was.
  const id = await world.submit({ name: 'after', nodes: [{ nodeName: 'a', algorithmName: 'noop' }] });
  expect((await world.ended(id)).at(-1)!.type).toBe('JOB_COMPLETED');
});
