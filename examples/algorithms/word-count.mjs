// Counts the words of a text: how many there are, how many different ones, and which is the most frequent.
export function start({ input }) {
  const counts = new Map();
  const words =
    String(input[0])
      .toLowerCase()
      .match(/[\p{L}\p{N}']+/gu) ?? [];
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const [most = null] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
  return { words: words.length, different: counts.size, most };
}
