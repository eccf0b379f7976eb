/**
 * Bytes of `value` as JSON, counted only until they exceed `limit`. No text is built: a template that repeats one
 * large reference has a small value and an immense text.
 */
export function jsonBytes(value: unknown, limit: number): number {
  let bytes = 0;
  const stack: unknown[] = [value];
  while (stack.length > 0 && bytes <= limit) {
    const next = stack.pop();
    if (typeof next === 'string') {
      bytes += Buffer.byteLength(JSON.stringify(next));
    } else if (Array.isArray(next)) {
      bytes += Math.max(next.length + 1, 2);
      for (const inner of next) stack.push(inner);
    } else if (typeof next === 'object' && next !== null) {
      const entries = Object.entries(next);
      bytes += entries.length === 0 ? 2 : 1;
      for (const [key, inner] of entries) {
        bytes += Buffer.byteLength(JSON.stringify(key)) + 2;
        stack.push(inner);
      }
    } else {
      bytes += String(next ?? null).length;
    }
  }
  return bytes;
}
