import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listAlgorithms } from '../../src/run/algorithms.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'carillon-algorithms-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    // Importing any of them would end the test.
    await writeFile(join(dir, path), 'throw new Error("imported");');
  }
}

async function list(): Promise<{ names: string[]; warnings: string[] }> {
  const warnings: string[] = [];
  const found = await listAlgorithms(dir, (message) => warnings.push(message));
  return { names: found.map(({ name, path }) => `${name}=${path.slice(dir.length + 1)}`), warnings };
}

test('finds files and folders with an index, by name, without importing them', async () => {
  await put('b2.mjs', 'a.b-c.js', 'cc.cjs', 'folder/index.mjs', 'other/index.cjs');
  expect(await list()).toEqual({
    names: ['a.b-c=a.b-c.js', 'b2=b2.mjs', 'cc=cc.cjs', 'folder=folder/index.mjs', 'other=other/index.cjs'],
    warnings: [],
  });
});

test('leaves alone what is no module', async () => {
  await put('README.md', 'data.json', 'node_modules/x/index.js', '.hidden.js', 'typed.ts');
  expect(await list()).toEqual({ names: [], warnings: [] });
});

test('warns of names that no algorithm can have', async () => {
  await put(
    'a.js',
    'Upper.js',
    'under_score.mjs',
    '-dash.js',
    'dash-.js',
    `${'x'.repeat(33)}.js`,
    'A/index.js',
  );
  const { names, warnings } = await list();
  expect(names).toEqual([]);
  expect(warnings).toHaveLength(7);
  expect(warnings.join('\n')).toContain('got "under_score"');
});

test('accepts a name of 32 characters', async () => {
  await put(`${'x'.repeat(32)}.js`);
  expect(await list()).toMatchObject({ warnings: [], names: [expect.stringContaining('x'.repeat(32))] });
});

test('takes .js before .mjs before .cjs before a folder, and warns of the others', async () => {
  await put('twin.cjs', 'twin.mjs', 'twin.js', 'twin/index.js');
  const { names, warnings } = await list();
  expect(names).toEqual(['twin=twin.js']);
  expect(warnings).toHaveLength(3);
  expect(warnings[0]).toContain('algorithm "twin" is already');
});

test('follows links', async () => {
  await put('real/deep/code.mjs');
  await symlink(join(dir, 'real/deep/code.mjs'), join(dir, 'linked.mjs'));
  expect((await list()).names).toEqual(['linked=linked.mjs']);
});

test('finds nothing in a folder that is missing, and refuses a file', async () => {
  await put('file.js');
  expect(await listAlgorithms(join(dir, 'missing'))).toEqual([]);
  await expect(listAlgorithms(join(dir, 'file.js'))).rejects.toThrow('is a file: name a folder');
});
