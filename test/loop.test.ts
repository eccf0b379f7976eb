import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../src/errors.js';
import { Loop, POLL_MS } from '../src/loop.js';
import { VirtualClock } from './support/clock.js';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

describe('a loop', () => {
  it('runs at once, when it is woken, when it asked to, and from time to time', async () => {
    const clock = new VirtualClock(0);
    const ran: number[] = [];
    const delays = [300, null, null, null];
    const loop = new Loop(clock, quiet, 'test', async () => {
      ran.push(clock.now());
      return delays.shift() ?? null;
    });
    loop.start();
    await clock.advance(300);
    expect(ran).toEqual([0, 300]);
    await clock.advance(POLL_MS);
    expect(ran).toEqual([0, 300, 1_300]);
    loop.wake();
    await clock.advance(0);
    expect(ran).toEqual([0, 300, 1_300, 1_300]);
    await loop.stop();
    loop.wake();
    await clock.advance(10 * POLL_MS);
    expect(ran).toHaveLength(4);
  });

  it('never overlaps its steps, and forgets no call that came during one', async () => {
    const clock = new VirtualClock(0);
    let running = 0;
    let steps = 0;
    const releases: (() => void)[] = [];
    const loop = new Loop(clock, quiet, 'test', async () => {
      expect(++running).toBe(1);
      steps++;
      await new Promise<void>((resolve) => releases.push(resolve));
      running--;
      return null;
    });
    loop.start();
    loop.wake();
    loop.wake();
    releases.shift()!();
    await clock.advance(0);
    expect(steps).toBe(2);
    releases.shift()!();
    await loop.stop();
    expect(steps).toBe(2);
  });

  it('logs a step that fails, and goes on', async () => {
    const clock = new VirtualClock(0);
    const logged: string[] = [];
    let steps = 0;
    const log = { ...quiet, error: (_facts: object, message: string) => logged.push(message) };
    const loop = new Loop(clock, log, 'test', async () => {
      if (++steps === 1) throw new Error('once');
      return null;
    });
    loop.start();
    await clock.advance(POLL_MS);
    expect(steps).toBe(2);
    expect(logged).toEqual(['a step of a loop failed']);
    expect(loop.alive()).toBe(true);
    await loop.stop();
    expect(loop.alive()).toBe(false);
  });

  it('tries again quietly where the disk is full: the store tells of that', async () => {
    const clock = new VirtualClock(0);
    const logged: string[] = [];
    let steps = 0;
    const log = { ...quiet, error: (_facts: object, message: string) => logged.push(message) };
    const loop = new Loop(clock, log, 'test', async () => {
      steps++;
      throw new UnavailableError('full');
    });
    loop.start();
    await clock.advance(10 * POLL_MS);
    expect([steps, logged]).toEqual([11, []]);
    await loop.stop();
  });

  it('counts as stopped once a step does not end', async () => {
    const clock = new VirtualClock(0);
    const loop = new Loop(clock, quiet, 'test', () => new Promise(() => {}));
    loop.start();
    expect(loop.alive()).toBe(true);
    await clock.advance(61_000);
    expect(loop.alive()).toBe(false);
  });
});
