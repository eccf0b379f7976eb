export function start({ input: [lines] }) {
  for (let line = 1; line <= lines; line++) console.log(`line ${line}`);
  console.error('x'.repeat(5_000));
  process.stdout.write('without an end');
}
