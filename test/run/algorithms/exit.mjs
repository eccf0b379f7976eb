export function start({ input: [code] }) {
  process.exit(code);
}
