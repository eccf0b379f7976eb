import type { CopyFacts } from '../app.js';

/** "1228800 bytes, newest event 2026-01-02T03:04:05.678Z (account default, position 17)" */
export function sizeAndAge({ bytes, newest }: CopyFacts): string {
  if (!newest) return `${bytes} bytes, no events`;
  const { account, position, occurredAt } = newest;
  return `${bytes} bytes, newest event ${new Date(occurredAt).toISOString()} (account ${account}, position ${position})`;
}

/** Aborts at SIGINT, SIGTERM and SIGHUP, so that what is half copied is taken away before the process ends. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => controller.abort(new Error(`interrupted by ${signal}`)));
  return controller.signal;
}
