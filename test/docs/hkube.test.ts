import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dialectRoutes } from '../../src/dialect.js';
import { hkubeDialect } from '../../src/dialects/hkube/routes.js';
import { fake } from '../support/fake.js';
import { HkubeClient } from '../support/hkube.js';
import { World } from '../support/world.js';
import { block, page } from './blocks.js';

const text = page('docs/hkube.md');

describe('docs/hkube.md', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  it('tells of every route, and of no other', () => {
    const table = text.split(/<!-- \/?routes -->/)[1]!;
    const told = [...table.matchAll(/^\| `([A-Z]+) (\/[^`]*)` \| .+ \|$/gm)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    const { routes } = hkubeDialect(
      fake<Parameters<typeof hkubeDialect>[0]>('parts of a dialect', { store: {} as never }),
    );
    expect(told.sort()).toEqual(dialectRoutes({ prefix: '', routes }).sort());
  });

  it('shows a descriptor that runs, and asks where there is something', async () => {
    const { webhooks: _webhooks, ...descriptor } = JSON.parse(
      block('docs/hkube.md', 'json', 'descriptor').code,
    );
    const hkube = new HkubeClient(world.app.url);
    const jobId = await hkube.run(descriptor);
    await world.ended(jobId);
    const urls = [...block('docs/hkube.md', 'sh', '').code.matchAll(/http:\S+\/api\/v1(\/\S+)/g)];
    const [run, status] = urls.map((match) => match[1]!);
    expect(run).toBe('/exec/raw');
    const { json } = await hkube.get(status!.replace(/batch:.*/, jobId));
    expect(json).toMatchObject({ jobId, status: 'completed' });
  });

  it('names sentences that are said', async () => {
    const hkube = new HkubeClient(world.app.url);
    const said = JSON.parse(/Errors are `(\{.*?\})`/.exec(text)![1]!);
    expect((await hkube.get('/exec/status/X')).json).toEqual(said);
    const missing = /no document 404 `(.*?)`/.exec(text)![1]!;
    expect((await hkube.post('/exec/algorithm', { name: 'xx' })).json.error.message).toBe(
      missing.replace('X', 'xx'),
    );
    await hkube.post('/store/algorithms', { name: 'xx' });
    const imageless = /one without an image 400 `(.*?)`/.exec(text)![1]!;
    expect((await hkube.post('/exec/algorithm', { name: 'xx' })).json.error.message).toBe(
      imageless.replace('X', 'xx'),
    );
  });
});
