// Signed webhooks: events of many jobs to one receiver, against a bare undici loop that posts to the same receiver.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { submit, withServer } from './server.mjs';
import { watch } from './stall.mjs';

const IN_FLIGHT = 64;

async function withReceiver(expected, use) {
  const child = fork(fileURLToPath(new URL('./receiver.mjs', import.meta.url)), [String(expected)]);
  const [url] = await once(child, 'message');
  try {
    return await use(url, once(child, 'message'));
  } finally {
    child.kill();
  }
}

/** Each job is one lane; three status changes each go out in order. */
export async function carillonDeliveries(jobs) {
  return withReceiver(jobs * 3, (url, all) =>
    withServer(
      {
        CARILLON_WEBHOOK_CONCURRENCY: String(IN_FLIGHT),
        CARILLON_WEBHOOK_CONCURRENCY_PER_URL: String(IN_FLIGHT),
      },
      async (app) => {
        const account = app.defaultAccountId;
        // Held until all of them wait, so that what is measured is sending, not running.
        const { webhook } = await app.engine.registerWebhook(account, {
          url,
          events: null,
          pipelines: null,
          format: 'STANDARD',
          description: null,
          headers: [],
          secret: null,
          timeoutMs: 5_000,
          maxPerSecond: null,
          enabled: false,
        });
        const descriptor = { name: 'd', nodes: [{ nodeName: 'n', algorithmName: 'noop' }] };
        for (let from = 0; from < jobs; from += 200)
          await Promise.all(
            Array.from({ length: Math.min(200, jobs - from) }, () => submit(app, descriptor)),
          );
        const waiting = () =>
          app.store.jobs(
            account,
            { statuses: ['PENDING', 'ACTIVE'] },
            { limit: 1, after: null, before: null, inverted: true },
          );
        while ((await waiting()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
        const stop = watch();
        const started = performance.now();
        await app.engine.updateWebhook(account, webhook.id, { enabled: true });
        await all;
        const seconds = (performance.now() - started) / 1_000;
        return { perSecond: (jobs * 3) / seconds, ...stop() };
      },
    ),
  );
}

export async function bareDeliveries(count) {
  return withReceiver(count, async (url) => {
    const pool = new Pool(url, { connections: IN_FLIGHT });
    const body = JSON.stringify({ type: 'job.completed', data: { filler: 'x'.repeat(600) } });
    let left = count;
    const loop = async () => {
      while (left-- > 0) {
        const response = await pool.request({
          method: 'POST',
          path: '/',
          headers: { 'content-type': 'application/json' },
          body,
        });
        await response.body.dump();
      }
    };
    const started = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
    const seconds = (performance.now() - started) / 1_000;
    await pool.close();
    return { perSecond: count / seconds };
  });
}
