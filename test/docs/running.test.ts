import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sign } from '../../src/deliver/sign.js';
import { ALGORITHMS, isInstalled, type Program, ROOT, run } from '../examples/program.js';
import { World } from '../support/world.js';
import { block, blocksOf, page } from './blocks.js';

const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const closers: (() => unknown)[] = [];
let world: World;

beforeEach(async () => {
  world = await World.open({ CARILLON_ALGORITHMS_DIR: ALGORITHMS });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await world.close();
});

function started(program: Program): Program {
  closers.push(() => program.stop());
  return program;
}

/** Runs a block as if it stood in a file at the root of the repository. */
function js(code: string, args: string[] = [], env: Record<string, string> = {}): Program {
  return started(run(process.execPath, ['--input-type=module', '-e', code, 'file.mjs', ...args], env));
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

describe('the documentation, run', () => {
  it("the README's client submits, follows and is called", async () => {
    const { code, stdout, stderr } = await started(
      run(process.execPath, ['examples/quickstart.mjs'], { CARILLON_URL: world.app.url }),
    ).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^1 JOB_PENDING\n2 JOB_ACTIVE\n/);
    expect(stdout).toMatch(/JOB_COMPLETED\njob\.completed \[/);
    expect([...stdout.matchAll(/result: (\d+)/g)].map((match) => match[1])).toEqual(['10', '20', '30']);
  });

  it('getting started, step by step', async () => {
    const receiver = await world.receiver();
    const [secret, submit, follow, results] = blocksOf('docs/getting-started.md')
      .filter(({ language, info }) => language === 'graphql' && info === 'run')
      .map(({ code }) => code.replaceAll('http://127.0.0.1:8080', receiver.url));
    expect(await world.ask(secret!)).toEqual({
      rotateAccountWebhookSecret: { secret: expect.stringMatching(/^whsec_/) },
    });
    const { submitPipeline } = await world.ask<{
      submitPipeline: { job: { id: string }; userErrors: unknown[] };
    }>(submit!);
    expect(submitPipeline.userErrors).toEqual([]);
    const variables = { jobId: submitPipeline.job.id };
    const events = await world.follow<{ jobEvents: { type: string } }>(follow!, variables);
    expect(events.at(-1)!.jobEvents.type).toBe('JOB_COMPLETED');
    expect((await receiver.received(4)).map(({ path }) => path)).toEqual([
      '/progress',
      '/progress',
      '/progress',
      '/result',
    ]);
    const { job } = await world.ask<{ job: { results: { nodes: { result: number }[] } } }>(
      results!,
      variables,
    );
    expect(job.results.nodes.map(({ result }) => result)).toEqual([10, 20, 30]);
  });

  it('the keys and limits of accounts.md', async () => {
    const [create, revoke, limit, limits] = blocksOf('docs/accounts.md')
      .filter(({ language, info }) => language === 'graphql' && info === 'run')
      .map(({ code }) => code);
    const none = { userErrors: [] };
    expect(await world.ask(limit!)).toMatchObject({
      updateAccount: { account: { limits: { sockets: null, runningJobs: 100, storedBytes: 1e10 } }, ...none },
    });
    const { createApiKey } = await world.ask<{
      createApiKey: { key: string; apiKey: { id: string }; userErrors: unknown[] };
    }>(create!);
    expect(createApiKey).toMatchObject({ key: expect.stringMatching(/^car_/), ...none });
    const ask = async (query: string, variables: object, key: string) =>
      (await world.graphql(query, variables, { authorization: `Bearer ${key}` })).data;
    const shown = await ask(limits!, {}, createApiKey.key);
    expect(shown).toMatchObject({
      viewer: {
        limits: [
          { kind: 'REQUESTS_PER_SECOND', scope: 'KEY', max: 20 },
          { kind: 'SOCKETS', scope: 'KEY', max: 5 },
          { kind: 'RUNNING_JOBS', scope: 'ACCOUNT', max: 100, used: 0 },
          { kind: 'STORED_BYTES', scope: 'ACCOUNT', max: 1e10, used: 0 },
          { kind: 'SOCKETS', scope: 'SERVER', max: 1_000 },
        ],
      },
    });
    const admin = await world.app.engine.createApiKey(world.app.defaultAccountId, {
      name: 'admin',
      scopes: ['ADMIN'],
      expiresAt: null,
    });
    expect(await ask(revoke!, { id: createApiKey.apiKey.id }, admin.key)).toMatchObject({
      revokeApiKey: { apiKey: { revokedAt: expect.any(String) }, ...none },
    });
  });

  it('the module of algorithms.md', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'carillon-docs-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'greet.mjs'), block('docs/algorithms.md', 'js', 'title=greet.mjs').code);
    const other = await World.open({ CARILLON_ALGORITHMS_DIR: folder });
    closers.push(() => other.close());
    const id = await other.submit({
      name: 'greet',
      nodes: [{ nodeName: 'greet', algorithmName: 'greet', input: ['Anna'] }],
    });
    await other.ended(id);
    expect(
      await other.ask('query ($id: ID!) { job(id: $id) { results { nodes { result } } } }', { id }),
    ).toEqual({ job: { results: { nodes: [{ result: { greeting: 'Hello, Anna' } }] } } });
  });

  it.each([
    ['ts', 'examples/clients/resume.ts'],
    ['js', 'examples/clients/browser.js'],
  ])('the resuming client of subscriptions.md in %s is %s', (language, file) => {
    expect(block('docs/subscriptions.md', language, 'resume').code).toBe(page(file));
  });

  it.runIf(isInstalled('curl') && isInstalled('bash'))('the curl of subscriptions.md', async () => {
    const code = block('docs/subscriptions.md', 'sh', '').code;
    const here = code.replace('http://127.0.0.1:4000', world.app.url).replace('curl', 'exec curl -s');
    const curl = started(run('bash', ['-c', here]));
    // It tells what happens from its start on: jobs are made until it has told of one.
    let seen = false;
    const line = curl.line(/^data: .*"JOB_COMPLETED".*"cursor":"/).then(() => {
      seen = true;
    });
    while (!seen) {
      const id = await world.submit({ name: 'sum', nodes: [{ nodeName: 'sum', algorithmName: 'sum' }] });
      await world.ended(id);
    }
    await line;
  });

  it('the receiver of webhooks.md', async () => {
    const port = await freePort();
    const code = block('docs/webhooks.md', 'js', 'receiver').code;
    // The last statement of the page's code is the one that listens: told of once it does.
    const listening = `${code.trimEnd().replace(/;$/, '')}.once('listening', () => console.log('started'));`;
    const program = js(listening, [], {
      CARILLON_WEBHOOK_SECRET: SECRET,
      PORT: String(port),
    });
    await program.line(/^started$/);
    const seconds = Math.floor(Date.now() / 1_000);
    const post = async (body: string, signed: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        headers: {
          'webhook-id': 'evt_1',
          'webhook-timestamp': String(seconds),
          'webhook-signature': signed,
          'x-carillon-event': 'job.completed',
        },
        body,
      });
      return response.status;
    };
    expect(await post('{"n":1}', sign(SECRET, 'evt_1', seconds, '{"n":1}'))).toBe(204);
    expect(await post('{"n":2}', sign(SECRET, 'evt_1', seconds, '{"n":1}'))).toBe(400);
    await program.line(/^job\.completed \{ n: 1 \}$/);
  });

  it.runIf(isInstalled('python3'))('the Python of webhooks.md', () => {
    const { code } = block('docs/webhooks.md', 'python', 'verify');
    const seconds = Math.floor(Date.now() / 1_000);
    const headers = (at: number, body: string) => ({
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(at),
      'webhook-signature': sign(SECRET, 'evt_1', at, body),
    });
    const cases = [headers(seconds, '{}'), headers(seconds, '{"n":1}'), headers(seconds - 600, '{}')];
    const script = `${code}\nimport json, sys\nfor headers in json.loads(sys.argv[1]):\n    print(is_genuine(sys.argv[2], headers, b"{}"))\n`;
    const python = spawnSync('python3', ['-c', script, JSON.stringify(cases), SECRET], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(python.stderr).toBe('');
    expect(python.stdout).toBe('True\nFalse\nFalse\n');
  });
});
