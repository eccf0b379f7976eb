// The whole numbers from input[0] to input[1], both included: a list for other nodes to make batches of.
const MAX_NUMBERS = 100_000;

export function start({ input: [from, to] }) {
  const count = to - from + 1;
  if (!Number.isInteger(from) || !Number.isInteger(to) || count < 0 || count > MAX_NUMBERS) {
    throw new Error(`range needs two whole numbers, at most ${MAX_NUMBERS} apart, got ${from} and ${to}`);
  }
  return Array.from({ length: count }, (_, index) => from + index);
}
