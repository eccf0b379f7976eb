/** Waits for its signal, then ends as it is told; without `obeys` it never ends. */
let stops = 0;

export function start({ input: [how], signal, progress }) {
  progress(1, 'waiting');
  return new Promise((resolve, reject) => {
    // A promise alone would not keep the thread; its port does.
    if (how === 'ignores') return;
    const end = () => (how === 'returns' ? resolve({ stops }) : reject(signal.reason));
    signal.addEventListener('abort', end);
  });
}

export function stop() {
  stops++;
}
