/** Blocks its thread for so many milliseconds, or for ever. */
export function start({ input: [ms] }) {
  const end = Date.now() + (ms ?? Number.POSITIVE_INFINITY);
  while (Date.now() < end);
  return 'unblocked';
}
