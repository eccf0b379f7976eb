/** The customer's example: the items of `#[1,2,3]` are strings. */
export function start({ input }) {
  return 10 * Number(input[0]);
}
