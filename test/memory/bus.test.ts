import { describe, expect, it } from 'vitest';
import { memoryBus } from '../../src/memory/bus.js';

describe('the bus of one process', () => {
  it('reaches every listener of the kind, and none after it has left', () => {
    const bus = memoryBus(() => {});
    const heard: string[] = [];
    const leave = bus.listen('ready', ({ queue }) => heard.push(`one ${queue}`));
    bus.listen('ready', ({ queue }) => heard.push(`two ${queue}`));
    bus.listen('deliveries', () => heard.push('deliveries'));
    bus.publish([{ kind: 'ready', queue: 'q' }, { kind: 'expansion' }]);
    leave();
    bus.publish([{ kind: 'ready', queue: 'r' }, { kind: 'deliveries' }]);
    expect(heard).toEqual(['one q', 'two q', 'two r', 'deliveries']);
  });

  it('keeps the bug of one listener from the others and from who publishes', () => {
    const errors: unknown[] = [];
    const bus = memoryBus((error) => errors.push(error));
    const heard: string[] = [];
    bus.listen('deliveries', () => {
      throw new Error('a bug');
    });
    bus.listen('deliveries', () => heard.push('still heard'));
    bus.publish([{ kind: 'deliveries' }]);
    expect(heard).toEqual(['still heard']);
    expect(errors).toEqual([new Error('a bug')]);
  });
});
