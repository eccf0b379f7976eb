import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NOT_NOUNS = ['app', 'config', 'main'];

/** The place a file belongs to, in the words of ARCHITECTURE.md's table. */
function placeOf(file: string): string {
  const parts = relative(ROOT, file).split('/');
  if (parts[0] === 'schema') return 'schema';
  if (parts.length > 2) return parts[1]!;
  const name = parts[1]!.replace(/\.ts$/, '');
  return NOT_NOUNS.includes(name) ? name : 'nouns';
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(ROOT, folder, name));
}

function allowed(): Map<string, string[]> {
  const table = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
    .split('| place | may import |')[1]!
    .split('\n\n')[0]!;
  const rows = table.split('\n').slice(2);
  return new Map(
    rows.map((row) => {
      const [, place = '', imports = ''] = row.split('|').map((cell) => cell.trim());
      return [
        place,
        imports
          .split(',')
          .map((one) => one.trim())
          .filter((one) => one !== ''),
      ];
    }),
  );
}

function relativeImports(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const found = [...text.matchAll(/(?:from|import\(|^import)\s*'(\.[^']+)'/gm)].map((match) => match[1]!);
  return found.map((target) => resolve(dirname(file), target.replace(/\.js$/, '.ts')));
}

const sources = [...filesIn('src'), ...filesIn('schema')];

describe('the layers', () => {
  it('import only what ARCHITECTURE.md allows', () => {
    const table = allowed();
    const broken = sources.flatMap((file) => {
      const place = placeOf(file);
      const may = table.get(place);
      if (!may)
        return [`${relative(ROOT, file)}: the place "${place}" is not in the table of ARCHITECTURE.md`];
      return relativeImports(file)
        .map((target) => [relative(ROOT, target), placeOf(target)] as const)
        .filter(([, target]) => target !== place && !may.includes(target))
        .map(([target]) => `${relative(ROOT, file)} imports ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('keep I/O out of the nouns', () => {
    const io =
      /'(node:(fs|net|http|https|dns|child_process|worker_threads|os|process|timers).*|undici|ws|better-sqlite3|drizzle-orm.*|pino|hono.*)'/;
    // isIP and BlockList only judge text.
    const pure = ['src/destination.ts'];
    const broken = sources
      .filter((file) => placeOf(file) === 'nouns' && !pure.includes(relative(ROOT, file)))
      .filter((file) => io.test(readFileSync(file, 'utf8')))
      .map((file) => relative(ROOT, file));
    expect(broken).toEqual([]);
  });

  it('have no drawer for things without a name', () => {
    const named = sources.filter((file) =>
      /(^|\/)(utils?|helpers?|common|misc)(\/|\.)/i.test(relative(ROOT, file)),
    );
    expect(named).toEqual([]);
  });

  it('can be imported without effect: no module but the entries runs anything', async () => {
    const entries = ['src/main.ts', 'src/cli/carillon.ts', 'src/run/thread.ts'];
    const before = process._getActiveHandles().length;
    for (const file of sources) if (!entries.includes(relative(ROOT, file))) await import(file);
    expect(process._getActiveHandles().length).toBe(before);
  });
});

declare global {
  namespace NodeJS {
    interface Process {
      /** Undocumented but stable: sockets, servers, timers and files that keep the process alive. */
      _getActiveHandles(): unknown[];
    }
  }
}
