import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** A module on disk that can be run: `path` is absolute. */
export interface AlgorithmFile {
  name: string;
  path: string;
}

const NAME = /^[a-z0-9][-a-z0-9.]*[a-z0-9]$/;
const MAX_NAME_LENGTH = 32;
/** In order of preference, where one name has several files. */
const EXTENSIONS = ['.js', '.mjs', '.cjs'];

/**
 * The algorithms of a folder, by name: `<name>.js|.mjs|.cjs` or `<name>/index.js|.mjs|.cjs`. Nothing is imported
 * here. What looks like a module but cannot be one (its name, or a second file of a name) is told to `warn` and left
 * out; other files are nobody's concern. A missing folder holds no algorithms.
 */
export async function listAlgorithms(
  dir: string,
  warn: (message: string) => void = () => {},
): Promise<AlgorithmFile[]> {
  const found = new Map<string, AlgorithmFile>();
  for (const candidate of await candidates(resolve(dir))) {
    const { name, path } = candidate;
    const known = found.get(name);
    if (known) {
      warn(`${path} is ignored: algorithm "${name}" is already ${known.path}`);
    } else if (name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
      warn(
        `${path} is ignored: an algorithm's name has 2 to ${MAX_NAME_LENGTH} lower-case letters, digits, "-" and ".", ` +
          `and starts and ends with a letter or digit; got "${name}"`,
      );
    } else {
      found.set(name, candidate);
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whatever has the shape of a module, the preferred file of a name first. */
async function candidates(dir: string): Promise<AlgorithmFile[]> {
  const entries = (await namesIn(dir)).filter((entry) => !entry.startsWith('.')).sort();
  const files: AlgorithmFile[] = [];
  for (const extension of EXTENSIONS) {
    for (const entry of entries) {
      const path = join(dir, entry);
      if (entry.endsWith(extension) && (await isFile(path))) {
        files.push({ name: entry.slice(0, -extension.length), path });
      }
    }
  }
  for (const entry of entries) {
    for (const extension of EXTENSIONS) {
      const path = join(dir, entry, `index${extension}`);
      if (await isFile(path)) files.push({ name: entry, path });
    }
  }
  return files;
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw new Error(`the algorithms folder ${dir} is a file: name a folder`);
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  // stat, not the directory entry: a link to a module is a module.
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
