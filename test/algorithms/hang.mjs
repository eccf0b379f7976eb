/** Runs until it is told to stop. */
export function start({ signal }) {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('told to stop'))),
  );
}
