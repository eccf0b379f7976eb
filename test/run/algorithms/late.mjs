/**
 * Fails after its end: by a rejection that no one handles, by an exception in a timer, by leaving the process or
 * by blocking its thread; after so many milliseconds (0: before its thread hears of another), or, without them, once another task runs in the same thread.
 */
export function start({ input: [how, afterMs] }) {
  globalThis.anotherRuns = false;
  if (how === 'rejection') void due(afterMs).then(() => Promise.reject(new Error('too late')));
  else poll(afterMs, ways[how]);
  return 'ended before';
}

function due(afterMs) {
  return new Promise((resolve) => poll(afterMs, resolve));
}

function poll(afterMs, then) {
  if (afterMs === 0) return void queueMicrotask(then);
  if (afterMs !== undefined) return void setTimeout(then, afterMs);
  const timer = setInterval(() => {
    if (!globalThis.anotherRuns) return;
    clearInterval(timer);
    then();
  });
}

const ways = {
  nothing() {},
  exception() {
    throw new Error('too late');
  },
  exit: () => process.exit(9),
  block() {
    for (;;);
  },
};
