/** Its first argument. */
export function start({ input }) {
  return input[0];
}
