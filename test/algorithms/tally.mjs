import { appendFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Notes each run in the file "runs" of a folder, and gives its value: [folder, name, value]. Fails as long as there is a
 * file "bad <name>".
 */
export async function start({ input: [folder, name, value] }) {
  await appendFile(join(folder, 'runs'), `${name}\n`);
  const bad = await stat(join(folder, `bad ${name}`)).catch(() => null);
  if (bad) throw new Error(`${name} is bad`);
  return value;
}
