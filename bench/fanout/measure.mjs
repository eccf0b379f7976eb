import { Crowd } from './crowd.mjs';
import { withServerProcess } from './server.mjs';

/** About so many messages are under way at once, so that a server never waits for its next event. */
const UNDER_WAY = 2_000;
const WARM_UP_MS = 1_000;
const WINDOW_MS = 1_500;
const WINDOWS = 3;
/** By then, at first, a subscriber is taken to have subscribed too late for an event. */
const LATE_MS = 1_000;
/** By then an event is taken to be lost. */
const STUCK_MS = 30_000;

/** What one server does for `subscribers` of `jobs`: the median of some windows, by CPU. */
export function fanOut(name, jobs, subscribers) {
  return withServerProcess(name, jobs, async (server) => {
    const crowd = await gathered(server, subscribers);
    await window(server, crowd, subscribers, WARM_UP_MS);
    const figures = [];
    while (figures.length < WINDOWS) figures.push(await window(server, crowd, subscribers, WINDOW_MS));
    // Whoever lost an event or got one twice is behind or ahead of the others.
    server.publish();
    if (!(await crowd.hasRead(server.published(), STUCK_MS))) throw new Error(`${name} lost an event`);
    await crowd.leave();
    return figures.sort((a, b) => a.cpuPerMessage - b.cpuPerMessage)[WINDOWS >> 1];
  });
}

/** Microseconds of CPU for an event that nobody listens to, with as many events under way as `subscribers` would have. */
export function unheard(name, jobs, subscribers) {
  return withServerProcess(name, jobs, async (server) => {
    let until = 0;
    const loop = async () => {
      while (performance.now() < until) await server.ask('publish');
    };
    const run = async (ms) => {
      const before = server.published();
      const cpu = await server.ask('cpu');
      until = performance.now() + ms;
      await Promise.all(Array.from({ length: eventsUnderWay(subscribers) }, loop));
      return ((await server.ask('cpu')) - cpu) / ((server.published() - before) * jobs);
    };
    await run(WARM_UP_MS);
    return run(WINDOW_MS);
  });
}

/** Bytes that a server holds for each idle subscriber. */
export function idle(name, subscribers) {
  return withServerProcess(name, 1, async (server) => {
    // The first ones pay for what is made once.
    const first = await gathered(server, 100);
    const before = await server.ask('memory');
    const crowd = await gathered(server, subscribers);
    const after = await server.ask('memory');
    await Promise.all([first.leave(), crowd.leave()]);
    return {
      rss: (after.rss - before.rss) / subscribers,
      heap: (after.heap - before.heap) / subscribers,
    };
  });
}

/**
 * Subscribers that have all been seen to hear: GraphQL over WebSocket does not tell when a subscription stands. Where
 * some do not hear an event there is another one, after twice the time, or a slow server would only fall behind.
 */
async function gathered(server, count) {
  const crowd = new Crowd();
  await crowd.gather(server, count);
  for (let ms = LATE_MS; ms <= STUCK_MS; ms *= 2) {
    server.publish();
    if (await crowd.hasRead(server.published(), ms)) return crowd;
  }
  throw new Error(`not all of ${count} subscribers of ${server.name} hear`);
}

/** Publishes for `ms`, each event once the one before the last few has reached everybody; ends when all is quiet. */
async function window(server, crowd, subscribers, ms) {
  crowd.reading = false;
  crowd.received = 0;
  crowd.bytes = 0;
  const cpu = await server.ask('cpu');
  const started = performance.now();
  let published = 0;
  for (; published < eventsUnderWay(subscribers); published++) server.publish();
  for (let reached = 1; reached <= published; reached++) {
    if (!(await crowd.hasCounted(reached * subscribers, STUCK_MS))) {
      throw new Error(`${server.name} has lost ${reached * subscribers - crowd.received} messages`);
    }
    if (performance.now() - started > ms) continue;
    server.publish();
    published++;
  }
  const seconds = (performance.now() - started) / 1_000;
  const used = (await server.ask('cpu')) - cpu;
  if (crowd.received !== published * subscribers)
    throw new Error(`${server.name} sent more than it was told`);
  return {
    eventsPerSecond: (published * server.jobs.length) / seconds,
    cpuPerMessage: used / crowd.received,
    bytesPerMessage: crowd.bytes / crowd.received,
    busy: used / 1e6 / seconds,
  };
}

/** Of each job. */
function eventsUnderWay(subscribers) {
  return Math.max(1, Math.round(UNDER_WAY / subscribers));
}
