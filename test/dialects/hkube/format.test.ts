import { describe, expect, test } from 'vitest';
import {
  BIG_RESULT_BYTES,
  encodeHkube,
  hkubeProgress,
  hkubeResult,
  hkubeStatuses,
} from '../../../src/dialects/hkube/format.js';
import type { LoggedEvent } from '../../../src/event.js';
import { type BodySource, MAX_BODY_BYTES } from '../../../src/format.js';
import type { ResultItem } from '../../../src/result.js';
import {
  ACTIVE_AT,
  ALL_DONE,
  BROKEN_OFF,
  ENDED_AT,
  eventOf,
  golden,
  greenItem,
  jobFacts,
  PENDING_AT,
  READ_ERROR,
  taskFacts,
  UNDER_WAY,
} from '../../formats/golden.js';

const publicUrl = 'https://carillon.example';
const progress = (event: LoggedEvent) => encodeHkube({ event, part: 'EVENT', results: null, publicUrl });
const result = (event: LoggedEvent, results: BodySource['results'] = null) =>
  encodeHkube({ event, part: 'RESULT', results, publicUrl });
const listOf = (...items: ResultItem[]) => ({ items, bytes: 123_456 });

describe('the progress body, byte for byte, of a job that is', () => {
  const none = { ...UNDER_WAY, percent: 0 };
  const cases: [name: string, event: LoggedEvent][] = [
    ['pending', eventOf('JOB_PENDING', PENDING_AT, jobFacts('PENDING', none))],
    ['active', eventOf('JOB_ACTIVE', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    ['progress', eventOf('JOB_PROGRESS', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    ['paused', eventOf('JOB_PAUSED', ACTIVE_AT, jobFacts('PAUSED', UNDER_WAY))],
    ['resumed', eventOf('JOB_RESUMED', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    ['completed', eventOf('JOB_COMPLETED', ENDED_AT, jobFacts('COMPLETED', ALL_DONE))],
    ['failed', eventOf('JOB_FAILED', ENDED_AT, jobFacts('FAILED', BROKEN_OFF, { error: READ_ERROR }))],
    [
      'stopped',
      eventOf(
        'JOB_CANCELLED',
        ENDED_AT,
        jobFacts('CANCELLED', UNDER_WAY, { reason: 'stopped due to request' }),
      ),
    ],
  ];
  test.each(cases)('%s', (name, event) => {
    expect(progress(event)).toBe(golden(`hkube/progress-${name}.json`));
  });

  test('failed without a node to blame has no nodeName', () => {
    const error = { ...READ_ERROR, nodeName: null, taskId: null };
    const body = JSON.parse(
      progress(eventOf('JOB_FAILED', ENDED_AT, jobFacts('FAILED', BROKEN_OFF, { error }))),
    );
    expect(body.error).toBe('cannot read the image');
    expect(body).not.toHaveProperty('nodeName');
  });

  test('shown by an event of one of its tasks: active, at level debug', () => {
    const body = JSON.parse(
      progress(eventOf('TASK_COMPLETED', ACTIVE_AT, taskFacts({ status: 'SUCCEEDED' }))),
    );
    expect(body).toEqual({
      jobId: 'batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29',
      timestamp: '2018-01-16T14:47:01.530Z',
      pipeline: 'batch',
      level: 'debug',
      status: 'active',
    });
  });
});

test('an event without a job keeps its own name as status', () => {
  const facts = { of: 'webhook', webhookId: 'wh_1', status: 'ENABLED', reason: null } as const;
  const ping = eventOf('WEBHOOK_PING', ACTIVE_AT, facts, { job: null, sequence: null });
  expect(JSON.parse(progress(ping))).toMatchObject({ jobId: null, pipeline: null, status: 'webhook.ping' });
});

describe('the result body, byte for byte, of a job that is', () => {
  const job = {
    id: 'batch-pipeline:e51c8dd7-7a7b-4d65-ad36-d1a919a9dee1',
    number: 1,
    pipelineName: 'batch-pipeline',
    externalId: null,
    tags: [],
  };
  const at = Date.UTC(2018, 0, 16, 15, 15, 0, 369);
  const completed = eventOf('JOB_COMPLETED', at, jobFacts('COMPLETED', ALL_DONE), { job });

  test('completed', () => {
    const results = listOf(greenItem(1, '10'), greenItem(2, '20'), greenItem(3, '30'));
    expect(result(completed, results)).toBe(golden('hkube/result-completed.json'));
  });

  test('completed, with a tolerated failure, an item outside the batch and a skipped leaf', () => {
    const results = listOf(
      greenItem(1, '{"text":"é \\"q\\" </script>","none":null}'),
      greenItem(2, null, 'cannot read the image'),
      { nodeName: 'yellow', batchIndex: null, algorithmName: 'yellow-alg', resultJson: 'null', error: null },
      { nodeName: 'skipped', batchIndex: -1, algorithmName: 'black-alg', resultJson: null, error: null },
    );
    expect(result(completed, results)).toBe(golden('hkube/result-mixed.json'));
  });

  test('failed', () => {
    const event = eventOf('JOB_FAILED', at, jobFacts('FAILED', BROKEN_OFF, { error: READ_ERROR }), { job });
    expect(result(event)).toBe(golden('hkube/result-failed.json'));
  });

  test('stopped', () => {
    const facts = jobFacts('CANCELLED', UNDER_WAY, { reason: 'stopped due to request' });
    expect(result(eventOf('JOB_CANCELLED', at, facts, { job }))).toBe(golden('hkube/result-stopped.json'));
  });
});

describe('what is too large to carry', () => {
  const completed = eventOf('JOB_COMPLETED', ENDED_AT, jobFacts('COMPLETED', ALL_DONE));
  const path = '/api/v1/exec/results/batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29';
  const dataOf = (results: BodySource['results']) => JSON.parse(result(completed, results)).data as unknown[];
  /** JSON text of `bytes` bytes. */
  const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));
  const info = (size: number, kB: number) => ({
    path,
    size,
    isBigData: true,
    message: `data too large (${kB} kB), use the results route`,
  });

  test('is an item from 100 KiB on: it has info in place of its result', () => {
    const largest = greenItem(1, text(BIG_RESULT_BYTES - 1));
    expect(dataOf(listOf(largest, greenItem(2, text(BIG_RESULT_BYTES)), greenItem(3, '30')))).toEqual([
      expect.objectContaining({ batchID: 'green#1', result: expect.any(String) }),
      { nodeName: 'green', batchID: 'green#2', algorithmName: 'green-alg', info: info(102_400, 102) },
      { nodeName: 'green', batchID: 'green#3', algorithmName: 'green-alg', result: 30 },
    ]);
  });

  test('is counted in bytes', () => {
    const [item] = dataOf(listOf(greenItem(1, JSON.stringify('é'.repeat(60_000)))));
    expect(item).toMatchObject({ info: info(120_002, 120) });
  });

  test('is a list that was not read: the whole is one info', () => {
    expect(dataOf({ items: null, bytes: 586_000_000 })).toEqual([{ info: info(586_000_000, 586_000) }]);
  });

  test('is a body above the limit, though each of its items is small', () => {
    const items = (count: number) => Array.from({ length: count }, (_, n) => greenItem(n + 1, text(10_000)));
    expect(dataOf({ items: items(100), bytes: 1_000_000 })).toHaveLength(100);
    expect(dataOf({ items: items(110), bytes: 1_100_000 })).toEqual([{ info: info(1_100_000, 1_100) }]);
    for (const count of [100, 110]) {
      const body = result(completed, { items: items(count), bytes: count * 10_000 });
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(MAX_BODY_BYTES);
    }
  });
});

describe('the routes', () => {
  const job = {
    jobId: 'batch:1',
    timestamp: 1516114024142,
    pipeline: 'batch',
    error: null,
    reason: null,
  };

  test('write the time as they want it', () => {
    const body = hkubeProgress({
      ...job,
      status: hkubeStatuses.COMPLETED,
      level: 'info',
      progress: ALL_DONE,
    });
    expect(body.timestamp).toBe(1516114024142);
  });

  test('give results of any size where they lift the limits', () => {
    const results = listOf(greenItem(1, JSON.stringify('x'.repeat(2 * MAX_BODY_BYTES))));
    const none = { itemBytes: Number.POSITIVE_INFINITY, bodyBytes: Number.POSITIVE_INFINITY };
    const body = JSON.parse(hkubeResult({ ...job, status: 'completed', results }, none));
    expect(body.data[0].result).toHaveLength(2 * MAX_BODY_BYTES);
  });
});
