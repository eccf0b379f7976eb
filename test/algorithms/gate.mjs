/** Says at the URL that it has come, waits until it is answered, and gives its other arguments. */
export async function start({ input: [url, ...rest], nodeName, batchIndex }) {
  await fetch(url, { method: 'POST', body: JSON.stringify({ nodeName, batchIndex }) });
  return rest;
}
