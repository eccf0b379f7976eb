export function start() {
  return null;
}
