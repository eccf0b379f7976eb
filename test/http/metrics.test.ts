import { expect, onTestFinished, test } from 'vitest';
import { RawSocket } from '../support/raw-socket.js';
import { World } from '../support/world.js';

const TOKEN = 'a-token-of-the-operator';

async function open(env: Record<string, string> = {}): Promise<World> {
  const world = await World.open(env);
  onTestFinished(() => world.close());
  return world;
}

async function metrics(world: World, headers: Record<string, string> = {}) {
  const response = await fetch(`${world.app.url}/metrics`, { headers });
  const text = await response.text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return { status: response.status, type: response.headers.get('content-type'), text, value };
}

test('metrics count subscribers, what was run for them and sent to them, and how their connections closed', async () => {
  const world = await open();
  const id = await world.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'noop', input: [1] }] });
  await world.ended(id);
  const before = await metrics(world);
  expect(before).toMatchObject({ status: 200, type: expect.stringContaining('text/plain') });
  const sockets = await Promise.all([RawSocket.ready(world.url), RawSocket.ready(world.url)]);
  for (const socket of sockets) {
    // A filter of its own: this is a group that nobody was in before.
    socket.subscribe('1', 'subscription { events(filter: { types: [JOB_COMPLETED] }) { type } }');
    expect(await socket.untilPong()).toEqual([]);
  }
  await world.ended(
    await world.submit({ name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'noop', input: [1] }] }),
  );
  for (const socket of sockets) expect(await socket.next('1')).toMatchObject({ type: 'next' });
  const { value } = await metrics(world);
  expect(value('carillon_subscribers')).toBe(2);
  expect(value('carillon_subscriber_groups')).toBe(1);
  expect(value('carillon_connections')).toBeGreaterThanOrEqual(2);
  const [ran, sent] = ['executions', 'results'].map(
    (what) =>
      value(`carillon_subscription_${what}_total`) - before.value(`carillon_subscription_${what}_total`),
  );
  // The two of the group share one; the rest is of the subscription that waited for the job.
  expect(sent! - ran!).toBe(1);
  expect(value('carillon_subscription_lag_seconds_count')).toBeGreaterThan(0);
  for (const { socket } of sockets) socket.close(1000);
  await Promise.all(sockets.map(({ closed }) => closed));
  await expect.poll(async () => (await metrics(world)).value('carillon_subscribers')).toBe(0);
  expect((await metrics(world)).text).toMatch(/carillon_connections_closed_total\{code="1000"\} \d/);
});

test('with keys metrics are the operator’s alone: no account’s key opens them', async () => {
  const world = await open({ CARILLON_METRICS_TOKEN: TOKEN });
  const { key } = await world.app.engine.createApiKey(world.app.defaultAccountId, {
    name: 'admin',
    scopes: ['READ', 'ADMIN'],
    expiresAt: null,
  });
  for (const headers of [{}, { authorization: `Bearer ${key}` }, { authorization: 'Bearer wrong' }] as Record<
    string,
    string
  >[]) {
    const { status, text } = await metrics(world, headers);
    expect(status).toBe(401);
    expect(text).toContain('CARILLON_METRICS_TOKEN');
  }
  expect((await metrics(world, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
});

test('with keys and without a token nobody reads them', async () => {
  const world = await open();
  await world.app.engine.createApiKey(world.app.defaultAccountId, {
    name: 'k',
    scopes: ['READ'],
    expiresAt: null,
  });
  expect((await metrics(world, { authorization: 'Bearer ' })).status).toBe(401);
  expect((await metrics(world)).status).toBe(401);
});
