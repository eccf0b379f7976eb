import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { createDestinationPolicy } from '../../src/destination.js';
import {
  BlockedDestinationError,
  type ConnectorOptions,
  guardedConnector,
  ResolveError,
} from '../../src/outbound/connector.js';
import { httpServer, type TestServer } from './servers.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

const allowed = createDestinationPolicy(['127.0.0.0/8']);

function dial(options: ConnectorOptions, hostname: string): Promise<Socket | Error> {
  const { connect } = guardedConnector(options);
  const target: buildConnector.Options = {
    hostname,
    host: hostname,
    protocol: 'http:',
    port: String(server?.port ?? 80),
  };
  return new Promise((resolve) => {
    connect(target, (error, socket) => resolve(error ?? socket!));
  });
}

test('a literal address is judged before anything is dialled, in brackets or without', async () => {
  server = await httpServer((_, response) => response.end());
  const policy = createDestinationPolicy([]);
  for (const host of ['127.0.0.1', '::1', '[::1]', '::ffff:127.0.0.1']) {
    const error = await dial({ policy, lookup: async () => [] }, host);
    expect(error).toBeInstanceOf(BlockedDestinationError);
  }
  expect(server.connections()).toBe(0);
});

test('a literal address that is allowed is dialled without a look-up', async () => {
  server = await httpServer((_, response) => response.end());
  const socket = (await dial(
    { policy: allowed, lookup: () => Promise.reject(new Error()) },
    '127.0.0.1',
  )) as Socket;
  expect(socket.remoteAddress).toBe('127.0.0.1');
  socket.destroy();
});

test('the next address is tried where the first one refuses', async () => {
  server = await httpServer((_, response) => response.end());
  const lookup = async () => ['127.0.0.9', '127.0.0.1'].map((address) => ({ address, family: 4 }));
  const socket = (await dial({ policy: allowed, lookup }, 'receiver.example')) as Socket;
  expect(socket.remoteAddress).toBe('127.0.0.1');
  socket.destroy();
});

test('a failing resolver says nothing of itself', async () => {
  const lookup = () => Promise.reject(new Error('getaddrinfo EAI_AGAIN receiver.example via 10.0.0.2'));
  const error = await dial({ policy: allowed, lookup }, 'receiver.example');
  expect(error).toBeInstanceOf(ResolveError);
  expect((error as Error).message).toBe('the host name could not be resolved');
});

test('look-ups of one name at one time share an answer, and none is kept', async () => {
  server = await httpServer((_, response) => response.end());
  let answer = (_: { address: string; family: number }[]) => {};
  let lookups = 0;
  const lookup = () => {
    lookups += 1;
    return new Promise<{ address: string; family: number }[]>((resolve) => {
      answer = resolve;
    });
  };
  const connector = guardedConnector({ policy: allowed, lookup });
  const connect = () =>
    new Promise<Socket>((resolve, reject) => {
      const target = { hostname: 'receiver.example', protocol: 'http:', port: String(server!.port) };
      connector.connect(target, (error, socket) => (error ? reject(error) : resolve(socket)));
    });
  const both = [connect(), connect()];
  await expect.poll(() => lookups).toBe(1);
  expect(connector.isResolving('receiver.example')).toBe(true);
  answer([{ address: '127.0.0.1', family: 4 }]);
  for (const socket of await Promise.all(both)) socket.destroy();
  expect(lookups).toBe(1);
  expect(connector.isResolving('receiver.example')).toBe(false);

  const again = connect();
  await expect.poll(() => lookups).toBe(2);
  answer([{ address: '10.0.0.1', family: 4 }]);
  await expect(again).rejects.toBeInstanceOf(BlockedDestinationError);
});

test('what was reached is judged again after connecting', async () => {
  server = await httpServer((_, response) => response.end());
  // The policy changes its mind between the look-up and the connection: only the third layer can see it.
  const allowed4 = createDestinationPolicy(['127.0.0.0/8']);
  let checks = 0;
  const wavering = {
    ...allowed4,
    get allow4() {
      checks += 1;
      return checks === 1 ? allowed4.allow4 : createDestinationPolicy([]).allow4;
    },
  };
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  const error = await dial({ policy: wavering, lookup }, 'receiver.example');
  expect(error).toBeInstanceOf(BlockedDestinationError);
  expect(checks).toBe(2);
  expect(server.connections()).toBe(1);
});
