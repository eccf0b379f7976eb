/** How many elements its first argument has. */
export function start({ input }) {
  return input[0].length;
}
