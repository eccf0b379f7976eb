import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sign } from '../../src/deliver/sign.js';
import { World } from '../support/world.js';
import { ALGORITHMS, isInstalled, type Program, ROOT, run } from './program.js';

const CLIENTS = `${ROOT}examples/clients`;
const closers: (() => unknown)[] = [];
let world: World;

beforeEach(async () => {
  world = await World.open({ CARILLON_ALGORITHMS_DIR: ALGORITHMS });
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await world.close();
});

/** A way to the server that breaks once: after it has carried something that is doomed. */
async function breakingProxy(isDoomed: (sent: string) => boolean): Promise<string> {
  let broken = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(Number(new URL(world.app.url).port), '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      client.write(chunk);
      if (broken || !isDoomed(chunk.toString('latin1'))) return;
      broken = true;
      client.end(() => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}

function started(program: Program): Program {
  closers.push(() => program.stop());
  return program;
}

describe('follow.mjs', () => {
  const follow = (url: string, ...args: string[]) =>
    started(run(process.execPath, [`${CLIENTS}/follow.mjs`, ...args], { CARILLON_URL: url })).ended;

  const sequences = (stdout: string) =>
    [...stdout.matchAll(/^ *(\d+) [A-Z_]+/gm)].map((match) => Number(match[1]));

  it('submits the diamond and prints every event up to the last', async () => {
    const { code, stdout, stderr } = await follow(world.app.url);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const seen = sequences(stdout);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(stdout).toMatch(/JOB_COMPLETED +100\.00% completed, 8 succeed\n$/);
  });

  it('goes on after the last event when the connection is lost, missing and repeating nothing', async () => {
    const url = await breakingProxy((sent) => sent.includes('TASK_COMPLETED'));
    const { code, stdout } = await follow(url, `${ROOT}examples/pipelines/diamond.json`);
    expect(code).toBe(0);
    expect(stdout).toContain('connection lost');
    const seen = sequences(stdout);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(stdout).toContain('JOB_COMPLETED');
  });

  it('says why a pipeline was refused', async () => {
    const { code, stderr } = await follow(world.app.url, `${ROOT}package.json`);
    expect(code).toBe(1);
    expect(stderr).toContain('nodes must be at least 1 items long, got nothing');
  });
});

describe('follow-sse.sh', () => {
  const follow = (url: string) =>
    started(run('bash', [`${CLIENTS}/follow-sse.sh`], { CARILLON_URL: url })).ended;

  const sequences = (stdout: string) =>
    [...stdout.matchAll(/"sequence":(\d+)/g)].map((match) => Number(match[1]));

  it.runIf(isInstalled('curl') && isInstalled('bash'))(
    'follows a job with curl alone, and goes on where the stream broke',
    async () => {
      const url = await breakingProxy((sent) => sent.includes('event: next'));
      const { code, stdout } = await follow(url);
      expect(code).toBe(0);
      const seen = sequences(stdout);
      expect(seen).toEqual(seen.map((_, index) => index + 1));
      expect(stdout).toContain('"100.00% completed, 3 succeed"');
    },
  );
});

describe.each([
  { name: 'receiver.mjs', command: process.execPath, file: `${CLIENTS}/receiver.mjs` },
  { name: 'receiver.py', command: 'python3', file: `${CLIENTS}/receiver.py` },
])('$name', ({ command, file }) => {
  const receive = async (): Promise<{ url: string; secret: string; receiver: Program }> => {
    const { rotateAccountWebhookSecret } = await world.ask<{
      rotateAccountWebhookSecret: { secret: string };
    }>('mutation { rotateAccountWebhookSecret(input: {}) { secret } }');
    const { secret } = rotateAccountWebhookSecret;
    const receiver = started(run(command, [file], { CARILLON_WEBHOOK_SECRET: secret, PORT: '0' }));
    const [, url] = await receiver.line(/^listening on (http:\S+)$/);
    return { url: url!, secret, receiver };
  };
  const works = isInstalled(command);

  it.runIf(works)('takes the webhooks of a job', async () => {
    const { url, receiver } = await receive();
    await world.submit({
      name: 'batch',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
      webhooks: { result: url },
    });
    const [, body] = await receiver.line(/^job\.completed {3}evt_\w+-result {3}(\{.*\})$/);
    expect(JSON.parse(body!)).toMatchObject({ pipeline: 'batch', data: [{ result: 10 }, {}, {}] });
  });

  it.runIf(works)('refuses what was not signed with its secret, and tells a repeated call', async () => {
    const { url, secret, receiver } = await receive();
    const seconds = Math.floor(Date.now() / 1_000);
    const post = async (id: string, body: string, signed: string, at = seconds) => {
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(at),
        'webhook-signature': signed,
        'x-carillon-event': 'job.completed',
      };
      return (await fetch(url, { method: 'POST', headers, body })).status;
    };
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    expect([
      await post('evt_1', '{"n":1}', sign(secret, 'evt_1', seconds, '{"n":1}')),
      await post('evt_1', '{"n":1}', sign(secret, 'evt_1', seconds, '{"n":1}')),
      await post('evt_2', '{"n":2}', sign(secret, 'evt_2', seconds, '{"n":1}')),
      await post('evt_3', '{"n":1}', sign(other, 'evt_3', seconds, '{"n":1}')),
      await post('evt_4', '{}', sign(secret, 'evt_4', seconds - 600, '{}'), seconds - 600),
      await post('evt_5', '{}', ''),
    ]).toEqual([204, 204, 400, 400, 400, 400]);
    await receiver.line(/^again {3}evt_1/);
  });
});
