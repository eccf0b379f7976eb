import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followJob } from '../../examples/clients/resume.js';
import { freePort } from '../support/process.js';
import { World } from '../support/world.js';

type Follow = (
  url: string,
  operation: { query: string; variables: object },
  handle: (data: { jobEvents: { sequence: number } }) => void,
) => Promise<void>;
// Plain JavaScript: it has no types of its own.
const browser: string = '../../examples/clients/browser.js';
const { follow } = (await import(browser)) as { follow: Follow };

describe('a client that resumes', () => {
  let world: World;
  beforeEach(async () => {
    // The same after a restart: the clients come back to it.
    world = await World.open({ PORT: String(await freePort()) });
  });
  afterEach(() => world.close());

  /** A job that outlives a restart. */
  const long = {
    name: 'long',
    nodes: [{ nodeName: 'a', algorithmName: 'nap', input: [`#[${Array(30).fill(10).join(',')}]`] }],
  };
  const query = 'subscription ($jobId: ID!) { jobEvents(jobId: $jobId) { sequence } }';

  async function seesAll(run: (jobId: string, handle: (sequence: number) => void) => Promise<void>) {
    const jobId = await world.submit(long);
    const seen: number[] = [];
    let restarting: Promise<void> | null = null;
    await run(jobId, (sequence) => {
      seen.push(sequence);
      restarting ??= world.restart();
    });
    await restarting;
    const log = await world.ended(jobId);
    expect(seen).toEqual(log.map(({ sequence }) => sequence));
    expect(log.at(-1)!.type).toBe('JOB_COMPLETED');
  }

  it('in TypeScript sees every event once, across a restart', () =>
    seesAll((jobId, handle) =>
      followJob(world.url.replace('http', 'ws'), jobId, ({ sequence }) => handle(sequence)),
    ));

  it('in plain JavaScript sees every event once, across a restart', () =>
    seesAll((jobId, handle) =>
      follow(world.url, { query, variables: { jobId } }, ({ jobEvents }) => handle(jobEvents.sequence)),
    ));

  it('in plain JavaScript passes on what its handler throws, and leaves the stream', async () => {
    const jobId = await world.submit(long);
    let handled = 0;
    const following = follow(world.url, { query, variables: { jobId } }, () => {
      handled++;
      throw new Error('the handler has failed');
    });
    await expect(following).rejects.toThrow('the handler has failed');
    expect(handled).toBe(1);
    for (let open = ''; open !== 'carillon_connections 0'; ) {
      const metrics = await (await fetch(`${world.app.url}/metrics`)).text();
      open = /^carillon_connections \d+$/m.exec(metrics)![0];
    }
  });

  it('gives up on what will not change by itself', async () => {
    const jobId = 'p:01890a5d-ac96-774b-bcce-b302099a8057';
    const socketUrl = world.url.replace('http', 'ws');
    await expect(followJob(socketUrl, jobId, () => {})).rejects.toMatchObject([
      { extensions: { code: 'NOT_FOUND' } },
    ]);
    await expect(follow(world.url, { query, variables: { jobId } }, () => {})).rejects.toThrow(
      'was not found',
    );
    await world.app.engine.createApiKey(world.app.defaultAccountId, {
      name: 'k',
      scopes: ['READ'],
      expiresAt: null,
    });
    await expect(followJob(socketUrl, jobId, () => {}, 'wrong')).rejects.toMatchObject({ code: 4401 });
    await expect(follow(world.url, { query, variables: { jobId } }, () => {})).rejects.toThrow(
      'UNAUTHENTICATED',
    );
  });
});
