import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const FILES = {
  carillon: './carillon.mjs',
  yoga: '../peers/yoga.mjs',
  apollo: '../peers/apollo.mjs',
  mercurius: '../peers/mercurius.mjs',
  bare: '../peers/bare.mjs',
};
export const serverNames = Object.keys(FILES);

/** A server in a process of its own, with so many jobs. */
export async function withServerProcess(name, jobs, use) {
  const file = fileURLToPath(new URL(FILES[name], import.meta.url));
  // Yoga's pubsub warns of its eleventh listener.
  const child = fork(file, [String(jobs)], { execArgv: ['--expose-gc', '--no-warnings'] });
  const ended = once(child, 'exit');
  const gone = ended.then(([code]) => {
    throw new Error(`${name} ended with exit code ${code}`);
  });
  gone.catch(() => {});
  // Answers come in the order of the questions.
  const waiting = [];
  child.on('message', ({ value }) => waiting.shift()(value));
  const heard = () => Promise.race([new Promise((resolve) => waiting.push(resolve)), gone]);
  try {
    const { url, jobs: ids } = await heard();
    let published = 0;
    const server = {
      name,
      url,
      jobs: ids,
      gone,
      published: () => published,
      /** An event of each job; nobody waits for it. */
      publish() {
        published++;
        child.send({ ask: 'publish' });
      },
      /** "cpu": microseconds used since its start. "memory": bytes held after a collection. "publish": as above, but done. */
      ask(what) {
        if (what === 'publish') published++;
        child.send({ ask: what, answer: true });
        return heard();
      },
    };
    return await Promise.race([use(server), gone]);
  } finally {
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await ended;
    clearTimeout(timer);
  }
}
