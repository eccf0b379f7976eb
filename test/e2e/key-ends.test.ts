import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withKeys } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import { VirtualClock } from '../support/clock.js';
import { EventStream } from '../support/event-stream.js';
import { RawSocket } from '../support/raw-socket.js';
import { World } from '../support/world.js';

const EVENTS = 'subscription { events { type } }';

describe('what was opened with a key', () => {
  let world: World;
  let clock: VirtualClock;
  beforeEach(async () => {
    clock = new VirtualClock();
    world = await World.open({}, { clock });
  });
  afterEach(() => world.close());

  const made = async (name: string, expiresAt: number | null = null) => {
    const { engine, defaultAccountId } = world.app;
    const input = { name, scopes: ['READ' as const, 'ADMIN' as const], expiresAt };
    const { key, apiKey } = await engine.createApiKey(defaultAccountId, input);
    return { id: apiKey.id, authorization: `Bearer ${key}` };
  };
  /** A socket and a stream that follow everything. */
  async function open(authorization?: string) {
    const socket = await RawSocket.ready(world.url, authorization === undefined ? {} : { authorization });
    socket.subscribe('1', EVENTS);
    await socket.untilPong();
    const stream = await EventStream.open(world.url, {
      query: EVENTS,
      ...(authorization !== undefined && { headers: { authorization } }),
    });
    await stream.block();
    return { socket, stream };
  }
  const ended = async ({ socket, stream }: Awaited<ReturnType<typeof open>>) => {
    expect((await socket.closed).code).toBe(4403);
    const [told, complete] = await stream.rest();
    expect(JSON.parse(told!.data!)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(complete!.event).toBe('complete');
  };
  const goesOn = async ({ socket, stream }: Awaited<ReturnType<typeof open>>) => {
    expect(await socket.untilPong()).toEqual([]);
    expect(stream.text).not.toContain('event:');
  };

  it('ends at once when it is revoked over the API, and nothing else does', async () => {
    const [reader, admin] = [await made('reader'), await made('admin')];
    const [its, others] = [await open(reader.authorization), await open(admin.authorization)];
    const revoke = 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { userErrors { code } } }';
    await world.graphql(revoke, { id: reader.id }, { authorization: admin.authorization });
    await ended(its);
    await goesOn(others);
  });

  it('ends within 12 seconds when it is revoked by the command line, or expires', async () => {
    const [revoked, expiring, other] = [
      await made('revoked'),
      await made('expiring', clock.now() + 5_000),
      await made('other'),
    ];
    const all = [];
    for (const { authorization } of [revoked, expiring, other]) all.push(await open(authorization));
    const config = readConfig({ CARILLON_DATA_DIR: world.folder });
    await withKeys(config, (keys) => keys.revoke(revoked.id));
    await clock.advance(12_000);
    await ended(all[0]!);
    await ended(all[1]!);
    await goesOn(all[2]!);
  });

  it('without one ends within 12 seconds of the first key, and asks nothing more until then', async () => {
    const [idle, asking] = [await open(), await open()];
    await made('first');
    asking.socket.subscribe('2', '{ viewer { account { name } } }');
    expect((await asking.socket.closed).code).toBe(4401);
    await clock.advance(12_000);
    await ended(idle);
  });
});
