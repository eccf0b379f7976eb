// npm run bench:fanout: live events to many subscribers, by Carillon, by its peers, and by a bare `ws.send`.
// docs/performance.md says what the figures mean. Names of servers after "--" measure those alone.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fanOut, idle, unheard } from './fanout/measure.mjs';
import { serverNames } from './fanout/server.mjs';

const SCENARIOS = [
  { title: '500 subscribers of one job', jobs: 1, subscribers: 500 },
  { title: '5,000 subscribers of one job', jobs: 1, subscribers: 5_000 },
  { title: '500 subscribers, each of a job of its own', jobs: 500, subscribers: 500 },
];
const IDLE = 1_000;
const WITHIN_MS = 300_000;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !serverNames.includes(name));
if (unknown.length > 0) stop(`no such server: ${unknown.join(', ')}; there are ${serverNames.join(', ')}`);
const names = serverNames.filter((name) => asked.length === 0 || asked.includes(name));
if (
  !existsSync(new URL('./peers/node_modules', import.meta.url)) &&
  names.some((name) => name !== 'carillon')
) {
  stop('The peers are not installed: run "npm ci --prefix bench/peers".');
}
setTimeout(() => stop(`not done within ${WITHIN_MS / 1_000} s`), WITHIN_MS).unref();

console.log("Carillon's events are durable: committed before they are sent. The peers' are made in memory.");
console.log(
  '"less … µs an event": without what an event costs that nobody hears, which is mostly its commit.',
);
for (const { title, jobs, subscribers } of SCENARIOS) {
  if (openFiles() < subscribers + 100) {
    console.log(`\n${title}: left out, since "ulimit -n" is ${openFiles()}`);
    continue;
  }
  const rows = [];
  for (const name of names) rows.push({ name, ...(await fanOut(name, jobs, subscribers)) });
  const ours = rows.find(({ name }) => name === 'carillon');
  if (ours) {
    const perEvent = await unheard('carillon', jobs, subscribers);
    const cpuPerMessage = ours.cpuPerMessage - (perEvent * jobs) / subscribers;
    rows.splice(1, 0, { name: `  less ${perEvent.toFixed(0)} µs an event`, cpuPerMessage });
  }
  print(title, rows);
}
console.log(`\n${IDLE} idle subscribers, KiB each`);
line('', 'resident', 'times bare', 'heap', 'times bare');
const held = [];
for (const name of names) held.push({ name, ...(await idle(name, IDLE)) });
const bare = held.find(({ name }) => name === 'bare');
for (const { name, rss, heap } of held) {
  line(name, kib(rss), ratio(rss, bare?.rss), kib(heap), ratio(heap, bare?.heap));
}

/** "times yoga" is how many times as much the same CPU, or the same second, does as Yoga's. */
function print(title, rows) {
  const yoga = rows.find(({ name }) => name === 'yoga');
  const bare = rows.find(({ name }) => name === 'bare');
  console.log(`\n${title}`);
  line(
    '',
    'CPU µs/message',
    'times yoga',
    'times bare',
    'events/s',
    'times yoga',
    'times bare',
    'CPU busy',
    'bytes',
  );
  for (const { name, cpuPerMessage: cpu, eventsPerSecond: rate, busy, bytesPerMessage: bytes } of rows) {
    line(
      name,
      cpu.toFixed(2),
      ratio(yoga?.cpuPerMessage, cpu),
      ratio(bare?.cpuPerMessage, cpu),
      rate?.toFixed(rate < 100 ? 1 : 0) ?? '',
      ratio(rate, yoga?.eventsPerSecond),
      ratio(rate, bare?.eventsPerSecond),
      busy ? `${(busy * 100).toFixed(0)} %` : '',
      bytes?.toFixed(0) ?? '',
    );
  }
}

function line(first, ...cells) {
  console.log(first.padEnd(24) + cells.map((cell) => cell.padStart(15)).join(''));
}

function kib(bytes) {
  return (bytes / 1_024).toFixed(1);
}

function ratio(value, to) {
  return value && to ? (value / to).toFixed(2) : '';
}

function openFiles() {
  const said = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  return said === 'unlimited' ? Number.POSITIVE_INFINITY : Number(said);
}

function stop(sentence) {
  console.error(sentence);
  process.exit(1);
}
