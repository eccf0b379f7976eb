import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fixture, HOUR, MINUTE, SECOND } from './fixture.js';

const url = 'http://receiver.example/';

describe('lanes', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  it('a lane whose lease ended without a record becomes due again by time alone', async () => {
    await f.webhook(url);
    await f.submit(f.single());
    expect(await f.lanes()).toHaveLength(1);
    await f.clock.advance(10 * MINUTE);
    // The dispatcher sleeps until nextDueAt, and claims then (or by its poll): neither finds the lane.
    expect(await f.store.nextDueAt(f.at())).not.toBeNull();
    expect(await f.lanes()).toHaveLength(1);
  });

  it('a probe whose lease ended without a record does not silence its URL for ever', async () => {
    await f.webhook(url);
    await f.webhook(url, { format: 'HKUBE' });
    await f.submit(f.single());
    const [first, second] = await f.lanes();
    await f.record(first!, 'TIMEOUT');
    await f.record(second!, 'HTTP_ERROR');
    await f.clock.advance(5 * MINUTE);
    expect(await f.lanes()).toHaveLength(1); // the probe; what becomes of it is never recorded
    await f.succeed((await f.claim(1))[0]!); // further deliveries of the same job wake nothing
    await f.clock.advance(HOUR);
    // The other lane is due and under no lease at all.
    expect(await f.lanes()).not.toEqual([]);
  });

  it('a 410 of a job URL that both of its targets share cancels everything: nothing is sent there again', async () => {
    await f.submit(f.single(), [f.target('JOB_PROGRESS', url), f.target('JOB_RESULT', url)]);
    await f.succeed((await f.claim(1))[0]!);
    const [due] = await f.lanes();
    await f.record(due!, 'GONE');
    expect((await f.deliveries()).map((one) => one.status)).toEqual([
      'EXHAUSTED',
      'CANCELLED',
      'CANCELLED',
      'CANCELLED',
    ]);
    expect(f.rows('select * from lanes')).toEqual([]);
    expect((await f.lanes()).map((one) => one.part)).toEqual([]);
  });

  it('a delivery of a deleted webhook that is sent again does not stay PENDING for ever', async () => {
    const hook = await f.webhook(url);
    await f.submit(f.single());
    await f.record((await f.lanes())[0]!);
    await f.store.deleteWebhook(f.account, hook.id, f.at());
    const [delivery] = await f.deliveries();
    await f.store.resend(f.account, delivery!.id, f.at());
    await f.pump(100 * HOUR, () => 'DELIVERED');
    await f.clock.advance(100 * HOUR);
    expect(await f.lanes()).toEqual([]);
    expect((await f.deliveries())[0]!.status).not.toBe('PENDING');
  });

  it('a delivery to the default URL can be sent again after the account was updated', async () => {
    const patch = {
      defaultWebhookUrl: url,
      defaultWebhookUrlKey: url,
      defaultWebhookFormat: 'HKUBE' as const,
    };
    await f.store.updateAccount(f.account, patch, f.at());
    await f.submit(f.single());
    await f.succeed((await f.claim(1))[0]!);
    await f.record((await f.lanes())[0]!);
    // Even an update that changes nothing at all.
    await f.store.updateAccount(f.account, {}, f.at());
    const [delivery] = await f.deliveries();
    await f.store.resend(f.account, delivery!.id, f.at());
    const sent = await f.pump(100 * HOUR, () => 'DELIVERED');
    expect(sent).toHaveLength(1);
  });

  it('superseded progress does not end the five minutes that a failing status change holds its lane', async () => {
    await f.webhook(url, { events: ['JOB_PENDING', 'JOB_ACTIVE', 'JOB_PROGRESS', 'JOB_COMPLETED'] });
    const began = f.at();
    const jobId = await f.submit({
      name: 'p',
      nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }],
    });
    const items = ['[1]', '[2]', '[3]', '[4]'];
    await f.settleJob(jobId, { kind: 'expanded', node: 0, at: f.at(), total: 4, from: 0, items });
    await f.record((await f.lanes())[0]!, 'DELIVERED'); // JOB_PENDING
    const tasks = await f.claim(4);
    await f.settle(tasks[0]!, { kind: 'started' }); // JOB_ACTIVE
    const failActive = async () => {
      const [due] = await f.lanes();
      expect(due!.event.type).toBe('JOB_ACTIVE');
      await f.record(due!, 'HTTP_ERROR', 1);
    };
    await failActive();
    await f.succeed(tasks[0]!); // progress 25, waits
    await f.clock.advance(6 * SECOND);
    await failActive(); // third try lies beyond the five minutes: it retries alone, the lane goes on at +300 s
    expect(await f.lanes()).toEqual([]);
    await f.clock.advance(10 * SECOND);
    await f.succeed(tasks[1]!); // progress 50 supersedes the new head
    const early = await f.lanes();
    expect(early.map((one) => `${(f.at() - began) / SECOND} s: ${one.event.type}`)).toEqual([]);
  });

  describe("the progress of a job's own URL", () => {
    const words = async () =>
      (await f.lanes()).map((due) => {
        const { facts, type } = due.event;
        return { due, told: facts.of === 'job' ? `${type} ${facts.progress.percent}` : type };
      });
    const sendAll = async () => {
      const sent: string[] = [];
      for (let due = await words(); due.length > 0; due = await words()) {
        for (const one of due) {
          sent.push(one.told);
          await f.record(one.due);
        }
      }
      return sent;
    };
    const running = async (items: number) => {
      const target = { ...f.target('JOB_PROGRESS', url), verbosity: 'debug' as const };
      const jobId = await f.submit(
        { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'one', input: [`#[1...${items}]`] }] },
        [target],
      );
      const texts = Array.from({ length: items }, (_, n) => `[${n + 1}]`);
      await f.settleJob(jobId, {
        kind: 'expanded',
        node: 0,
        at: f.at(),
        total: items,
        from: 0,
        items: texts,
      });
      const tasks = await f.claim(items);
      await f.settle(tasks[0]!, { kind: 'started' });
      return { jobId, tasks };
    };

    it('is sent at once, then once in a second, and the newest of it last', async () => {
      const { tasks } = await running(5);
      expect(await sendAll()).toEqual(['JOB_PENDING 0', 'JOB_ACTIVE 0']);
      await f.succeed(tasks[0]!);
      expect(await sendAll()).toEqual(['JOB_PROGRESS 20']);
      await f.clock.advance(400);
      await f.succeed(tasks[1]!);
      expect(await sendAll()).toEqual([]);
      await f.clock.advance(300);
      await f.succeed(tasks[2]!);
      expect(await sendAll()).toEqual([]);
      expect(await f.store.nextDueAt(f.at())).toBe(f.at() + 300);
      await f.clock.advance(300);
      expect(await sendAll()).toEqual(['JOB_PROGRESS 60']);
      await f.clock.advance(5 * SECOND);
      await f.succeed(tasks[3]!);
      expect(await sendAll()).toEqual(['JOB_PROGRESS 80']);
    });

    it('makes no change of state wait: it goes out at once, after the progress that came before it', async () => {
      const { jobId, tasks } = await running(3);
      await sendAll();
      await f.succeed(tasks[0]!);
      await sendAll();
      await f.succeed(tasks[1]!);
      expect(await sendAll()).toEqual([]);
      await f.settleJob(jobId, { kind: 'pause', at: f.at() });
      expect(await sendAll()).toEqual(['JOB_PROGRESS 66.67', 'JOB_PAUSED 66.67']);
    });

    it('makes no change of state wait: the end of the job goes out at once', async () => {
      const { tasks } = await running(3);
      await sendAll();
      await f.succeed(tasks[0]!);
      await sendAll();
      await f.succeed(tasks[1]!);
      expect(await sendAll()).toEqual([]);
      await f.succeed(tasks[2]!);
      expect(await sendAll()).toEqual(['JOB_COMPLETED 100']);
    });
  });

  it('what a disabled webhook was owed goes out in order once it is enabled', async () => {
    const hook = await f.webhook(url);
    await f.submit(f.single());
    const [due] = await f.lanes();
    await f.record(due!, 'HTTP_ERROR'); // one failure; next try in 5 s
    await f.store.updateWebhook(f.account, hook.id, { enabled: false }, f.at());
    const [task] = await f.claim(1);
    await f.settle(task!, { kind: 'started' });
    await f.clock.advance(HOUR);
    await f.store.updateWebhook(f.account, hook.id, { enabled: true }, f.at());
    await f.succeed(task!);
    expect((await f.lanes()).map((one) => one.event.type)).toEqual(['JOB_PENDING']);
  });

  it('an enabled webhook gets its events, though a disabled one has the same URL and format', async () => {
    const first = await f.webhook(url);
    const second = await f.webhook(url);
    await f.store.updateWebhook(f.account, first.id, { enabled: false }, f.at());
    await f.submit(f.single());
    expect((await f.lanes()).map((one) => one.webhookId)).toEqual([second.id]);
  });

  it('an event that only a deleted webhook had taken still reaches the other webhook of that URL', async () => {
    const first = await f.webhook(url);
    const second = await f.webhook(url);
    await f.store.updateWebhook(f.account, first.id, { enabled: false }, f.at());
    await f.submit(f.single());
    await f.store.deleteWebhook(f.account, first.id, f.at());
    expect((await f.lanes()).map((one) => one.webhookId)).toEqual([second.id]);
  });

  it('a timeout of a call to the old URL does not cool down the new one', async () => {
    const hook = await f.webhook(url);
    await f.submit(f.single());
    const [due] = await f.lanes();
    const fresh = 'http://mended.example/';
    await f.store.updateWebhook(f.account, hook.id, { url: fresh, urlKey: fresh }, f.at());
    await f.record(due!, 'TIMEOUT');
    await f.clock.advance(6 * SECOND);
    expect((await f.lanes()).map((one) => one.url)).toEqual([fresh]);
  });

  it('410 disables a webhook also where it answers the last try of a progress event', async () => {
    const hook = await f.webhook(url, { events: ['JOB_PROGRESS'] });
    const jobId = await f.submit({
      name: 'p',
      nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }],
    });
    const items = ['[1]', '[2]'];
    await f.settleJob(jobId, { kind: 'expanded', node: 0, at: f.at(), total: 2, from: 0, items });
    await f.succeed((await f.claim(1))[0]!);
    await f.record((await f.lanes())[0]!, 'HTTP_ERROR');
    await f.clock.advance(6 * SECOND);
    await f.record((await f.lanes())[0]!, 'GONE');
    expect((await f.store.webhook(f.account, hook.id))!.status).toBe('DISABLED');
  });

  it('a result that waited for the last progress keeps its own schedule after its first try', async () => {
    await f.submit(f.single(), [f.target('JOB_PROGRESS', 'http://p.example/'), f.target('JOB_RESULT', url)]);
    const began = f.at();
    const tries: number[] = [];
    for (let second = 0; second < 700; second++) {
      if (second === 200) await f.succeed((await f.claim(1))[0]!);
      for (const one of await f.lanes()) {
        if (one.url === url) tries.push((f.at() - began) / SECOND);
        await f.record(one, 'HTTP_ERROR');
      }
      await f.clock.advance(SECOND);
    }
    // Guard of five minutes, five seconds, then five minutes.
    expect(tries).toEqual([500, 505]);
  });

  it('two URLs with a backlog do not keep a third one waiting', async () => {
    for (const slow of ['http://slow1.example/', 'http://slow2.example/'])
      await f.webhook(slow, { events: ['JOB_PENDING'] });
    for (let count = 0; count < 60; count++) await f.submit(f.single());
    await f.clock.advance(SECOND);
    await f.webhook(url, { events: ['JOB_PENDING'] });
    await f.submit(f.single());
    // Four calls at once, two of one URL; each call takes a second.
    const inFlight = await f.lanes(4, 2);
    const order: string[] = inFlight.map((one) => one.url);
    for (let step = 0; step < 40; step++) {
      await f.clock.advance(SECOND);
      await f.record(inFlight.shift()!);
      const more = await f.lanes(4 - inFlight.length, 2);
      inFlight.push(...more);
      order.push(...more.map((one) => one.url));
    }
    expect(order).toContain(url);
  });
});
