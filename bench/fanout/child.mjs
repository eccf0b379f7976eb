// What every server under measurement does for its parent: publish, and tell of its CPU and memory.

/**
 * `publish()` makes one event of each job. The server ends with its parent, or when that hangs up. Only this process
 * is measured: subscribers live in another one.
 */
export function underMeasurement({ url, jobs, publish, close = () => {} }) {
  const answers = {
    publish,
    cpu() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    async memory() {
      // What was freed by one collection may let go of more.
      for (let round = 0; round < 3; round++) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heap: heapUsed + external };
    },
  };
  process.on('message', async ({ ask, answer }) => {
    const value = await answers[ask]();
    if (answer && process.connected) process.send({ value });
  });
  process.on('disconnect', async () => {
    await close();
    process.exit();
  });
  process.send({ value: { url, jobs } });
}
