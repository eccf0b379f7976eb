import { describe, expect, test } from 'vitest';
import {
  BIG_RESULT_BYTES,
  hkubeProgress,
  hkubeResult,
  hkubeStatuses,
} from '../../../src/dialects/hkube/bodies.js';
import { encodeHkube, encodeHkubeV2 } from '../../../src/dialects/hkube/format.js';
import { SEED, V2 } from '../../../src/dialects/hkube/shape.js';
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
const formats = { hkube: encodeHkube, 'hkube-v2': encodeHkubeV2 };
type Format = keyof typeof formats;
const both = Object.keys(formats) as Format[];
const progress = (event: LoggedEvent, format: Format = 'hkube') =>
  formats[format]({ event, part: 'EVENT', results: null, publicUrl });
const result = (event: LoggedEvent, results: BodySource['results'] = null, format: Format = 'hkube') =>
  formats[format]({ event, part: 'RESULT', results, publicUrl });
const listOf = (...items: ResultItem[]) => ({ items, bytes: 123_456 });

describe.each(both)('the progress body of %s, byte for byte, of a job that is', (format) => {
  const none = { ...UNDER_WAY, percent: 0 };
  const cases: [name: string, event: LoggedEvent][] = [
    ['pending', eventOf('JOB_PENDING', PENDING_AT, jobFacts('PENDING', none, { startedAt: null }))],
    ['active', eventOf('JOB_ACTIVE', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    ['progress', eventOf('JOB_PROGRESS', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    ['paused', eventOf('JOB_PAUSED', ACTIVE_AT, jobFacts('PAUSED', UNDER_WAY))],
    ['resumed', eventOf('JOB_RESUMED', ACTIVE_AT, jobFacts('ACTIVE', UNDER_WAY))],
    [
      'completed',
      eventOf('JOB_COMPLETED', ENDED_AT, jobFacts('COMPLETED', ALL_DONE, { finishedAt: ENDED_AT })),
    ],
    [
      'failed',
      eventOf(
        'JOB_FAILED',
        ENDED_AT,
        jobFacts('FAILED', BROKEN_OFF, { error: READ_ERROR, finishedAt: ENDED_AT }),
      ),
    ],
    [
      'stopped',
      eventOf(
        'JOB_CANCELLED',
        ENDED_AT,
        jobFacts('CANCELLED', UNDER_WAY, { reason: 'stopped due to request', finishedAt: ENDED_AT }),
      ),
    ],
  ];
  test.each(cases)('%s', (name, event) => {
    expect(progress(event, format)).toBe(golden(`${format}/progress-${name}.json`));
  });

  test('failed without a node to blame has no nodeName', () => {
    const error = { ...READ_ERROR, nodeName: null, taskId: null };
    const body = JSON.parse(
      progress(eventOf('JOB_FAILED', ENDED_AT, jobFacts('FAILED', BROKEN_OFF, { error })), format),
    );
    expect(body.error).toBe('cannot read the image');
    expect(body).not.toHaveProperty('nodeName');
  });

  test('shown by an event of one of its tasks: active, at level debug', () => {
    const body = JSON.parse(
      progress(eventOf('TASK_COMPLETED', ACTIVE_AT, taskFacts({ status: 'SUCCEEDED' })), format),
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

describe.each(both)('the result body of %s, byte for byte, of a job that is', (format) => {
  const job = {
    id: 'batch-pipeline:e51c8dd7-7a7b-4d65-ad36-d1a919a9dee1',
    number: 1,
    pipelineName: 'batch-pipeline',
    externalId: null,
    tags: [],
    createdAt: Date.UTC(2018, 0, 16, 15, 14, 57, 869),
  };
  const at = Date.UTC(2018, 0, 16, 15, 15, 0, 369);
  const completed = eventOf('JOB_COMPLETED', at, jobFacts('COMPLETED', ALL_DONE, { finishedAt: at }), {
    job,
  });

  test('completed', () => {
    const results = listOf(greenItem(1, '10'), greenItem(2, '20'), greenItem(3, '30'));
    expect(result(completed, results, format)).toBe(golden(`${format}/result-completed.json`));
  });

  test('completed, with a tolerated failure, an item outside the batch and a skipped leaf', () => {
    const results = listOf(
      greenItem(1, '{"text":"é \\"q\\" </script>","none":null}'),
      greenItem(2, null, 'cannot read the image'),
      { nodeName: 'yellow', batchIndex: null, algorithmName: 'yellow-alg', resultJson: 'null', error: null },
      { nodeName: 'skipped', batchIndex: -1, algorithmName: 'black-alg', resultJson: null, error: null },
    );
    expect(result(completed, results, format)).toBe(golden(`${format}/result-mixed.json`));
  });

  test('failed', () => {
    const event = eventOf(
      'JOB_FAILED',
      at,
      jobFacts('FAILED', BROKEN_OFF, { error: READ_ERROR, finishedAt: at }),
      { job },
    );
    expect(result(event, null, format)).toBe(golden(`${format}/result-failed.json`));
  });

  test('stopped', () => {
    const facts = jobFacts('CANCELLED', UNDER_WAY, { reason: 'stopped due to request', finishedAt: at });
    const event = eventOf('JOB_CANCELLED', at, facts, { job });
    expect(result(event, null, format)).toBe(golden(`${format}/result-stopped.json`));
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
    createdAt: 1516114021002,
    startedAt: 1516114021530,
    finishedAt: 1516114024142,
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
    const body = JSON.parse(hkubeResult({ ...job, status: 'completed', results }, SEED, none));
    expect(body.data[0].result).toHaveLength(2 * MAX_BODY_BYTES);
  });
});

describe('hkube-v2', () => {
  const completed = eventOf('JOB_COMPLETED', ENDED_AT, jobFacts('COMPLETED', ALL_DONE));
  const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));

  test('keeps info where an item is too large, and the result itself where it is not (case 74)', () => {
    const items = [greenItem(1, text(600_000)), greenItem(2, text(50_000))];
    const { data } = JSON.parse(result(completed, { items, bytes: 650_000 }, 'hkube-v2'));
    expect(data).toEqual([
      {
        nodeName: 'green',
        batchIndex: 1,
        algorithmName: 'green-alg',
        info: {
          path: '/api/v1/exec/results/batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29',
          size: 600_000,
          isBigData: true,
          message: 'data too large (586 kB), use the stream api',
        },
      },
      { nodeName: 'green', batchIndex: 2, algorithmName: 'green-alg', result: 'x'.repeat(49_998) },
    ]);
  });

  test('carries one info in place of a list that no body can hold', () => {
    const { data } = JSON.parse(result(completed, { items: null, bytes: 5_242_880 }, 'hkube-v2'));
    expect(data).toEqual([{ info: expect.objectContaining({ size: 5_242_880, isBigData: true }) }]);
  });

  test('counts units by state, in order of appearance (case 80)', () => {
    const progress = {
      ...ALL_DONE,
      states: [
        ['skipped', 1],
        ['succeed', 1],
      ] as [string, number][],
    };
    expect(V2.progress(progress)).toEqual({
      progress: 100,
      states: { skipped: 1, succeed: 1 },
      details: '100% completed, 1 skipped, 1 succeed',
    });
  });

  test('says nothing of times that there are not: a job that was stopped before it began', () => {
    const facts = jobFacts('CANCELLED', UNDER_WAY, { startedAt: null, finishedAt: ENDED_AT });
    const body = JSON.parse(progress(eventOf('JOB_CANCELLED', ENDED_AT, facts), 'hkube-v2'));
    for (const key of ['activeTime', 'netTimeTook', 'grossTimeTook']) expect(body).not.toHaveProperty(key);
  });
});
