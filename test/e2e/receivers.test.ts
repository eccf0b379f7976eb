import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../support/clock.js';
import type { TestReceiver } from '../support/receiver.js';
import { World } from '../support/world.js';

const MINUTE = 60_000;

interface Attempt {
  number: number;
  outcome: string;
  statusCode: number | null;
  requestHeaders: { name: string; value: string }[];
}

interface Shown {
  id: string;
  status: string;
  event: { type: string };
  attempts: { nodes: Attempt[] };
}

/** What receivers may do to us; each is recorded as what it is and tried again, and none delays another's lane. */
describe('a receiver', () => {
  let world: World;
  let clock: VirtualClock;
  let receiver: TestReceiver;
  let attempts: number;

  beforeEach(async () => {
    clock = new VirtualClock();
    world = await World.open({}, { clock });
    receiver = await world.receiver();
    attempts = 0;
    world.app.bus.listen('attempt', () => {
      attempts++;
    });
  });
  afterEach(() => world.close());

  const register = async (path: string, more: object = {}) => {
    const { registerWebhook } = await world.ask<{ registerWebhook: { webhook: { id: string } } }>(
      'mutation ($input: RegisterWebhookInput!) { registerWebhook(input: $input) { webhook { id } userErrors { message } } }',
      { input: { url: receiver.url + path, events: ['JOB_PENDING'], timeoutMs: 200, ...more } },
    );
    return registerWebhook.webhook.id;
  };

  const shown = async (webhookId: string): Promise<Shown[]> => {
    const { deliveries } = await world.ask<{ deliveries: { nodes: Shown[] } }>(
      `query ($id: ID!) { deliveries(filter: { webhookId: $id }) { nodes { id status event { type }
        attempts { nodes { number outcome statusCode requestHeaders { name value } } } } } }`,
      { id: webhookId },
    );
    return deliveries.nodes;
  };

  /** Resolves once so many attempts have been recorded since the start. */
  const recorded = async (count: number) => {
    while (attempts < count) {
      await new Promise<void>((resolve) => {
        const unlisten = world.app.bus.listen('attempt', () => {
          unlisten();
          resolve();
        });
        if (attempts >= count) resolve();
      });
    }
    await clock.advance(0);
  };

  const submit = () => world.submit({ name: 'p', nodes: [{ nodeName: 'n', algorithmName: 'noop' }] });

  it.each<{
    does: string;
    answer: (response: ServerResponse) => void;
    outcome: string;
    statusCode: number | null;
  }>([
    {
      does: 'answers 500',
      answer: (response) => response.writeHead(500).end('no'),
      outcome: 'HTTP_ERROR',
      statusCode: 500,
    },
    {
      does: 'redirects',
      answer: (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
      outcome: 'REDIRECT',
      statusCode: 307,
    },
    {
      does: 'closes the socket',
      answer: (response) => response.destroy(),
      outcome: 'CONNECTION_ERROR',
      statusCode: null,
    },
    {
      does: 'answers byte by byte',
      answer: (response) => {
        const socket = response.socket!;
        const head = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-slow: '.padEnd(4_000, '.');
        let place = 0;
        const timer = setInterval(
          () => (socket.destroyed ? clearInterval(timer) : socket.write(head[place++] ?? '.')),
          20,
        );
      },
      outcome: 'TIMEOUT',
      statusCode: null,
    },
  ])('that $does is recorded and called again by the schedule', async ({ answer, outcome, statusCode }) => {
    receiver.answer((call, response) =>
      call.path === '/bad' ? answer(response) : response.writeHead(200).end(),
    );
    const bad = await register('/bad');
    const good = await register('/good');
    await submit();
    await recorded(2);
    expect((await shown(good))[0]).toMatchObject({ status: 'DELIVERED' });
    const first = (await shown(bad))[0]!;
    expect(first.attempts.nodes).toMatchObject([{ number: 1, outcome, statusCode }]);
    expect(first.status).toBe(outcome === 'TIMEOUT' ? 'HELD' : 'RETRYING');

    // The third try is five minutes after the second; a URL that was too slow is left alone until then in any case.
    let total = 2;
    for (const wait of outcome === 'TIMEOUT' ? [5 * MINUTE] : [5_600, 5.6 * MINUTE]) {
      await clock.advance(wait);
      await recorded(++total);
    }
    const calls = receiver.calls.filter((call) => call.path === '/bad');
    expect(calls.map((call) => call.headers['x-carillon-attempt'])).toEqual(
      calls.map((_, index) => String(index + 1)),
    );
    expect(new Set(calls.map((call) => call.headers['webhook-id'])).size).toBe(1);
    expect(receiver.calls.some((call) => call.path === '/elsewhere')).toBe(false);
    expect((await shown(bad))[0]!.attempts.nodes.map((attempt) => attempt.outcome)).toEqual(
      calls.map(() => outcome),
    );
  });

  it('that sends an endless body after its 200 has got the delivery', async () => {
    receiver.answer((_call, response) => {
      response.writeHead(200);
      const more = () => {
        if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more));
      };
      more();
    });
    const hook = await register('/endless');
    await submit();
    await recorded(1);
    expect((await shown(hook))[0]).toMatchObject({
      status: 'DELIVERED',
      attempts: { nodes: [{ outcome: 'DELIVERED', statusCode: 200 }] },
    });
  });

  it('that hangs is not called for five minutes; what it is owed is HELD, and then sent in order', async () => {
    let hangs = true;
    receiver.answer((_call, response) => {
      if (!hangs) response.writeHead(204).end();
    });
    const hook = await register('/', { events: ['JOB_PENDING', 'JOB_ACTIVE', 'JOB_COMPLETED'] });
    const jobId = await submit();
    await world.ended(jobId);
    await recorded(1);
    hangs = false;
    for (let minute = 0; minute < 4; minute++) await clock.advance(MINUTE);
    expect(receiver.calls).toHaveLength(1);
    expect((await shown(hook)).map((delivery) => delivery.status)).toEqual(['HELD', 'HELD', 'HELD']);
    const { webhook } = await world.ask<{ webhook: { status: string; coolingUntil: string } }>(
      'query ($id: ID!) { webhook(id: $id) { status coolingUntil } }',
      { id: hook },
    );
    expect(webhook.status).toBe('COOLING');
    await clock.advance(MINUTE);
    await recorded(4);
    expect(receiver.calls.map((call) => call.headers['x-carillon-event'])).toEqual([
      'job.pending',
      'job.pending',
      'job.active',
      'job.completed',
    ]);
    expect((await shown(hook)).map((delivery) => delivery.status)).toEqual([
      'DELIVERED',
      'DELIVERED',
      'DELIVERED',
    ]);
  });

  it('that refuses one status change for ever gets the next ones after five minutes', async () => {
    receiver.answer((call, response) =>
      response.writeHead(call.headers['x-carillon-event'] === 'job.pending' ? 500 : 200).end(),
    );
    const hook = await register('/', { events: ['JOB_PENDING', 'JOB_COMPLETED'] });
    await world.ended(await submit());
    await recorded(1);
    await clock.advance(6_000);
    await recorded(2);
    await clock.advance(4 * MINUTE);
    expect(receiver.calls).toHaveLength(2);
    await clock.advance(MINUTE);
    await receiver.received(3);
    expect(
      (await shown(hook)).find((delivery) => delivery.event.type === 'JOB_COMPLETED')!.attempts.nodes,
    ).toMatchObject([{ outcome: 'DELIVERED' }]);
  });

  it('at an address that policy forbids is never called, whatever its name resolves to', async () => {
    const closed = await World.open({ CARILLON_WEBHOOK_ALLOW_CIDRS: '' }, { clock });
    try {
      const { registerWebhook } = await closed.ask<{
        registerWebhook: { userErrors: { code: string; path: string[] }[] };
      }>(
        'mutation ($url: URL!) { registerWebhook(input: { url: $url }) { userErrors { code path message } } }',
        { url: receiver.url },
      );
      expect(registerWebhook.userErrors).toMatchObject([
        { code: 'FORBIDDEN_DESTINATION', path: ['input', 'url'] },
      ]);
      expect(receiver.calls).toEqual([]);
    } finally {
      await closed.close();
    }
  });

  it('finds no secret of ours in what is shown of its calls', async () => {
    const hook = await register('/', {
      headers: [{ name: 'Authorization', value: 'Bearer token-of-the-user' }],
    });
    await submit();
    await recorded(1);
    expect(receiver.calls[0]!.headers['authorization']).toBe('Bearer token-of-the-user');
    const { requestHeaders } = (await shown(hook))[0]!.attempts.nodes[0]!;
    expect(JSON.stringify(requestHeaders)).not.toContain('token-of-the-user');
    expect(requestHeaders.find((header) => header.name === 'webhook-signature')!.value).not.toContain('v1,');
    const { webhooks } = await world.ask<{ webhooks: unknown }>(
      '{ webhooks { nodes { headers { name value } } } }',
    );
    expect(JSON.stringify(webhooks)).not.toContain('token-of-the-user');
  });

  it('can be pinged, and its deliveries sent again', async () => {
    const hook = await register('/');
    const { pingWebhook } = await world.ask<{ pingWebhook: { attempt: Attempt } }>(
      'mutation ($id: ID!) { pingWebhook(input: { id: $id }) { attempt { number outcome statusCode } userErrors { message } } }',
      { id: hook },
    );
    expect(pingWebhook.attempt).toMatchObject({ number: 1, outcome: 'DELIVERED', statusCode: 204 });
    expect(receiver.calls[0]!.headers['x-carillon-event']).toBe('webhook.ping');
    await submit();
    await recorded(2);
    const delivery = (await shown(hook)).find((one) => one.event.type === 'JOB_PENDING')!;
    const { resendDelivery } = await world.ask<{ resendDelivery: { userErrors: unknown[] } }>(
      'mutation ($id: ID!) { resendDelivery(input: { id: $id }) { delivery { status } userErrors { message } } }',
      { id: delivery.id },
    );
    expect(resendDelivery.userErrors).toEqual([]);
    await recorded(3);
    const [first, second] = receiver.calls.filter(
      (call) => call.headers['x-carillon-event'] === 'job.pending',
    );
    expect(second!.body).toBe(first!.body);
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.headers['x-carillon-attempt']).toBe('2');
  });
});
