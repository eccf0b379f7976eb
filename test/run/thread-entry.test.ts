import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { threadEntry } from '../../src/run/thread-entry.js';

test('from the sources it is the compiled file in dist', () => {
  expect(fileURLToPath(threadEntry())).toBe(
    fileURLToPath(new URL('../../dist/src/run/thread.js', import.meta.url)),
  );
});

test('from compiled code it is the file beside it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'carillon-entry-'));
  const self = pathToFileURL(join(dir, 'thread-entry.js')).href;
  expect(() => threadEntry('thread', self)).toThrow('run `npm run build`');
  await writeFile(join(dir, 'thread.js'), '');
  expect(fileURLToPath(threadEntry('thread', self))).toBe(join(dir, 'thread.js'));
  await rm(dir, { recursive: true });
});

test('importing the code of a thread outside of one does nothing', async () => {
  expect(Object.keys(await import('../../src/run/thread.js'))).toEqual([]);
});
