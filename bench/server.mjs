import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startApp } from '../dist/src/app.js';
import { readConfig } from '../dist/src/config.js';

export const quiet = {
  debug() {},
  info() {},
  warn() {},
  error: (facts, message) => console.error(message, facts),
};
export const ALGORITHMS = fileURLToPath(new URL('../test/algorithms', import.meta.url));

/** A server as users run it, on a data folder of its own. */
export async function withServer(env, use) {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-bench-'));
  const config = readConfig({
    PORT: '0',
    CARILLON_DATA_DIR: folder,
    CARILLON_ALGORITHMS_DIR: ALGORITHMS,
    CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    ...env,
  });
  const app = await startApp(config, quiet);
  try {
    return await use(app);
  } finally {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export function submit(app, descriptor) {
  return app.engine.submit(app.defaultAccountId, {
    operation: 'submitDescriptor',
    descriptor,
    received: descriptor,
    idempotencyKey: null,
  });
}

/** Resolves once the job has ended; asked right after it was submitted. */
export async function ended({ bus, store, defaultAccountId }, job) {
  let unlisten;
  const heard = new Promise((resolve) => {
    unlisten = bus.listen('events', ({ events }) => {
      const last = events.at(-1);
      if (last?.job?.id === job.id && /^JOB_(COMPLETED|FAILED|CANCELLED)$/.test(last.type)) resolve();
    });
  });
  const ended = ({ status }) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(status);
  if (!ended(await store.job(defaultAccountId, job.id))) await heard;
  unlisten();
  const { status } = await store.job(defaultAccountId, job.id);
  if (status !== 'COMPLETED') throw new Error(`the job ended as ${status}`);
}
