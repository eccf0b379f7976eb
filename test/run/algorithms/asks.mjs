/** Asks for as many jobs as it is given names, and returns what became of them. */
export async function start({ input, startAlgorithm }) {
  const ends = await Promise.allSettled(input.map((name) => startAlgorithm(name)));
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.message));
}
