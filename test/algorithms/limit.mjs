/** Its first argument, which must be a number of 10 at most. */
export function start({ input }) {
  if (!(Number(input[0]) <= 10)) throw new Error(`${JSON.stringify(input[0])} is too large`);
  return input[0];
}
