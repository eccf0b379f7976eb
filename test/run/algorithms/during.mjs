/** Fails outside its own promise while it still runs. */
export function start({ input: [how] }) {
  if (how === 'rejection') void Promise.reject(new Error('nobody caught me'));
  else
    setTimeout(() => {
      throw new Error('nobody caught me');
    });
  return new Promise(() => {});
}
