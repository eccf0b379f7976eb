import type { LookupAddress } from 'node:dns';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { Call, Caller } from '../../src/caller.js';
import { createDestinationPolicy } from '../../src/destination.js';
import { type CallerOptions, createCaller } from '../../src/outbound/caller.js';
import { TEST_CERTIFICATE } from './certificate.js';
import { freePort, httpServer, httpsServer, socketServer, type TestServer } from './servers.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
async function kept(server: Promise<TestServer>): Promise<TestServer> {
  const running = await server;
  open.push(running);
  return running;
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
function callerWith(options: Partial<CallerOptions> = {}): Caller {
  const caller = createCaller({ policy: createDestinationPolicy(LOOPBACK), ...options });
  open.push(caller);
  return caller;
}
function callTo(url: string, more: Partial<Call> = {}): Call {
  return {
    url,
    headers: [{ name: 'content-type', value: 'application/json' }],
    body: '{"n":1}',
    timeoutMs: 5_000,
    ...more,
  };
}
const v4 = (address: string): LookupAddress => ({ address, family: 4 });

describe('a call', () => {
  test('posts the body and the headers as given, to the path and query as given', async () => {
    const seen: unknown[] = [];
    const server = await kept(
      httpServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const { 'user-agent': agent, 'x-own': own, 'content-length': length } = request.headers;
          const accepted = request.headers['accept-encoding'];
          const body = Buffer.concat(chunks).toString();
          seen.push([request.method, request.url, agent, own, length, accepted, body]);
          response.end();
        });
      }),
    );
    const result = await callerWith().call(
      callTo(`${server.url}?a=1&b=%20#part`, { headers: [{ name: 'X-Own', value: 'yes' }], body: '{"é":1}' }),
    );
    expect(result).toMatchObject({
      outcome: 'DELIVERED',
      statusCode: 200,
      responseSnippet: null,
      message: null,
    });
    expect(seen).toEqual([['POST', '/hook?a=1&b=%20', 'Carillon/1', 'yes', '8', undefined, '{"é":1}']]);
  });

  test.each([
    [200, 'DELIVERED'],
    [204, 'DELIVERED'],
    [299, 'DELIVERED'],
    [304, 'REDIRECT'],
    [400, 'HTTP_ERROR'],
    [410, 'GONE'],
    [429, 'HTTP_ERROR'],
    [500, 'HTTP_ERROR'],
  ])('that is answered %i is %s', async (status, outcome) => {
    const server = await kept(httpServer((_, response) => response.writeHead(status).end()));
    expect(await callerWith().call(callTo(server.url))).toMatchObject({ outcome, statusCode: status });
  });

  test.each([301, 302, 303, 307, 308])('does not follow a %i, and says so', async (status) => {
    let calls = 0;
    const server = await kept(
      httpServer((_, response) => {
        calls += 1;
        response.writeHead(status, { location: 'http://169.254.169.254/latest/meta-data/' }).end('moved');
      }),
    );
    expect(await callerWith().call(callTo(server.url))).toMatchObject({
      outcome: 'REDIRECT',
      statusCode: status,
      responseSnippet: 'moved',
    });
    expect(calls).toBe(1);
  });

  test('uses the connections of those before again', async () => {
    const server = await kept(httpServer((_, response) => response.end('x'.repeat(60_000))));
    const caller = callerWith();
    for (let n = 0; n < 10; n += 1) await caller.call(callTo(server.url));
    // undici may open a second one while it tidies up the first.
    expect(server.connections()).toBeLessThanOrEqual(2);
  });

  test('waits for a free connection of its origin, and its clock starts with its connection', async () => {
    const waiting: (() => void)[] = [];
    let secondArrived = () => {};
    const second = new Promise<void>((resolve) => {
      secondArrived = resolve;
    });
    const server = await kept(
      httpServer((_, response) => {
        waiting.push(() => response.end());
        if (waiting.length === 2) secondArrived();
      }),
    );
    const caller = callerWith({ connectionsPerOrigin: 2 });
    const calls = [1, 2, 3].map(() => caller.call(callTo(server.url)));
    await second;
    expect(server.connections()).toBe(2);
    waiting[0]!();
    await calls[0];
    waiting[1]!();
    await calls[1];
    // The third was sent on the connection of the first.
    await expect.poll(() => waiting.length).toBe(3);
    waiting[2]!();
    expect(await calls[2]).toMatchObject({ outcome: 'DELIVERED' });
    expect(server.connections()).toBe(2);
  });

  test('that finds no free connection in its time is no timeout of the receiver', async () => {
    const server = await kept(httpServer(() => {}));
    const caller = callerWith({ connectionsPerOrigin: 1 });
    const first = caller.call(callTo(server.url, { timeoutMs: 20_000 }));
    const result = await caller.call(callTo(server.url, { timeoutMs: 50 }));
    expect(result).toMatchObject({
      outcome: 'CONNECTION_ERROR',
      message: 'Too many calls to this host were under way.',
    });
    await caller.close();
    await first;
  });

  test('keeps the connections of few origins only, and still reaches all', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => kept(httpServer((_, response) => response.end()))));
    const caller = callerWith({ maxOrigins: 2 });
    for (const server of [...servers, servers[0]!]) {
      expect(await caller.call(callTo(server.url))).toMatchObject({ outcome: 'DELIVERED' });
    }
    // The first origin had lost its place to the third.
    expect(servers.map((server) => server.connections())).toEqual([2, 1, 1]);
  });
});

describe('an answer', () => {
  test('is kept to its first KiB, as text without control characters', async () => {
    const server = await kept(
      httpServer((_, response) => response.writeHead(500).end(`a\u0000b\u001b[31m\nc${'é'.repeat(2_000)}`)),
    );
    const { responseSnippet } = await callerWith().call(callTo(server.url));
    // 9 bytes, then as many whole characters of two bytes as fit into 1,024.
    expect(responseSnippet).toBe(`a\ufffdb\ufffd[31m c${'é'.repeat(507)}`);
  });

  test('is never decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const server = await kept(
      httpServer((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)),
    );
    const result = await callerWith().call(callTo(server.url));
    expect(result.outcome).toBe('DELIVERED');
    expect(Buffer.byteLength(result.responseSnippet!)).toBeLessThan(4_096);
    // The magic number of gzip, as text.
    expect(result.responseSnippet).toMatch(/^\ufffd\ufffd/);
  });

  test('without end is cut, and what was delivered stays delivered', async () => {
    let closed = () => {};
    const cut = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const server = await kept(
      httpServer((_, response) => {
        response.on('close', closed);
        response.writeHead(200);
        const pour = () => {
          while (!response.destroyed && response.write('x'.repeat(10_000)));
        };
        response.on('drain', pour);
        pour();
      }),
    );
    expect(await callerWith().call(callTo(server.url))).toMatchObject({
      outcome: 'DELIVERED',
      responseSnippet: 'x'.repeat(1024),
    });
    await cut;
  });

  test('whose body comes byte by byte is cut after its time, and stays delivered', async () => {
    let closed = () => {};
    const cut = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const server = await kept(
      httpServer((_, response) => {
        response.writeHead(202);
        const drip = setInterval(() => response.write('.'), 20);
        response.on('close', () => {
          clearInterval(drip);
          closed();
        });
      }),
    );
    const result = await callerWith().call(callTo(server.url, { timeoutMs: 200 }));
    expect(result).toMatchObject({ outcome: 'DELIVERED', statusCode: 202 });
    expect(result.responseSnippet).toMatch(/^\.+$/);
    await cut;
  });

  test('whose body breaks off keeps its status', async () => {
    const server = await kept(
      socketServer((socket) => {
        socket.once('data', () => {
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort');
        });
      }),
    );
    expect(await callerWith().call(callTo(server.url))).toMatchObject({
      outcome: 'DELIVERED',
      responseSnippet: 'short',
    });
  });
});

describe('a call fails', () => {
  test('with TIMEOUT where no answer comes', async () => {
    let closed = () => {};
    const cut = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const server = await kept(
      httpServer((_, response) => {
        response.on('close', closed);
      }),
    );
    const result = await callerWith().call(callTo(server.url, { timeoutMs: 100 }));
    expect(result).toMatchObject({
      outcome: 'TIMEOUT',
      statusCode: null,
      message: 'The receiver did not answer within 100 ms.',
    });
    await cut;
  });

  test('with TIMEOUT where the headers come byte by byte', async () => {
    const server = await kept(
      socketServer((socket) => {
        const text = `HTTP/1.1 200 OK\r\nx-slow: ${'x'.repeat(5_000)}`;
        let at = 0;
        const drip = setInterval(() => socket.write(text[at++]!), 5);
        socket.on('close', () => clearInterval(drip));
      }),
    );
    const result = await callerWith().call(callTo(server.url, { timeoutMs: 200 }));
    expect(result.outcome).toBe('TIMEOUT');
  });

  test('with TIMEOUT where only informational answers come', async () => {
    const server = await kept(
      socketServer((socket) => {
        const drip = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 5);
        socket.on('close', () => clearInterval(drip));
      }),
    );
    const result = await callerWith().call(callTo(server.url, { timeoutMs: 200 }));
    expect(result.outcome).toBe('TIMEOUT');
  });

  test('with CONNECTION_ERROR where the port is closed', async () => {
    const port = await freePort();
    expect(await callerWith().call(callTo(`http://127.0.0.1:${port}/`))).toMatchObject({
      outcome: 'CONNECTION_ERROR',
      message: 'The connection was refused.',
    });
  });

  test('with CONNECTION_ERROR where the other side closes without an answer, after one connection', async () => {
    const server = await kept(socketServer((socket) => socket.destroy()));
    const result = await callerWith().call(callTo(server.url));
    expect(result.outcome).toBe('CONNECTION_ERROR');
    expect(server.connections()).toBe(1);
  });

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['too many headers', `HTTP/1.1 200 OK\r\n${'x-many: y\r\n'.repeat(5_000)}\r\n`],
    [
      'a switch of protocols',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    ],
  ])('with CONNECTION_ERROR where the answer is %s', async (_, answer) => {
    const server = await kept(socketServer((socket) => socket.write(answer)));
    const result = await callerWith().call(callTo(server.url));
    expect(result.outcome).toBe('CONNECTION_ERROR');
    expect(result.message).not.toMatch(/127|UND_ERR|HPE_|Error:/);
  });

  test('with CONNECTION_ERROR where a header cannot be sent, and throws nothing', async () => {
    const server = await kept(httpServer((_, response) => response.end()));
    const headers = [{ name: 'x-bad', value: 'a\r\nhost: evil.example' }];
    expect(await callerWith().call(callTo(server.url, { headers }))).toMatchObject({
      outcome: 'CONNECTION_ERROR',
      message: 'The request could not be made: a header is not valid.',
    });
    expect(server.connections()).toBe(0);
  });

  test('with CONNECTION_ERROR where the caller is closed, under way and afterwards', async () => {
    let arrived = () => {};
    const underWay = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const server = await kept(httpServer(() => arrived()));
    const caller = callerWith();
    const first = caller.call(callTo(server.url));
    await underWay;
    await caller.close();
    const stopping = {
      outcome: 'CONNECTION_ERROR',
      message: 'The call was ended because the server is stopping.',
    };
    expect(await first).toMatchObject(stopping);
    expect(await caller.call(callTo(server.url))).toMatchObject(stopping);
  });

  test('with DNS_ERROR where the name does not exist', async () => {
    expect(await callerWith().call(callTo('http://carillon-receiver.invalid/'))).toMatchObject({
      outcome: 'DNS_ERROR',
      message: 'The host name could not be resolved.',
    });
  });

  test('with DNS_ERROR where the resolver answers nothing, or not in time, and closing does not wait for it', async () => {
    const silent = callerWith({ lookup: () => new Promise(() => {}) });
    const empty = callerWith({ lookup: async () => [] });
    const call = callTo('http://receiver.example/', { timeoutMs: 100 });
    expect(await silent.call(call)).toMatchObject({
      outcome: 'DNS_ERROR',
      message: 'The host name was not resolved within 100 ms.',
    });
    expect(await empty.call(call)).toMatchObject({ outcome: 'DNS_ERROR' });
  });

  test('and takes its duration from the clock it was given', async () => {
    const port = await freePort();
    let ticks = 0;
    const now = () => {
      ticks += 1;
      return ticks * 40;
    };
    const result = await callerWith({ now }).call(callTo(`http://127.0.0.1:${port}/`));
    expect(result.durationMs).toBe(40);
  });
});

describe('over TLS a call', () => {
  const lookup = async () => [v4('127.0.0.1')];

  test('is delivered where the certificate is trusted and names the host', async () => {
    const server = await kept(httpsServer((_, response) => response.end('safe')));
    const caller = callerWith({ lookup, ca: [TEST_CERTIFICATE] });
    const result = await caller.call(callTo(`https://receiver.test.example:${server.port}/`));
    expect(result).toMatchObject({ outcome: 'DELIVERED', responseSnippet: 'safe' });
  });

  test.each([
    ['the certificate is not trusted', 'receiver.test.example', []],
    ['the certificate names another host', 'other.test.example', [TEST_CERTIFICATE]],
    ['the certificate does not name the address', '127.0.0.1', [TEST_CERTIFICATE]],
  ])('fails with TLS_ERROR where %s', async (_, host, ca) => {
    let requests = 0;
    const server = await kept(
      httpsServer((_, response) => {
        requests += 1;
        response.end();
      }),
    );
    const caller = callerWith(ca.length > 0 ? { lookup, ca } : { lookup });
    const result = await caller.call(callTo(`https://${host}:${server.port}/`));
    expect(result).toMatchObject({ outcome: 'TLS_ERROR', statusCode: null, responseSnippet: null });
    expect(requests).toBe(0);
  });

  test('fails with TLS_ERROR where the other side speaks plain HTTP', async () => {
    const server = await kept(httpServer((_, response) => response.end()));
    const result = await callerWith().call(callTo(`https://127.0.0.1:${server.port}/`));
    expect(result.outcome).toBe('TLS_ERROR');
  });
});

describe('the policy', () => {
  const nothing = createDestinationPolicy([]);

  test.each(['127.0.0.1', '127.1', '2130706433', '0x7f000001', '[::ffff:127.0.0.1]', 'localhost'])(
    'keeps a call to %s from making any connection',
    async (host) => {
      const server = await kept(httpServer((_, response) => response.end('secret')));
      const result = await callerWith({ policy: nothing }).call(callTo(`http://${host}:${server.port}/`));
      expect(result).toMatchObject({
        outcome: 'BLOCKED_DESTINATION',
        statusCode: null,
        responseSnippet: null,
        durationMs: 0,
      });
      expect(result.message).not.toContain('127');
      expect(server.connections()).toBe(0);
    },
  );

  test('refuses a name that leads to a forbidden address, before connecting', async () => {
    const server = await kept(httpServer((_, response) => response.end()));
    const caller = callerWith({ policy: nothing, lookup: async () => [v4('127.0.0.1')] });
    const result = await caller.call(callTo(`http://127.0.0.1.nip.io:${server.port}/`));
    expect(result.outcome).toBe('BLOCKED_DESTINATION');
    expect(server.connections()).toBe(0);
  });

  test.each([
    ['a private one after an allowed one', ['127.0.0.1', '10.0.0.1']],
    ['a private one before an allowed one', ['10.0.0.1', '127.0.0.1']],
    ['a metadata address among allowed ones', ['127.0.0.1', '169.254.169.254', '127.0.0.2']],
    ['something that is no address', ['127.0.0.1', 'evil']],
  ])('fails a whole DNS answer that holds %s', async (_, addresses) => {
    const server = await kept(httpServer((_, response) => response.end()));
    const caller = callerWith({ lookup: async () => addresses.map(v4) });
    const result = await caller.call(callTo(`http://receiver.example:${server.port}/`));
    expect(result.outcome).toBe('BLOCKED_DESTINATION');
    expect(server.connections()).toBe(0);
  });

  test('judges every look-up, so that a name that is rebound is refused', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    const server = await kept(
      httpServer((_, response) => response.writeHead(200, { connection: 'close' }).end()),
    );
    const caller = callerWith({ lookup: async () => answers.shift()!.map(v4) });
    const call = callTo(`http://receiver.example:${server.port}/`);
    expect((await caller.call(call)).outcome).toBe('DELIVERED');
    expect((await caller.call(call)).outcome).toBe('BLOCKED_DESTINATION');
    expect(answers).toEqual([]);
    expect(server.connections()).toBe(1);
  });

  test('uses the addresses that it judged, and asks DNS once for a connection', async () => {
    let lookups = 0;
    const server = await kept(httpServer((_, response) => response.end()));
    const caller = callerWith({
      lookup: async () => {
        lookups += 1;
        return [v4('127.0.0.1')];
      },
    });
    const result = await caller.call(callTo(`http://receiver.example:${server.port}/`));
    expect([result.outcome, lookups]).toEqual(['DELIVERED', 1]);
  });

  test('refuses metadata addresses even where everything is allowed', async () => {
    const everything = createDestinationPolicy(['0.0.0.0/0', '::/0']);
    const caller = callerWith({ policy: everything, lookup: async () => [v4('169.254.169.254')] });
    for (const url of ['http://169.254.169.254/', 'http://receiver.example/', 'http://[fd00:ec2::254]/']) {
      expect((await caller.call(callTo(url))).outcome).toBe('BLOCKED_DESTINATION');
    }
  });

  test('refuses a URL that cannot be called at all', async () => {
    for (const url of [
      '',
      'ftp://receiver.example/',
      'http://receiver.example:22/',
      'http://a@receiver.example/',
    ]) {
      expect((await callerWith().call(callTo(url))).outcome).toBe('BLOCKED_DESTINATION');
    }
  });
});

test('a connection that hangs keeps its call no longer than its timeout, and nothing is sent afterwards', async () => {
  let connect = () => {};
  const resolved = new Promise<LookupAddress[]>((resolve) => {
    connect = () => resolve([v4('127.0.0.1')]);
  });
  let requests = 0;
  const server = await kept(
    httpServer((_, response) => {
      requests += 1;
      response.end();
    }),
  );
  const caller = callerWith({ lookup: () => resolved, connectionsPerOrigin: 1 });
  const call = callTo(`http://receiver.example:${server.port}/`, { timeoutMs: 50 });
  expect((await caller.call(call)).outcome).toBe('DNS_ERROR');
  // Its connection is still being made: the next call waits for it, and goes out alone.
  const next = caller.call({ ...call, timeoutMs: 20_000 });
  connect();
  expect((await next).outcome).toBe('DELIVERED');
  expect(requests).toBe(1);
});
