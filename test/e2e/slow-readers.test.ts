import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeasuredServer } from '../support/measured.js';
import { RawSocket } from '../support/raw-socket.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
/** Each task makes two events, and each percent of the job one. */
const TASKS = heavy ? 10_000 : 2_000;
const READERS = heavy ? 1_000 : 30;
const MIB = 1024 * 1024;

/** About 1 KiB an event: far more than the sockets of both ends hold. */
const wide = Array.from({ length: 14 }, (_, index) => `a${index}: jobId`).join(' ');
const QUERY = `subscription ($id: ID!) { jobEvents(jobId: $id) { sequence cursor type ${wide} } }`;

describe('readers that stand still', () => {
  let server: MeasuredServer;
  beforeEach(async () => {
    // More readers than an account may have unless its operator says so.
    server = await MeasuredServer.start({ CARILLON_ACCOUNT_SOCKETS: '0' });
  });
  afterEach(() => server.stop());

  /** A job of many tasks, held back until `go` by a node that waits. */
  async function submit(): Promise<string> {
    const descriptor = {
      name: 'much',
      nodes: [
        { nodeName: 'wait', algorithmName: 'nap', input: [1_000] },
        {
          nodeName: 'many',
          algorithmName: 'noop',
          input: ['#@flowInput.items', '@wait'],
        },
      ],
      flowInput: { items: Array.from({ length: TASKS }, (_, index) => index) },
    };
    const { submitDescriptor } = await server.ask<{
      submitDescriptor: { job: { id: string } | null; userErrors: unknown[] };
    }>(
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { message } } }',
      { d: descriptor },
    );
    if (!submitDescriptor.job) throw new Error(JSON.stringify(submitDescriptor.userErrors));
    return submitDescriptor.job.id;
  }

  /** A subscriber that has had its first event. */
  async function follow(id: string): Promise<RawSocket> {
    const reader = await RawSocket.ready(`${server.url}/graphql`);
    reader.subscribe('1', QUERY, { id });
    await reader.next('1');
    return reader;
  }

  const sequencesOf = (reader: RawSocket) =>
    reader.texts
      .map((text) => JSON.parse(text) as { type: string; payload?: unknown })
      .filter(({ type }) => type === 'next')
      .map(
        ({ payload }) => (payload as { data: { jobEvents: { sequence: number } } }).data.jobEvents.sequence,
      );
  const dense = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

  it('cost little memory, delay nobody, and get every event once they read again', async () => {
    const id = await submit();
    const slow = await follow(id);
    slow.socket.pause();
    const before = await server.held();
    const fast = await follow(id);
    expect((await fast.rest('1')).at(-1)!.type).toBe('complete');
    const all = sequencesOf(fast);
    expect(all.length).toBeGreaterThan(2 * TASKS);
    expect(all).toEqual(dense(all.length));
    fast.socket.terminate();

    expect(sequencesOf(slow).length).toBeLessThan(all.length);
    expect((await server.held()) - before).toBeLessThan(50 * MIB);

    slow.socket.resume();
    await slow.rest('1');
    expect(sequencesOf(slow)).toEqual(all);
  });

  it(`do not end the process, though they are ${READERS}`, async () => {
    const id = await submit();
    const readers = await Promise.all(Array.from({ length: READERS }, () => follow(id)));
    for (const reader of readers) reader.socket.pause();
    const fast = await follow(id);
    await fast.rest('1');
    const all = sequencesOf(fast);
    expect(all).toEqual(dense(all.length));
    expect(server.alive).toBe(true);
    // What may lie unread by all together, and the server itself.
    expect(await server.held()).toBeLessThan(700 * MIB);

    for (const reader of readers.slice(0, 3)) {
      reader.socket.resume();
      await reader.rest('1');
      expect(sequencesOf(reader)).toEqual(all);
    }
  });
});
