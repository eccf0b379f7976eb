import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { askAt, CLI, type Finished, freePort, MAIN, ServerProcess } from '../support/process.js';
import { ALGORITHMS } from '../support/world.js';

/** Above 8 MiB in all, so that a copy takes several turns. */
const LARGE = { count: 10, bytes: 1_000_000 };

describe('carillon backup and carillon restore', () => {
  let root: string;
  let port: number;
  let server: ServerProcess;
  const env = () => ({
    CARILLON_DATA_DIR: join(root, 'data'),
    CARILLON_ALGORITHMS_DIR: ALGORITHMS,
    CARILLON_WORKER_THREADS: '1',
    LOG_LEVEL: 'error',
  });
  const url = () => `http://127.0.0.1:${port}`;
  const file = () => join(root, 'copy.db');

  async function start(): Promise<void> {
    server = ServerProcess.spawn(MAIN, [], { ...env(), PORT: String(port) });
    await server.ready(url());
  }
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'carillon-backup-'));
    port = await freePort();
    await start();
  });
  afterEach(async () => {
    await server.kill('SIGKILL');
    await rm(root, { recursive: true, force: true });
  });

  const command = (...args: string[]): Promise<Finished> => ServerProcess.spawn(CLI, args, env()).finished();

  const ask = <T>(query: string, variables: object = {}) => askAt<T>(url(), query, variables);

  async function submit(bytes = 0): Promise<string> {
    const query = `mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }`;
    const nodes = [{ nodeName: 'n', algorithmName: 'noop' }];
    const flowInput = { padding: 'x'.repeat(bytes) };
    const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(query, {
      d: { name: 'p', nodes, flowInput },
    });
    return submitDescriptor.job.id;
  }

  interface Event {
    cursor: string;
    id: string;
    sequence: number;
    jobId: string;
  }

  async function allEvents(): Promise<Event[]> {
    const events: Event[] = [];
    for (let after: string | null = null; ; ) {
      const page: { events: { nodes: Event[]; pageInfo: { endCursor: string; hasNextPage: boolean } } } =
        await ask(
          `query ($after: Cursor) { events(first: 100, after: $after) {
             nodes { cursor id sequence jobId } pageInfo { endCursor hasNextPage } } }`,
          { after },
        );
      events.push(...page.events.nodes);
      after = page.events.pageInfo.endCursor;
      if (!page.events.pageInfo.hasNextPage) return events;
    }
  }

  it('keeps every job that was acknowledged before it began, though others come while it copies', async () => {
    const before: string[] = [];
    for (let count = 0; count < LARGE.count; count++) before.push(await submit(LARGE.bytes));
    let ended = false;
    const meanwhile: string[] = [];
    const writing = (async () => {
      while (!ended) meanwhile.push(await submit());
    })();
    while (meanwhile.length === 0) before.push(await submit());
    const { code, stdout, stderr } = await command('backup', file());
    ended = true;
    await writing;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const line =
      /^.*data was copied to .*copy\.db: (\d+) bytes, newest event \d{4}-\S+Z \(account default, position (\d+)\)\n$/;
    const [, bytes, position] = line.exec(stdout)!.map(Number);
    expect(bytes).toBe(statSync(file()).size);

    expect(await command('restore', file())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`in use by process ${server.child.pid}`),
    });
    await server.kill('SIGTERM');
    const restored = await command('restore', file());
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    const aside = /the former database is (\S+)\n$/.exec(restored.stdout)![1]!;
    expect(existsSync(aside)).toBe(true);

    await start();
    const events = await allEvents();
    const known = new Set(events.map(({ jobId }) => jobId));
    expect(before.filter((id) => !known.has(id))).toEqual([]);
    for (const id of before)
      await expect
        .poll(
          async () => (await ask<{ job: { status: string } }>(`{ job(id: "${id}") { status } }`)).job.status,
        )
        .toBe('COMPLETED');
    const all = await allEvents();
    const positions = all.map((event) => Number.parseInt(event.id.split('_')[2]!, 36));
    expect(positions).toEqual(positions.map((_, index) => index + 1));
    expect(positions.length).toBeGreaterThanOrEqual(position!);
    for (const id of known) {
      const sequences = all.filter((event) => event.jobId === id).map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    }
  }, 120_000);

  it('tells a subscriber that has seen more than the restored log that its cursor is of another one', async () => {
    await submit();
    expect((await command('backup', file())).code).toBe(0);
    const late = await submit();
    const cursor = (await allEvents()).find(({ jobId }) => jobId === late)!.cursor;
    await server.kill('SIGKILL');
    expect((await command('restore', file())).code).toBe(0);
    await start();
    const client = createClient({ url: `${url().replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket });
    const refused = await client
      .iterate({
        query: 'subscription ($after: Cursor) { events(after: $after) { type } }',
        variables: { after: cursor },
      })
      .next()
      .catch((errors: unknown) => errors);
    await client.dispose();
    expect(refused).toMatchObject([
      { message: expect.stringContaining('may have been restored'), extensions: { code: 'CURSOR_INVALID' } },
    ]);
  }, 120_000);

  it('says in one sentence what it does not do, with exit code 2, and leaves nothing behind', async () => {
    expect((await command('backup', file())).code).toBe(0);
    const cases: [string[], string][] = [
      [['backup'], 'usage: carillon backup <file> [--force]'],
      [['backup', 'one', 'two'], 'usage: carillon backup <file> [--force]'],
      [['backup', file()], 'exists; name another file, or replace it with --force'],
      [['backup', join(root, 'none', 'copy.db')], 'there is no folder'],
      [['restore'], 'usage: carillon restore <file>'],
      [['restore', join(root, 'none')], 'there is no backup'],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await command(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    expect((await command('backup', file(), '--force')).code).toBe(0);
    expect(readdirSync(root).sort()).toEqual(['copy.db', 'data']);
  }, 240_000);
});
