// npm run bench: every figure as a ratio to a peer of the same run, since machines differ. docs/performance.md says what they mean.
import { batchCost } from './batches.mjs';
import { bareDeliveries, carillonDeliveries } from './deliveries.mjs';
import { claimCost } from './lanes.mjs';
import { bareTasks, carillonTasks } from './tasks.mjs';

const round = (value, digits = 0) => value.toFixed(digits);
const row = (what, ours, peer, ratio) =>
  console.log(`${what.padEnd(62)}${ours.padStart(16)}${peer.padStart(16)}${ratio.padStart(10)}`);

row('', 'Carillon', 'bare loop', 'ratio');
const tasks = await carillonTasks(20_000);
const bare = await bareTasks(20_000);
row(
  'no-op tasks, submitted to ended, a second',
  round(tasks.perSecond),
  round(bare.perSecond),
  round(tasks.perSecond / bare.perSecond, 2),
);
row('  longest stall of the event loop, ms', round(tasks.stallMs, 1), '', '');
row('  peak memory, MiB', round(tasks.peakMb), '', '');

const large = await carillonTasks(50_000);
row(
  'a batch of 50,000 no-ops, a second',
  round(large.perSecond),
  round(tasks.perSecond),
  round(large.perSecond / tasks.perSecond, 2),
);
row('  longest stall of the event loop, ms', round(large.stallMs, 1), '', '');
row('  peak memory, MiB', round(large.peakMb), '', '');

const [some, more, most] = [await batchCost(2_000), await batchCost(20_000), await batchCost(200_000)];
for (const [size, cost] of [
  ['20,000', more],
  ['200,000', most],
]) {
  const what = `batch of ${size}, a node on all of it, a webhook; \u00b5s an item`;
  row(
    what,
    round(cost.microseconds),
    round(some.microseconds),
    round(cost.microseconds / some.microseconds, 2),
  );
  row('  longest stall of the event loop, ms', round(cost.stallMs, 1), round(some.stallMs, 1), '');
  row('  peak memory, MiB', round(cost.peakMb), round(some.peakMb), '');
}

const deliveries = await carillonDeliveries(2_000);
const posts = await bareDeliveries(20_000);
row(
  'signed deliveries a second',
  round(deliveries.perSecond),
  round(posts.perSecond),
  round(deliveries.perSecond / posts.perSecond, 2),
);
row('  longest stall of the event loop, ms', round(deliveries.stallMs, 1), '', '');

const few = await claimCost(10);
const many = await claimCost(10_000);
row('next delivery of a lane, ms: 10,000 waiting | 10', round(many, 3), round(few, 3), round(many / few, 2));
