/**
 * Starts jobs: each of its arguments is [method, ...arguments], all at once. Returns what they resolve to, or the
 * messages they reject with.
 */
export async function start({ input }, api) {
  const ends = await Promise.allSettled(input.map(([method, ...given]) => api[method](...given)));
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.message));
}
