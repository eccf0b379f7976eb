import { describe, expect, test } from 'vitest';
import type { LoggedEvent } from '../../src/event.js';
import type { BodySource } from '../../src/format.js';
import { encodeStandard, MAX_INLINE_RESULT_BYTES } from '../../src/formats/standard.js';
import type { ResultItem } from '../../src/result.js';
import {
  ACTIVE_AT,
  ALL_DONE,
  BROKEN_OFF,
  ENDED_AT,
  eventOf,
  golden,
  greenItem,
  jobFacts,
  READ_ERROR,
  taskFacts,
  UNDER_WAY,
} from './golden.js';

function encode(event: LoggedEvent, results: BodySource['results'] = null): string {
  return encodeStandard({ event, part: 'EVENT', results, publicUrl: 'https://carillon.example' });
}
const completed = eventOf('JOB_COMPLETED', ENDED_AT, jobFacts('COMPLETED', ALL_DONE));
const listOf = (...items: ResultItem[]) => ({ items, bytes: 100 });
const { code, message } = READ_ERROR;

describe('the body, byte for byte, of', () => {
  const cases: [type: string, event: LoggedEvent, results?: BodySource['results']][] = [
    [
      'job.active',
      eventOf('JOB_ACTIVE', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY), { position: 40, sequence: 2 }),
    ],
    [
      'job.progress',
      eventOf('JOB_PROGRESS', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY), { position: 41, sequence: 3 }),
    ],
    [
      'job.completed',
      completed,
      listOf(
        greenItem(1, '10'),
        greenItem(2, null, 'cannot read the image'),
        {
          nodeName: 'yellow',
          batchIndex: null,
          algorithmName: 'yellow-alg',
          resultJson: '{"text":"é \\"q\\""}',
          error: null,
        },
        { nodeName: 'skipped', batchIndex: -1, algorithmName: 'black-alg', resultJson: null, error: null },
      ),
    ],
    ['job.failed', eventOf('JOB_FAILED', ENDED_AT, jobFacts('FAILED', BROKEN_OFF, { error: READ_ERROR }))],
    [
      'job.cancelled',
      eventOf(
        'JOB_CANCELLED',
        ENDED_AT,
        jobFacts('CANCELLED', UNDER_WAY, { reason: 'stopped due to request' }),
      ),
    ],
    [
      'task.acquired',
      eventOf(
        'TASK_ACQUIRED',
        ACTIVE_AT,
        taskFacts({ worker: 'worker-1', leaseExpiresAt: ACTIVE_AT + 30_000 }),
        { position: 43, sequence: 4 },
      ),
    ],
    [
      'task.retried',
      eventOf(
        'TASK_RETRIED',
        ACTIVE_AT,
        taskFacts({ status: 'WAITING', error: { code, message }, retryAt: ACTIVE_AT + 1_000 }),
        { position: 44, sequence: 5 },
      ),
    ],
    [
      'task.progress',
      eventOf('TASK_PROGRESS', ACTIVE_AT, taskFacts({ percent: 12.5, message: 'reading' }), {
        position: 45,
        sequence: 6,
      }),
    ],
    [
      'webhook.disabled',
      eventOf(
        'WEBHOOK_DISABLED',
        ACTIVE_AT,
        { of: 'webhook', webhookId: 'wh_1', status: 'DISABLED', reason: 'the receiver answered 410' },
        { position: 46, sequence: null, job: null },
      ),
    ],
  ];
  test.each(cases)('%s', (type, event, results) => {
    expect(encode(event, results ?? null)).toBe(golden(`standard/${type}.json`));
  });
});

describe('the results of job.completed', () => {
  // What one item with an empty string as result adds to an empty list.
  const overhead =
    '{"nodeName":"green","batchIndex":1,"batchId":"green#1","algorithmName":"green-alg","result":"","error":null}'
      .length + 2;
  const withResult = (length: number) => listOf(greenItem(1, JSON.stringify('x'.repeat(length))));
  const dataOf = (body: string) => JSON.parse(body).data as Record<string, unknown>;

  test('are carried up to 256 KiB, and left out beyond, which is said', () => {
    const largest = dataOf(encode(completed, withResult(MAX_INLINE_RESULT_BYTES - overhead)));
    expect(largest['results']).toHaveLength(1);
    expect(largest).not.toHaveProperty('resultsTruncated');

    const larger = dataOf(encode(completed, withResult(MAX_INLINE_RESULT_BYTES - overhead + 1)));
    expect(larger['resultsTruncated']).toBe(true);
    expect(larger).not.toHaveProperty('results');
  });

  test('are counted in bytes, not in characters', () => {
    const results = listOf(greenItem(1, JSON.stringify('é'.repeat(MAX_INLINE_RESULT_BYTES / 2))));
    expect(dataOf(encode(completed, results))['resultsTruncated']).toBe(true);
  });

  test.each([
    ['too many to be read', { items: null, bytes: 5_000_000 }],
    ['not there', null],
  ])('that are %s are said to be left out', (_, results) => {
    expect(dataOf(encode(completed, results))).toMatchObject({ status: 'completed', resultsTruncated: true });
  });

  test('go in as they are stored, without being parsed', () => {
    const body = encode(completed, listOf(greenItem(1, '[1.0,  12345678901234567890]')));
    expect(body).toContain('"result":[1.0,  12345678901234567890],');
  });
});

test('only a completed job has results', () => {
  const failed = eventOf('JOB_FAILED', ENDED_AT, jobFacts('FAILED', BROKEN_OFF));
  expect(encode(failed, listOf(greenItem(1, '10')))).not.toContain('results');
});

test('a task outside a batch has no batch id', () => {
  const event = eventOf('TASK_COMPLETED', ACTIVE_AT, taskFacts({ item: 0, status: 'SUCCEEDED' }));
  expect(JSON.parse(encode(event)).data).toMatchObject({
    taskId: 'tsk_672a8b0ec0b0486ebb2b4571b0805f29_0_0',
    batchId: null,
    status: 'succeeded',
  });
});
