import { existsSync } from 'node:fs';

/**
 * Where the code of a thread, or of what it runs for output nodes, is. Threads run compiled JavaScript: beside this file, or in dist where this
 * file itself is TypeScript. Throws where that has not been built.
 */
export function threadEntry(
  name: 'thread' | 'batch-thread' | 'output-node' = 'thread',
  self: string = import.meta.url,
): URL {
  const compiled = !self.endsWith('.ts');
  const entry = new URL(compiled ? `./${name}.js` : `../../dist/src/run/${name}.js`, self);
  if (!existsSync(entry)) {
    throw new Error(
      `${entry.pathname} does not exist: run \`npm run build\` before starting algorithm threads`,
    );
  }
  return entry;
}
