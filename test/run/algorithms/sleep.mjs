export async function start({ input: [ms] }) {
  globalThis.anotherRuns = true;
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
}
