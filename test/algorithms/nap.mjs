/** Takes the given number of milliseconds. */
export async function start({ input }) {
  await new Promise((resolve) => setTimeout(resolve, Number(input[0])));
  return input[0];
}
