import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventId, parseEventId } from '../src/event.js';
import { decodeCursor, encodeCursor } from '../src/feed.js';
import { jobId, parseJobId } from '../src/job.js';
import { leaseToken, parseLeaseToken, parseTaskId, taskId } from '../src/task.js';

const positions = fc.nat(2 ** 31 - 1);
const uuid = '01890a5d-ac96-774b-bcce-b302099a8057';

describe('a cursor', () => {
  it('comes back as the position it was made of, for its account only', () => {
    fc.assert(
      fc.property(positions, (position) => {
        const cursor = encodeCursor('acc_one', position);
        expect(decodeCursor(cursor, 'acc_one')).toBe(position);
        expect(decodeCursor(cursor, 'acc_two')).toBeNull();
        expect(cursor).toMatch(/^[\w-]+$/);
      }),
    );
  });

  it('that is damaged anywhere is refused', () => {
    const cursor = encodeCursor('acc_one', 123);
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom('A', 'z', '5', ''), (place, letter) => {
        const damaged = cursor.slice(0, place) + letter + cursor.slice(place + 1);
        // A change of the bits that base64 throws away at the end makes the same bytes.
        fc.pre(Buffer.compare(Buffer.from(damaged, 'base64url'), Buffer.from(cursor, 'base64url')) !== 0);
        expect(decodeCursor(damaged, 'acc_one')).toBeNull();
      }),
    );
    for (const text of ['', 'x', 'a'.repeat(5_000), '1.acc_one.5'])
      expect(decodeCursor(text, 'acc_one')).toBeNull();
  });
});

describe('a cursor that a client has made up', () => {
  it('is refused where its position is none', () => {
    for (const position of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 60, '1.', ' 1', '0x1', ''])
      expect(decodeCursor(encodeCursor('acc_one', position as number), 'acc_one'), `${position}`).toBeNull();
  });
});

describe('ids', () => {
  it('of events name their place and never have a full stop', () => {
    fc.assert(
      fc.property(positions, positions, (position, occurredAt) => {
        const id = eventId({ accountId: 'acc_abc123', position, occurredAt });
        expect(id).toMatch(/^evt_[a-z0-9_]+$/);
        expect(parseEventId(id, 'acc_abc123')).toEqual({ position, occurredAt });
        expect(parseEventId(id, 'acc_other')).toBeNull();
      }),
    );
  });

  it('of jobs may have colons in the pipeline', () => {
    expect(parseJobId(jobId('a:b', uuid))).toEqual({ pipelineName: 'a:b', uuid });
    for (const text of ['', uuid, `:${uuid}`, 'p:123', `p:${uuid.toUpperCase()}`])
      expect(parseJobId(text)).toBeNull();
  });

  it('of tasks and leases come back as what they were made of', () => {
    const ref = { node: 3, item: 40_000 };
    expect(parseTaskId(taskId(uuid, ref))).toEqual({ ...ref, jobUuid: uuid });
    expect(parseLeaseToken(leaseToken(uuid, ref, 'secret.x'))).toEqual({ ...ref, jobUuid: uuid });
    for (const text of ['', 'tsk_', `tsk_${uuid}_0_0`, taskId(uuid, ref).slice(0, -1).replace('3', 'x')])
      expect(parseTaskId(text)).toBeNull();
  });
});
