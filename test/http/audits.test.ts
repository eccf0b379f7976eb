import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.js';

let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world.close());

// Where the audits and later drafts of GraphQL over HTTP differ (422, 294), the audits' statuses are the ones that we give.
const audits = serverAudits({ url: () => world.url, fetchFn: fetch });

test('there are 61 audits of GraphQL over HTTP', () => {
  expect(new Set(audits.map(({ id }) => id)).size).toBe(61);
});

test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))(
  '%s: %s',
  async (_id, _name, audit) => {
    expect(await audit.fn()).toMatchObject({ status: 'ok' });
  },
);
