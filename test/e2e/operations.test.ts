import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { CLI, freePort, MAIN, ServerProcess } from '../support/process.js';
import { ALGORITHMS } from '../support/world.js';

describe('running a server', () => {
  let folder: string;
  const running: ServerProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-operations-'));
  });
  afterEach(async () => {
    for (const process of running.splice(0)) await process.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const env = (more: Record<string, string> = {}) => ({
    CARILLON_DATA_DIR: join(folder, 'data'),
    CARILLON_ALGORITHMS_DIR: ALGORITHMS,
    CARILLON_WORKER_THREADS: '1',
    ...more,
  });
  const spawn = (file: string, args: string[] = [], more: Record<string, string> = {}) => {
    const process = ServerProcess.spawn(file, args, env(more));
    running.push(process);
    return process;
  };
  async function started(more: Record<string, string> = {}) {
    const port = String(await freePort());
    const process = spawn(MAIN, [], { PORT: port, ...more });
    await process.ready(`http://127.0.0.1:${port}`);
    return { process, port, url: `http://127.0.0.1:${port}` };
  }
  const ask = (url: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: '{ viewer { scopes account { name } apiKey { name } } }' }),
    });

  it('has all it needs in the package that npm makes of it', () => {
    const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      encoding: 'utf8',
    });
    const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
    const needed = readdirSync('src/sqlite/migrations', { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    expect(needed.length).toBeGreaterThan(1);
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([...needed, 'dist/src/main.js']));
  });

  it('refuses a port in use in one sentence', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const port = String((other.address() as AddressInfo).port);
    const { code, stderr } = await spawn(MAIN, [], { PORT: port }).finished();
    other.close();
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`port ${port} is already in use`);
  });

  it('refuses a data folder that another server owns', async () => {
    const first = await started();
    const { code, stderr } = await spawn(MAIN, [], { PORT: '0' }).finished();
    expect(code).toBe(1);
    expect(stderr).toContain(`in use by process ${first.process.child.pid}`);
  });

  it('refuses settings it does not understand, all at once, with the value it got', async () => {
    const { code, stderr } = await spawn(MAIN, [], {
      PORT: '99999',
      LOG_LEVEL: 'loud',
      CARILLON_WEBHOOK_ALLOW_CIDRS: '10.0.0.0',
    }).finished();
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(3);
    expect(stderr).toContain('PORT must be a whole number from 0 to 65535, got "99999"');
    expect(stderr).toContain('LOG_LEVEL must be one of');
  });

  it('refuses to serve others without a key', async () => {
    const { code, stderr } = await spawn(MAIN, [], { PORT: '0', CARILLON_HOST: '0.0.0.0' }).finished();
    expect(code).toBe(1);
    expect(stderr).toContain('carillon key create');
  });

  it('asks for a key as soon as one was made beside it, and knows its scopes', async () => {
    const { url } = await started();
    expect((await ask(url)).status).toBe(200);
    const made = await spawn(CLI, [
      'key',
      'create',
      '--account',
      'acme',
      '--scope',
      'READ',
      '--name',
      'reader',
    ]).finished();
    expect(made.code).toBe(0);
    const key = made.stdout.trim();
    expect(key).toMatch(/^car_\w{24}$/);
    expect((await ask(url)).status).toBe(401);
    expect((await ask(url, { authorization: 'Bearer car_wrong' })).status).toBe(401);
    const answer = await ask(url, { authorization: `Bearer ${key}` });
    expect(await answer.json()).toMatchObject({
      data: { viewer: { scopes: ['READ'], account: { name: 'acme' }, apiKey: { name: 'reader' } } },
    });
    const submitted = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({
        query: 'mutation { runAlgorithm(input: { name: "noop" }) { job { id } userErrors { message } } }',
      }),
    });
    expect(await submitted.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  });

  it('lists and revokes keys beside a running server, which refuses them from then on', async () => {
    const { url } = await started();
    const make = async (...args: string[]) =>
      (await spawn(CLI, ['key', 'create', '--account', 'acme', ...args]).finished()).stdout.trim();
    const first = await make('--name', 'ci');
    const second = await make('--scope', 'READ');
    expect((await ask(url, { authorization: `Bearer ${second}` })).status).toBe(200);

    const list = async () => {
      const { code, stdout } = await spawn(CLI, ['key', 'list', '--account', 'acme']).finished();
      expect(code).toBe(0);
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
    };
    const date = /^used \d{4}-\d\d-\d\dT/;
    const before = await list();
    expect(before).toEqual([
      [
        expect.stringMatching(/^key_/),
        `${first!.slice(0, 10)}…`,
        'valid',
        'READ,SUBMIT,WORK,WEBHOOKS,ADMIN',
        'never used',
        '"ci"',
      ],
      [
        expect.stringMatching(/^key_/),
        `${second!.slice(0, 10)}…`,
        'valid',
        'READ',
        expect.stringMatching(date),
        '"key of acme"',
      ],
    ]);
    const id = before[1]![0]!;
    const revoked = await spawn(CLI, ['key', 'revoke', id]).finished();
    expect([revoked.code, revoked.stdout]).toEqual([
      0,
      expect.stringMatching(`^${id} "key of acme" is revoked since `),
    ]);
    expect((await ask(url, { authorization: `Bearer ${second}` })).status).toBe(401);
    expect((await ask(url, { authorization: `Bearer ${first}` })).status).toBe(200);
    expect((await list())[1]![2]).toMatch(/^revoked \d{4}-/);

    const [nobody, none, bare] = await Promise.all(
      [['list', '--account', 'nobody'], ['revoke', 'key_none'], ['revoke']].map((args) =>
        spawn(CLI, ['key', ...args]).finished(),
      ),
    );
    expect([nobody!.code, nobody!.stderr]).toEqual([2, 'there is no account nobody\n']);
    expect([none!.code, none!.stderr]).toEqual([2, expect.stringContaining('no API key "key_none"')]);
    expect([bare!.code, bare!.stderr]).toEqual([2, expect.stringContaining('carillon key revoke <id>')]);
  }, 120_000);

  it('lets a socket that was opened without a key do nothing more once there is one', async () => {
    const { url } = await started();
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: false,
    });
    const first = await client.iterate({ query: '{ viewer { scopes } }' }).next();
    expect(first.value.errors).toBeUndefined();
    expect((await spawn(CLI, ['key', 'create', '--account', 'acme']).finished()).code).toBe(0);
    const closed = new Promise<number>((resolve) =>
      client.on('closed', (event) => resolve((event as { code: number }).code)),
    );
    await expect(
      client.iterate({ query: 'mutation { rotateAccountWebhookSecret(input: {}) { secret } }' }).next(),
    ).rejects.toBeDefined();
    expect(await closed).toBe(4401);
    await client.dispose();
  });

  it('shows a key that may only submit nothing of what it has submitted but that it is there', async () => {
    const { url } = await started();
    const { stdout } = await spawn(CLI, [
      'key',
      'create',
      '--account',
      'acme',
      '--scope',
      'SUBMIT',
    ]).finished();
    const query =
      'mutation { runAlgorithm(input: { name: "echo", input: [1] }) { job { id status descriptor } } }';
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${stdout.trim()}` },
      body: JSON.stringify({ query }),
    });
    const { errors } = (await answer.json()) as {
      errors: { message: string; extensions: { code: string } }[];
    };
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN', scope: 'READ' } }]);
  });

  it('serves the examples where nobody has named or made a folder of algorithms', async () => {
    const port = String(await freePort());
    const env = { PORT: port, CARILLON_DATA_DIR: join(folder, 'data'), CARILLON_WORKER_THREADS: '1' };
    const process = ServerProcess.spawn(MAIN, [], env, folder);
    running.push(process);
    await process.ready(`http://127.0.0.1:${port}`);
    const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ algorithm(name: "green-alg") { name kind } }' }),
    });
    expect(await answer.json()).toMatchObject({ data: { algorithm: { name: 'green-alg', kind: 'MODULE' } } });
  });

  it('warns where there is no algorithm in the folder that was named', async () => {
    const none = join(folder, 'none');
    const { process } = await started({ CARILLON_ALGORITHMS_DIR: none });
    expect(process.stdout).toContain(`there is no algorithm in ${none}, so nothing can run`);
  });

  it('tells of a bad command line in a sentence', async () => {
    const help = await spawn(CLI, ['--help']).finished();
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('key create --account')]);
    for (const args of [
      ['backup', '--help'],
      ['key', 'create', '-h'],
      ['serve', '--help'],
    ]) {
      expect(await spawn(CLI, args).finished()).toEqual(help);
    }
    const none = await spawn(CLI, ['key', 'list', '--account', 'acme']).finished();
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringMatching(/^there is no data folder .*data; set/),
    ]);
    expect(existsSync(join(folder, 'data'))).toBe(false);
    const extra = await spawn(CLI, ['serve', '--port', '1']).finished();
    expect([extra.code, extra.stderr]).toEqual([
      2,
      expect.stringContaining('serve takes no arguments, got --port 1'),
    ]);
    const unknown = await spawn(CLI, ['nonsense']).finished();
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('unknown command "nonsense"');
    const bad = await spawn(CLI, ['key', 'create', '--account', 'Not A Name']).finished();
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('--account must be');
  });

  it('stops on SIGTERM with what it runs handed back, and goes on with it afterwards', async () => {
    const first = await started({ CARILLON_SHUTDOWN_MS: '200' });
    const submitted = await fetch(`${first.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query:
          'mutation { runAlgorithm(input: { name: "nap", input: [1500] }) { job { id } userErrors { message } } }',
      }),
    });
    const { data } = (await submitted.json()) as { data: { runAlgorithm: { job: { id: string } } } };
    const stopped = await first.process.kill('SIGTERM');
    expect(stopped.code).toBe(0);
    const second = await started();
    const query = `{ job(id: "${data.runAlgorithm.job.id}") { status } }`;
    for (let status = ''; status !== 'COMPLETED'; ) {
      const answer = await fetch(`${second.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      status = ((await answer.json()) as { data: { job: { status: string } } }).data.job.status;
      expect(status).not.toBe('FAILED');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('writes its log as JSON lines with request ids, and never a key', async () => {
    const { url, process } = await started();
    await ask(url, { authorization: 'Bearer car_secret', 'x-request-id': 'mine-1' });
    await process.kill('SIGTERM');
    const lines = process.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { requestId?: string });
    expect(lines.some((line) => line.requestId === 'mine-1')).toBe(true);
    expect(process.stdout).not.toContain('car_secret');
  });
});
