import { afterEach, describe, expect, it } from 'vitest';
import type { Scope } from '../../src/account.js';
import type { BusMessage } from '../../src/bus.js';
import { VirtualClock } from '../support/clock.js';
import { type Answer, World } from '../support/world.js';

interface UserError {
  code: string;
  message: string;
  path: string[];
}
interface Created {
  createApiKey: {
    apiKey: { id: string; prefix: string } | null;
    key: string | null;
    userErrors: UserError[];
  };
}
interface Revoked {
  revokeApiKey: {
    apiKey: { id: string; name: string; revokedAt: string } | null;
    userErrors: UserError[];
  };
}
interface Submitted {
  runAlgorithm: { job: { id: string } | null; userErrors: UserError[] };
}
interface Limits {
  viewer: { limits: { kind: string; scope: string; max: number; used: number }[] };
}

const CREATE = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { key apiKey { id prefix } userErrors { code message path } }
}`;
const REVOKE = `mutation ($id: ID!) {
  revokeApiKey(input: { id: $id }) { apiKey { id name revokedAt } userErrors { code message path } }
}`;
const NAP = `mutation ($key: String, $ms: [JSON]) {
  runAlgorithm(input: { name: "nap", input: $ms, idempotencyKey: $key }) { job { id } userErrors { code message path } }
}`;
const CANCEL = 'mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }';
const LIMITS = '{ viewer { limits { kind scope max used } } }';
const WHO = '{ viewer { apiKey { name } } }';
const FOLLOW = 'subscription { events { id } }';

let world: World;
afterEach(() => world.close());

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** Makes a key over the API, with the rights of another one, or of a server without keys. */
async function makeKey(
  scopes: Scope[],
  more: object = {},
  by?: string,
): Promise<{ id: string; key: string }> {
  const input = { name: 'k', scopes, ...more };
  const { data, errors } = await world.graphql<Created>(CREATE, { input }, by ? bearer(by) : {});
  const { key, apiKey, userErrors } = data?.createApiKey ?? {};
  if (!key || !apiKey) throw new Error(JSON.stringify(userErrors ?? errors));
  return { id: apiKey.id, key };
}

async function status(key: string): Promise<number> {
  return (await world.graphql(WHO, {}, bearer(key))).status;
}

describe('API keys', () => {
  it('are made over the API, and from the first one on each request needs one', async () => {
    world = await World.open();
    const admin = await makeKey(['ADMIN', 'ADMIN']);
    expect((await world.graphql(WHO)).status).toBe(401);
    const reader = await makeKey(['READ'], { name: 'reader' }, admin.key);
    const mine = '{ viewer { apiKey { name prefix scopes expiresAt revokedAt limits { sockets } } } }';
    expect((await world.graphql(mine, {}, bearer(reader.key))).data).toEqual({
      viewer: {
        apiKey: {
          name: 'reader',
          prefix: reader.key.slice(0, 10),
          scopes: ['READ'],
          expiresAt: null,
          revokedAt: null,
          limits: { sockets: null },
        },
      },
    });
    const refused = await world.graphql(
      CREATE,
      { input: { name: 'k', scopes: ['READ'] } },
      bearer(reader.key),
    );
    expect(refused.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN', scope: 'ADMIN' } }]);
  });

  it('stop working when they expire', async () => {
    const clock = new VirtualClock();
    world = await World.open({}, { clock });
    const { key } = await makeKey(['READ'], { expiresAt: new Date(clock.now() + 60_000).toISOString() });
    await clock.advance(59_999);
    expect(await status(key)).toBe(200);
    await clock.advance(1);
    expect(await status(key)).toBe(401);
    await clock.advance(1_000_000);
    expect((await world.graphql(WHO)).status).toBe(401);
  });

  it('stop working at once when they are revoked, for good, over a restart, and open the server to nobody', async () => {
    const clock = new VirtualClock();
    world = await World.open({}, { clock });
    const heard: BusMessage[] = [];
    world.app.bus.listen('key', (message) => heard.push(message));
    const admin = await makeKey(['ADMIN', 'READ']);
    const reader = await makeKey(['READ'], { name: 'reader' }, admin.key);
    expect(await status(reader.key)).toBe(200);

    const revoke = (id: string) => world.graphql<Revoked>(REVOKE, { id }, bearer(admin.key));
    const first = await revoke(reader.id);
    expect(first.data!.revokeApiKey).toEqual({
      apiKey: { id: reader.id, name: 'reader', revokedAt: new Date(clock.now()).toISOString() },
      userErrors: [],
    });
    expect(heard).toEqual([{ kind: 'key', accountId: world.app.defaultAccountId, keyId: reader.id }]);
    expect(await status(reader.key)).toBe(401);
    await clock.advance(60_000);
    expect((await revoke(reader.id)).data).toEqual(first.data);

    // The record is still there; the last key may go too, and then nobody comes in.
    const list = '{ viewer { account { apiKeys { nodes { id revokedAt } } } } }';
    expect((await world.graphql(list, {}, bearer(admin.key))).data).toMatchObject({
      viewer: { account: { apiKeys: { nodes: [{ revokedAt: null }, { id: reader.id }] } } },
    });
    await revoke(admin.id);
    await world.restart();
    expect(await Promise.all([status(admin.key), status(reader.key)])).toEqual([401, 401]);
    expect((await world.graphql(WHO)).status).toBe(401);
  });

  it('of another account are not found', async () => {
    world = await World.open();
    const { store, engine } = world.app;
    const other = await store.ensureAccount('other', 'whsec_b3RoZXI=', 0);
    const theirs = await engine.createApiKey(other.id, {
      name: 'x',
      scopes: ['READ'],
      expiresAt: null,
    });
    const admin = await engine.createApiKey(world.app.defaultAccountId, {
      name: 'admin',
      scopes: ['ADMIN', 'READ'],
      expiresAt: null,
    });
    const ask = (query: string) => world.graphql(query, { id: theirs.apiKey.id }, bearer(admin.key));
    expect((await ask(REVOKE)).data).toMatchObject({
      revokeApiKey: { apiKey: null, userErrors: [{ code: 'NOT_FOUND', path: ['input', 'id'] }] },
    });
    expect((await ask('query ($id: ID!) { node(id: $id) { id } }')).data).toEqual({ node: null });
    expect(await status(theirs.key)).toBe(200);
  });

  it('that cannot be made are refused, and each mistake is told', async () => {
    const clock = new VirtualClock();
    world = await World.open({}, { clock });
    const input = {
      name: '',
      scopes: [],
      expiresAt: new Date(clock.now()).toISOString(),
      limits: { requestsPerSecond: 0, sockets: -1 },
    };
    const { createApiKey } = await world.ask<Created>(CREATE, { input });
    expect(createApiKey).toMatchObject({ apiKey: null, key: null });
    expect(createApiKey.userErrors.map(({ code, path }) => `${code} ${path.join('.')}`).sort()).toEqual([
      'INVALID input.expiresAt',
      'INVALID input.limits.requestsPerSecond',
      'INVALID input.limits.sockets',
      'INVALID input.name',
      'INVALID input.scopes',
    ]);
    const bad = async (more: object) => {
      const answer = await world.ask<Created>(CREATE, { input: { name: 'k', scopes: ['READ'], ...more } });
      return answer.createApiKey.userErrors.map(({ message }) => message);
    };
    expect(await bad({ name: 'x'.repeat(101) })).toEqual(['name must be 1 to 100 characters long, got 101']);
    expect(await bad({ name: 'a\u001b[2Jb' })).toEqual([
      'name must not have control characters, got "a\\u001b[2Jb"',
    ]);
    // Nothing was made: the server still asks for no key.
    expect((await world.graphql(WHO)).status).toBe(200);
  });
});

describe('limits', () => {
  const code = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions['code'];

  it('on requests answer 429 with Retry-After, and let in again after it; other accounts do not notice', async () => {
    const clock = new VirtualClock();
    world = await World.open({ CARILLON_ACCOUNT_REQUESTS_PER_SECOND: '1' }, { clock });
    const other = await world.app.store.ensureAccount('other', 'whsec_b3RoZXI=', 0);
    const theirs = await world.app.engine.createApiKey(other.id, {
      name: 'x',
      scopes: ['READ'],
      expiresAt: null,
    });
    const mine = await world.app.engine.createApiKey(world.app.defaultAccountId, {
      name: 'x',
      scopes: ['READ'],
      expiresAt: null,
    });
    for (let count = 0; count < 10; count++) expect(await status(mine.key)).toBe(200);
    const refused = await world.post(JSON.stringify({ query: WHO }), bearer(mine.key));
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toEqual({
      errors: [
        {
          message: expect.stringMatching(
            /^the limit requestsPerSecond of every account of this server is 1,/,
          ),
          extensions: { code: 'LIMIT_REACHED' },
        },
      ],
    });
    expect(await status(theirs.key)).toBe(200);
    // Who may not come in at all is not counted, and learns nothing.
    expect(await status('car_wrong')).toBe(401);
    await clock.advance(1_000);
    expect(await status(mine.key)).toBe(200);
    expect(await status(mine.key)).toBe(429);
  });

  it('on requests count operations over WebSocket, which stays open', async () => {
    const clock = new VirtualClock();
    world = await World.open({ CARILLON_ACCOUNT_REQUESTS_PER_SECOND: '1' }, { clock });
    const client = world.client();
    const ask = () => client.iterate({ query: '{ __typename }' }).next();
    for (let count = 0; count < 10; count++) expect((await ask()).value.errors).toBeUndefined();
    const error: unknown = await ask().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject([
      {
        message: expect.stringContaining('requestsPerSecond'),
        extensions: { code: 'LIMIT_REACHED', retryAfterMs: 1_000 },
      },
    ]);
    await clock.advance(1_000);
    expect((await ask()).value.data).toEqual({ __typename: 'Query' });
  });

  it('on sockets close one too many with 4429 and answer 429 to a stream, until another is closed', async () => {
    world = await World.open({ CARILLON_ACCOUNT_SOCKETS: '2' });
    const open = async () => {
      const client = world.client();
      const closed = new Promise<{ code: number; reason: string }>((resolve) =>
        client.on('closed', (event) => resolve(event as { code: number; reason: string })),
      );
      const iterator = client.iterate({ query: FOLLOW });
      const ended = iterator.next().catch(() => null);
      const connected = new Promise<'connected'>((resolve) =>
        client.on('connected', () => resolve('connected')),
      );
      return { client, ended, first: await Promise.race([connected, closed]) };
    };
    const used = async () => {
      const { viewer } = await world.ask<Limits>(LIMITS);
      return viewer.limits.find(({ kind }) => kind === 'SOCKETS');
    };
    const stream = () => world.post(JSON.stringify({ query: FOLLOW }), { accept: 'text/event-stream' });

    const socket = await open();
    expect(socket.first).toBe('connected');
    const streaming = await stream();
    expect(streaming.status).toBe(200);
    expect(await used()).toEqual({ kind: 'SOCKETS', scope: 'SERVER', max: 2, used: 2 });

    const third = await open();
    expect(third.first).toMatchObject({ code: 4429, reason: 'Too many sockets' });
    const refused = await stream();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5']);
    expect(code(await refused.json())).toBe('LIMIT_REACHED');

    await streaming.body!.cancel();
    await expect.poll(async () => (await used())!.used).toBe(1);
    const again = await stream();
    expect(again.status).toBe(200);
    await socket.client.dispose();
    await expect.poll(async () => (await used())!.used).toBe(1);
    expect((await open()).first).toBe('connected');
    await again.body!.cancel();
  });

  it('on running jobs refuse a submission, answer a repeated one, and free its place at the end of a job', async () => {
    world = await World.open();
    const set =
      'mutation ($limits: AccountLimitsInput!) { updateAccount(input: { limits: $limits }) { account { limits { runningJobs } } userErrors { message path } } }';
    expect(await world.ask(set, { limits: { runningJobs: 0 } })).toEqual({
      updateAccount: {
        account: null,
        userErrors: [
          {
            message:
              'limits.runningJobs must be a whole number from 1 to 1000000000, got 0; null is no limit',
            path: ['input', 'limits', 'runningJobs'],
          },
        ],
      },
    });
    expect(await world.ask(set, { limits: { runningJobs: 1 } })).toEqual({
      updateAccount: { account: { limits: { runningJobs: 1 } }, userErrors: [] },
    });
    const submit = async (key: string) =>
      (await world.ask<Submitted>(NAP, { key, ms: [600_000] })).runAlgorithm;
    const { job } = await submit('one');
    expect(await submit('two')).toEqual({
      job: null,
      userErrors: [
        {
          code: 'LIMIT_REACHED',
          message:
            'the limit runningJobs of this account is 1, and 1 job has not ended: wait for one to end, or cancel one',
          path: ['input'],
        },
      ],
    });
    expect((await submit('one')).job).toEqual(job);
    expect((await world.ask<Limits>(LIMITS)).viewer.limits).toContainEqual({
      kind: 'RUNNING_JOBS',
      scope: 'ACCOUNT',
      max: 1,
      used: 1,
    });
    await world.ask(CANCEL, { id: job!.id });
    const two = await submit('two');
    expect(two.userErrors).toEqual([]);
    await world.ask(set, { limits: { runningJobs: null } });
    const three = await submit('three');
    for (const id of [two.job!.id, three.job!.id]) await world.ask(CANCEL, { id });
  });

  it('on stored bytes refuse a submission, and take what a job has been promised to bring', async () => {
    world = await World.open({ CARILLON_ACCOUNT_STORED_MB: '1' });
    const text = 'x'.repeat(400_000);
    const submit = async () =>
      (
        await world.ask<Submitted>(
          'mutation ($text: JSON!) { runAlgorithm(input: { name: "echo", input: [$text] }) { job { id } userErrors { code message path } } }',
          { text },
        )
      ).runAlgorithm;
    const { job } = await submit();
    await world.ended(job!.id);
    const { limits } = (await world.ask<Limits>(LIMITS)).viewer;
    const [stored] = limits.filter(({ kind }) => kind === 'STORED_BYTES');
    expect(stored).toMatchObject({ scope: 'SERVER', max: 1_048_576 });
    // The descriptor, the node's input and the result.
    expect(stored!.used).toBeGreaterThan(1_200_000);
    const { userErrors } = await submit();
    expect(userErrors).toMatchObject([{ code: 'LIMIT_REACHED' }]);
    expect(userErrors[0]!.message).toMatch(
      new RegExp(
        `^the limit storedBytes of every account of this server is 1048576, ${stored!.used} are used and this needs \\d+ more`,
      ),
    );
    await world.restart();
    expect((await world.ask<Limits>(LIMITS)).viewer.limits).toContainEqual(stored);
  });

  it('are told to the caller they apply to, by scope, and only those that are set', async () => {
    world = await World.open({ CARILLON_ACCOUNT_SOCKETS: '0' });
    expect((await world.ask<Limits>(LIMITS)).viewer.limits).toEqual([]);
    const admin = await makeKey(['ADMIN', 'READ'], { limits: { requestsPerSecond: 7, sockets: 3 } });
    const set =
      'mutation { updateAccount(input: { limits: { storedBytes: 5000000000 } }) { account { id } } }';
    await world.graphql(set, {}, bearer(admin.key));
    const reader = await makeKey(['READ'], {}, admin.key);
    const limits = async (key: string) =>
      (await world.graphql<Limits>(LIMITS, {}, bearer(key))).data!.viewer.limits;
    const stored = { kind: 'STORED_BYTES', scope: 'ACCOUNT', max: 5_000_000_000, used: 0 };
    expect(await limits(reader.key)).toEqual([stored]);
    expect(await limits(admin.key)).toEqual([
      { kind: 'REQUESTS_PER_SECOND', scope: 'KEY', max: 7, used: expect.any(Number) },
      { kind: 'SOCKETS', scope: 'KEY', max: 3, used: 0 },
      stored,
    ]);
  });
});
