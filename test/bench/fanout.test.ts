import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { ROOT } from '../examples/program.js';

const bench = (file: string) => import(`${ROOT}bench/${file}`);

describe('the bench of live fan-out', () => {
  it('asks Carillon and its peers for the same fields', async () => {
    const { DOCUMENT } = await bench('fanout/subscription.mjs');
    const { typeDefs } = await bench('peers/schema.mjs');
    for (const schema of [createSchema(), buildSchema(typeDefs)]) {
      expect(validate(schema, parse(DOCUMENT))).toEqual([]);
    }
  });

  it('counts each event once for each subscriber of its job', async () => {
    const { Crowd } = await bench('fanout/crowd.mjs');
    const { withServerProcess } = await bench('fanout/server.mjs');
    const seen = await withServerProcess('carillon', 2, async (server: BenchServer) => {
      const crowd = new Crowd();
      await crowd.gather(server, 6);
      server.publish();
      const first = await crowd.hasRead(1, 20_000);
      crowd.reading = false;
      crowd.received = 0;
      for (let event = 0; event < 3; event++) server.publish();
      const counted = await crowd.hasCounted(3 * 6, 20_000);
      server.publish();
      const last = await crowd.hasRead(5, 20_000);
      const { received } = crowd;
      await crowd.leave();
      return { first, counted, last, received };
    });
    expect(seen).toEqual({ first: true, counted: true, last: true, received: 4 * 6 });
  }, 60_000);
});

interface BenchServer {
  publish(): void;
}
