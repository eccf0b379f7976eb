import { describe, expect, it } from 'vitest';
import { liveStream, type Wakeup } from '../../src/engine/live-stream.js';
import { VirtualClock } from '../support/clock.js';

function open(clock: VirtualClock, run: (wakeup: Wakeup) => AsyncGenerator<number>) {
  let ended = 0;
  let wakeup!: Wakeup;
  const stream = liveStream(clock, (given) => {
    wakeup = given;
    return {
      run: () => run(given),
      end: () => {
        ended++;
      },
    };
  });
  return { stream, wakeup: () => wakeup, ended: () => ended };
}

describe('a live stream', () => {
  async function* forever(wakeup: Wakeup): AsyncGenerator<number> {
    for (let count = 0; !wakeup.ended; count++) {
      yield count;
      await wakeup.wait(1_000);
    }
  }

  it('waits until it is called, or for its time', async () => {
    const clock = new VirtualClock(0);
    const { stream, wakeup } = open(clock, forever);
    expect((await stream.next()).value).toBe(0);
    const second = stream.next();
    wakeup().wake();
    expect((await second).value).toBe(1);
    const third = stream.next();
    await clock.advance(1_000);
    expect((await third).value).toBe(2);
    await stream.return(undefined);
  });

  it('loses no call that came while it was not waiting', async () => {
    const { stream, wakeup } = open(new VirtualClock(0), forever);
    await stream.next();
    wakeup().wake();
    expect((await stream.next()).value).toBe(1);
    await stream.return(undefined);
  });

  it('ends while it waits, and lets go of what it listened to', async () => {
    const { stream, ended } = open(new VirtualClock(0), forever);
    await stream.next();
    const waiting = stream.next();
    await stream.return(undefined);
    expect((await waiting).done).toBe(true);
    expect(ended()).toBeGreaterThan(0);
    expect((await stream.next()).done).toBe(true);
  });

  it('lets go when it ends by itself, and when it fails', async () => {
    const finite = open(new VirtualClock(0), async function* () {
      yield 1;
    });
    await finite.stream.next();
    expect(finite.ended()).toBe(0);
    await finite.stream.next();
    expect(finite.ended()).toBe(1);
    const failing = open(new VirtualClock(0), async function* () {
      yield* [];
      throw new Error('no');
    });
    await expect(failing.stream.next()).rejects.toThrow('no');
    expect(failing.ended()).toBe(1);
  });
});
