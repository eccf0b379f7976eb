export function start({ input }) {
  throw new Error(String(input[0] ?? 'failed'));
}
