import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Watches one run: the longest time the event loop was held, and the highest resident memory. */
export function watch() {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let peak = process.memoryUsage.rss();
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  return () => {
    clearInterval(timer);
    delay.disable();
    return {
      stallMs: delay.max / 1e6,
      p99Ms: delay.percentile(99) / 1e6,
      peakMb: Math.max(peak, process.memoryUsage.rss()) / 2 ** 20,
    };
  };
}
