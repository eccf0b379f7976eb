// A server in a process of its own that tells its memory after a forced collection, and the most it ever had. Started
// with --expose-gc by measured.ts, which asks for both with a message.
import { startApp } from '../../dist/src/app.js';
import { readConfig } from '../../dist/src/config.js';

const silent = { debug() {}, info() {}, warn() {}, error: (facts, message) => console.error(message, facts) };
const app = await startApp(readConfig(process.env), silent);
process.send({ url: app.url });
process.on('message', () => {
  // Twice: what the first one sets free may hold more.
  globalThis.gc();
  globalThis.gc();
  process.send({ memory: process.memoryUsage(), peak: process.resourceUsage().maxRSS * 1024 });
});
process.once('disconnect', () => process.exit(0));
