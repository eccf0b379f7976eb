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

/** Resolves once the job has ended. */
export async function ended(app, job) {
  for await (const event of app.engine.feed.jobEvents(app.defaultAccountId, job.id, null, [
    'JOB_COMPLETED',
    'JOB_FAILED',
    'JOB_CANCELLED',
  ])) {
    if (event.type !== 'JOB_COMPLETED') throw new Error(`the job ended as ${event.type}`);
  }
}
