/** Delay before attempt `attempt + 1` of a task: 1 s, 2 s, 4 s … at most a minute. */
export function taskRetryDelayMs(attempt: number): number {
  return Math.min(1_000 * 2 ** Math.min(attempt - 1, 16), 60_000);
}

/** Spreads `ms` by up to a tenth in either direction, so that retries of many do not arrive together. */
export function jittered(ms: number, fraction: number): number {
  return Math.round(ms * (0.9 + 0.2 * fraction));
}
