/** A list from 1 to the given number. */
export function start({ input }) {
  return Array.from({ length: Number(input[0]) }, (_, index) => index + 1);
}
