export const start = () => 'started';

export async function exit() {
  await null;
  console.log('exit was called');
}
