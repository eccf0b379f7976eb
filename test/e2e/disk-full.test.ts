import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { createClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { isInstalled } from '../examples/program.js';
import { recordingLog } from '../support/api.js';
import { CLI, freePort, MAIN, ServerProcess } from '../support/process.js';
import { World } from '../support/world.js';

/** Gives its second input back once the file that its first one names is there. */
const GATED = `import { existsSync } from 'node:fs';
export async function start({ input: [gate, result] }) {
  while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
  return result;
}`;

const SUBMIT = `mutation ($d: JSON!) {
  submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }`;

interface Submitted {
  submitDescriptor: { job: { id: string } };
}

interface Answered {
  status: number;
  retryAfter: string | null;
  json: { data: Submitted | null; errors?: { message: string; extensions: object }[] };
}

let folder: string;
let gate: string;
let algorithms: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'carillon-full-'));
  gate = join(folder, 'gate');
  algorithms = join(folder, 'algorithms');
  await mkdir(algorithms);
  await writeFile(join(algorithms, 'gated.mjs'), GATED);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const gated = (result: string, size = 0) => ({
  name: 'gated',
  nodes: [{ nodeName: 'n', algorithmName: 'gated', input: [gate, result] }],
  flowInput: { padding: 'x'.repeat(size) },
});

async function submit(url: string, descriptor: object, headers: object = {}): Promise<Answered> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: SUBMIT, variables: { d: descriptor } }),
  });
  const json = (await response.json()) as Answered['json'];
  return { status: response.status, retryAfter: response.headers.get('retry-after'), json };
}

/** Submits, large jobs and then small ones, until not even a small one fits; the ids of those that were accepted, and the refusal. */
async function fill(url: string, headers: object = {}): Promise<{ accepted: string[]; refusal: Answered }> {
  const accepted: string[] = [];
  let refusal: Answered | null = null;
  for (const size of [40_000, 4_000, 0]) {
    for (;;) {
      const answered = await submit(url, gated(`result ${accepted.length}`, size), headers);
      const id = answered.json.data?.submitDescriptor?.job.id;
      if (id === undefined) {
        refusal = answered;
        break;
      }
      accepted.push(id);
    }
  }
  return { accepted, refusal: refusal! };
}

const REFUSED = {
  status: 503,
  retryAfter: '5',
  json: {
    data: null,
    errors: [
      {
        message:
          "nothing was written: the server's disk or database is full; reading goes on, so try again later",
        path: ['submitDescriptor'],
        extensions: { code: 'UNAVAILABLE' },
      },
    ],
  },
};

const JOBS = `query ($after: String) { jobs(first: 100, after: $after) {
  nodes { id status results { nodes { result } } } pageInfo { endCursor hasNextPage } } }`;

describe('a server whose database may grow no more', () => {
  let world: World;
  const log = recordingLog();
  beforeEach(async () => {
    log.lines.length = 0;
    const env = { CARILLON_MAX_DATABASE_MB: '1', CARILLON_ALGORITHMS_DIR: algorithms };
    world = await World.open(env, {}, log);
  });
  afterEach(async () => {
    giveBack();
    await world.close();
  });

  /** Another connection, which the limit does not bind: it takes room away and gives it back. */
  function ballast(work: (raw: Database.Database) => void): void {
    const raw = new Database(join(world.folder, 'carillon.db'));
    work(raw);
    raw.close();
  }
  const take = () =>
    ballast((raw) => raw.exec('create table ballast (b); insert into ballast values (zeroblob(400000))'));
  const giveBack = () => ballast((raw) => raw.exec('drop table if exists ballast'));

  it('refuses writes, serves readers, keeps what comes meanwhile, and goes on by itself once there is room', async () => {
    const receiver = await world.receiver();
    await world.ask(
      'mutation ($url: URL!) { registerWebhook(input: { url: $url, events: [JOB_ACTIVE, JOB_COMPLETED] }) { webhook { id } } }',
      { url: receiver.url },
    );
    take();
    const { accepted, refusal } = await fill(world.url);
    expect(refusal).toMatchObject(REFUSED);
    expect(accepted.length).toBeGreaterThan(2);

    // What runs ends now, and finds no room for its results.
    const live = world.ended(accepted[0]!);
    await writeFile(gate, '');
    const opened = Date.now();
    await expect
      .poll(async () => (await world.app.store.outage())!.last, { timeout: 20_000 })
      .toBeGreaterThan(opened);

    const { jobs } = await world.ask<{ jobs: { nodes: { id: string }[] } }>(JOBS);
    expect(new Set(jobs.nodes.map(({ id }) => id))).toEqual(new Set(accepted));
    const replay = world.client().iterate<{ events: { type: string } }>({
      query: `subscription { jobEvents(jobId: "${accepted[1]}") { type } }`,
    });
    expect((await replay.next()).value.data).toEqual({ jobEvents: { type: 'JOB_PENDING' } });
    await replay.return!();
    const socket = world.client().iterate({ query: SUBMIT, variables: { d: gated('', 40_000) } });
    expect((await socket.next()).value.errors).toMatchObject(REFUSED.json.errors);
    const ready = await fetch(`${world.app.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 'ready', warnings: [expect.stringMatching(/^writes have been refused since .*is full$/)] },
    ]);

    giveBack();
    const types = (await live).map(({ type }) => type);
    expect([types[0], types.at(-1)]).toEqual(['JOB_PENDING', 'JOB_COMPLETED']);
    for (const id of accepted) await world.ended(id);
    const after = await world.ask<{ jobs: { nodes: { status: string }[] } }>(JOBS);
    expect(new Set(after.jobs.nodes.map(({ status }) => status))).toEqual(new Set(['COMPLETED']));
    await expect
      .poll(() => new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size, {
        timeout: 20_000,
      })
      .toBe(2 * accepted.length);
    // Each once: calls whose record had to wait were not made again.
    expect(receiver.calls).toHaveLength(2 * accepted.length);
    const told = log.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
    expect(told).toEqual(['writes are refused until there is room; reading goes on']);
  }, 120_000);

  it('lets holders of keys read', async () => {
    const { app } = world;
    const { key } = await app.engine.createApiKey(app.defaultAccountId, {
      name: 'k',
      scopes: ['READ', 'SUBMIT'],
      expiresAt: null,
    });
    const authorization = `Bearer ${key}`;
    take();
    const { refusal } = await fill(world.url, { authorization });
    expect(refusal).toMatchObject(REFUSED);
    const { status, data } = await world.graphql(JOBS, {}, { authorization });
    expect([status, data]).toMatchObject([200, { jobs: { nodes: expect.any(Array) } }]);
  });

  it('answers the mutation of an event stream with the same error', async () => {
    take();
    await fill(world.url);
    const response = await world.post(
      JSON.stringify({ query: SUBMIT, variables: { d: gated('', 40_000) } }),
      {
        accept: 'text/event-stream',
      },
    );
    expect(await response.text()).toContain('"extensions":{"code":"UNAVAILABLE"}');
  });
});

describe('a server in a process of its own', () => {
  let server: ServerProcess;
  let port: number;
  const url = () => `http://127.0.0.1:${port}/graphql`;
  beforeEach(async () => {
    port = await freePort();
  });
  afterEach(() => server.kill('SIGKILL'));

  async function start(maxMb: string): Promise<void> {
    server = ServerProcess.spawn(MAIN, [], {
      PORT: String(port),
      CARILLON_DATA_DIR: join(folder, 'data'),
      CARILLON_ALGORITHMS_DIR: algorithms,
      CARILLON_WORKER_THREADS: '2',
      CARILLON_MAX_DATABASE_MB: maxMb,
      LOG_LEVEL: 'error',
    });
    await server.ready(`http://127.0.0.1:${port}`);
  }

  async function ask<T>(query: string, variables: object = {}, headers: object = {}): Promise<T> {
    const response = await fetch(url(), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    return ((await response.json()) as { data: T }).data;
  }

  it('that is killed with its database full has every job that it acknowledged, and completes them all once there is more room', async () => {
    await start('1');
    const client = createClient({
      url: url().replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    });
    const live = client.iterate<{ events: { type: string; jobId: string } }>({
      query: 'subscription { events(filter: { types: [JOB_PENDING] }) { type jobId } }',
    });
    const heard = live.next();
    // Only what comes after the subscription began is heard: the socket answers in order.
    await client.iterate({ query: '{ __typename }' }).next();
    const { accepted, refusal } = await fill(url());
    expect(refusal).toMatchObject(REFUSED);
    expect(accepted.length).toBeGreaterThan(5);
    const jobIds = [(await heard).value.data!.events.jobId];
    while (jobIds.length < accepted.length) jobIds.push((await live.next()).value.data!.events.jobId);
    expect(jobIds).toEqual(accepted);
    await server.kill('SIGKILL');
    client.terminate();

    // Still full: it starts, and can be read.
    await start('1');
    const read = await ask<{ jobs: { nodes: { id: string }[] } }>(JOBS);
    expect(read.jobs.nodes.map(({ id }) => id).reverse()).toEqual(accepted.slice(-100));
    expect(await submit(url(), gated('', 40_000))).toMatchObject(REFUSED);
    await server.kill('SIGKILL');

    await start('0');
    await writeFile(gate, '');
    for (const [index, id] of accepted.entries()) {
      const query = 'query ($id: ID!) { job(id: $id) { status results { nodes { result } } } }';
      const result = async () => (await ask<{ job: { status: string } }>(query, { id })).job;
      await expect.poll(async () => (await result()).status, { timeout: 60_000 }).toBe('COMPLETED');
      expect(await result()).toEqual({
        status: 'COMPLETED',
        results: { nodes: [{ result: `result ${index}` }] },
      });
    }
    expect(server.stdout).toBe('');
  }, 180_000);

  /** A soft limit on the size of files stands for a disk that takes nothing: every write fails, whoever writes. */
  const fileLimit = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(server.child.pid), `--fsize=${bytes}:`]);

  it.runIf(isInstalled('prlimit'))(
    'whose write-ahead log has taken the last room goes on by itself once nobody reads in it',
    async () => {
      await start('0');
      const wal = join(folder, 'data', 'carillon.db-wal');
      // Below the 1,000 pages at which SQLite itself would move the log into the database.
      while (statSync(wal).size < 2_000_000)
        expect((await submit(url(), gated('', 40_000))).status).toBe(200);
      const reader = new Database(join(folder, 'data', 'carillon.db'), { readonly: true });
      reader.exec('BEGIN; select count(*) from jobs');
      expect((await submit(url(), gated('', 40_000))).status).toBe(200);
      fileLimit(String(statSync(wal).size));
      const status = async () => (await submit(url(), gated('', 40_000))).status;
      expect([await status(), await status()]).toEqual([503, 503]);
      reader.close();
      await expect.poll(status, { timeout: 20_000 }).toBe(200);
    },
    60_000,
  );

  it.runIf(isInstalled('prlimit'))(
    'whose disk takes nothing at all goes on reading, holds what has run, and writes it once it can',
    async () => {
      await start('0');
      const made = ServerProcess.spawn(CLI, ['key', 'create', '--account', 'acme'], {
        CARILLON_DATA_DIR: join(folder, 'data'),
      });
      const headers = { authorization: `Bearer ${(await made.finished()).stdout.trim()}` };
      const { json } = await submit(url(), gated('kept'), headers);
      const { id } = json.data!.submitDescriptor.job;
      const query = 'query ($id: ID!) { job(id: $id) { status results { nodes { result } } } }';
      const job = async () => (await ask<{ job: { status: string } }>(query, { id }, headers)).job;
      await expect.poll(async () => (await job()).status, { timeout: 20_000 }).toBe('ACTIVE');

      fileLimit('0');
      const refusal = await submit(url(), gated('', 0), headers);
      expect(refusal).toMatchObject({
        status: 503,
        json: { errors: [{ extensions: { code: 'UNAVAILABLE' } }] },
      });
      expect(refusal.json.errors![0]!.message).toContain("the server's disk fails");
      const warned = async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
        return ((await answer.json()) as { warnings: string[] }).warnings[0]!;
      };
      const before = await warned();
      await writeFile(gate, '');
      await expect.poll(warned, { timeout: 20_000 }).not.toBe(before);
      expect((await job()).status).toBe('ACTIVE');

      fileLimit('unlimited');
      await expect.poll(async () => (await job()).status, { timeout: 60_000 }).toBe('COMPLETED');
      expect(await job()).toMatchObject({ results: { nodes: [{ result: 'kept' }] } });
      expect((await submit(url(), gated('again'), headers)).status).toBe(200);
      expect(server.stdout.trim().split('\n')).toEqual([expect.stringContaining('SQLITE_IOERR_WRITE')]);
    },
    120_000,
  );
});
