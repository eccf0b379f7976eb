export function start({ input: [calls], progress }) {
  for (const call of calls) progress(...call);
}
