import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../src/config.js';
import { World } from '../support/world.js';

async function manifest(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-manifest-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'documents.json');
  await writeFile(path, text);
  return path;
}

/** Why a server does not start. */
async function refusal(env: Record<string, string>): Promise<unknown> {
  const opened = await World.open(env).catch((error: unknown) => error);
  if (opened instanceof World) await opened.close();
  return opened;
}

test('a server runs the documents of its manifest alone where it is told so', async () => {
  const path = await manifest('{"who":"query Who { viewer { account { name } } }"}');
  const world = await World.open({ CARILLON_TRUSTED_DOCUMENTS: path, CARILLON_TRUSTED_ONLY: 'true' });
  onTestFinished(() => world.close());
  const who = await world.post('{"documentId":"who"}');
  expect(await who.json()).toMatchObject({ data: { viewer: { account: { name: 'default' } } } });
  const { errors } = await world.graphql('{ viewer { scopes } }');
  expect(errors).toMatchObject([{ extensions: { code: 'TRUSTED_DOCUMENTS_ONLY' } }]);
});

test('a server without introspection starts and says so', async () => {
  const world = await World.open({ CARILLON_INTROSPECTION: 'false' });
  onTestFinished(() => world.close());
  const { errors } = await world.graphql('{ __schema { queryType { name } } }');
  expect(errors).toMatchObject([{ extensions: { code: 'INTROSPECTION_DISABLED' } }]);
});

test('a server with a manifest that is wrong does not start, and names each document', async () => {
  const path = await manifest('{"a":"{ x }","b":"{ viewer { scopes } }","c":"{ y }"}');
  const error = await refusal({ CARILLON_TRUSTED_DOCUMENTS: path });
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message.split('\n')).toEqual([
    `CARILLON_TRUSTED_DOCUMENTS ${path}: document "a": Cannot query field "x" on type "Query".`,
    `CARILLON_TRUSTED_DOCUMENTS ${path}: document "c": Cannot query field "y" on type "Query".`,
  ]);
});

test('a manifest that is not there is told, and one that is missing where only its documents would run', async () => {
  const absent = await refusal({ CARILLON_TRUSTED_DOCUMENTS: '/nowhere/documents.json' });
  expect(absent).toBeInstanceOf(ConfigError);
  expect((absent as Error).message).toContain('CARILLON_TRUSTED_DOCUMENTS /nowhere/documents.json: ENOENT');
  expect(await refusal({ CARILLON_TRUSTED_ONLY: 'true' })).toEqual(
    new ConfigError(
      'CARILLON_TRUSTED_DOCUMENTS must name a manifest where CARILLON_TRUSTED_ONLY is true, got ""',
    ),
  );
});
