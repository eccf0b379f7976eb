/** Starts a job that it does not wait for, waits for another, and ends: with an error, where a message is given. */
export async function start({ input, startAlgorithm }) {
  const left = startAlgorithm('hang');
  await startAlgorithm('noop');
  left.catch(() => {});
  if (input.length > 0) throw new Error(input[0]);
  return 'left';
}
