// Fails the first time and answers the second: give its node "retry": { "policy": "OnError", "limit": 2 }.
export function start({ input, attempt }) {
  if (attempt === 1) throw new Error('the first attempt always fails');
  return { input, attempt };
}
