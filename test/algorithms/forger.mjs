import { parentPort } from 'node:worker_threads';

/** Posts to the server what is none of its business, as a library of a module may. */
export function start() {
  const forged = [
    null,
    'done',
    { kind: 'other' },
    { kind: 'progress', id: 1, at: 'x', percent: {}, message: 1 },
  ];
  const ids = Array.from({ length: 50 }, (_, id) => [
    { kind: 'done', id, at: 'x', result: {} },
    { kind: 'failed', id, at: 1, code: 'NONE', message: 'x', crash: false },
    { kind: 'child', id, call: 1, json: 1 },
  ]);
  for (const message of [...forged, ...ids.flat()]) parentPort.postMessage(message);
  return 'done';
}
