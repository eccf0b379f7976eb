export function start({ input }) {
  return input;
}
