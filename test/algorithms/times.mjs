export function start({ input }) {
  return input.flat(Number.POSITIVE_INFINITY).reduce((product, value) => product * Number(value), 1);
}
