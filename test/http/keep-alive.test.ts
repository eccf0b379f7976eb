import { expect, test } from 'vitest';
import type { Auth } from '../../src/http/auth.js';
import { LiveConnections } from '../../src/http/live-connections.js';
import type { Outlet } from '../../src/http/outlet.js';
import { VirtualClock } from '../support/clock.js';
import { fake } from '../support/fake.js';

/** One connection whose client answers and reads as a test says. */
function connected() {
  const clock = new VirtualClock();
  const connections = new LiveConnections(clock, fake<Auth>('auth', {}), () => {});
  const seen: string[] = [];
  const outlet = { unsent: 0, stalledFor: () => 0 };
  const connection = connections.add({
    outlet: outlet as unknown as Outlet,
    close: (code) => void seen.push(`close ${code}`),
    terminate: () => void seen.push('terminate'),
    ping: () => void seen.push('ping'),
  });
  return { clock, connections, connection, outlet, seen };
}

test('a client that reads what came behind a ping is not judged by that ping', async () => {
  const { clock, connection, outlet, seen } = connected();
  await clock.advance(12_000);
  // Much is sent, and the ping's answer is still to come when all of it has just been taken.
  outlet.unsent = 1_000_000;
  await clock.advance(12_000);
  outlet.unsent = 0;
  await clock.advance(12_000);
  expect(seen).toEqual(['ping', 'ping']);
  connection.answered();
  await clock.advance(12_000);
  await clock.advance(12_000);
  expect(seen).toEqual(['ping', 'ping', 'ping', 'terminate']);
});

test('one that comes while the server goes is told to go too, whenever it comes', async () => {
  const { connections, seen } = connected();
  await connections.goAway(1_000);
  expect(seen).toEqual(['close 1001']);
  connections.add({
    outlet: { unsent: 0, stalledFor: () => 0 } as unknown as Outlet,
    close: (code) => void seen.push(`late ${code}`),
    terminate() {},
    ping() {},
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual(['close 1001', 'late 1001']);
});

test('many are pinged in several turns of the event loop', async () => {
  const clock = new VirtualClock();
  const connections = new LiveConnections(clock, fake<Auth>('auth', {}), () => {});
  let [pings, afterOneTurn] = [0, 0];
  for (let count = 0; count < 500; count++) {
    connections.add({
      outlet: { unsent: 0, stalledFor: () => 0 } as unknown as Outlet,
      close() {},
      terminate() {},
      ping() {
        if (++pings > 1) return;
        setImmediate(() => {
          afterOneTurn = pings;
        });
      },
    });
  }
  await clock.advance(12_000);
  while (pings < 500) await new Promise((resolve) => setImmediate(resolve));
  expect(afterOneTurn).toBeLessThan(200);
});
