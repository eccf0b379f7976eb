import { type Progress, progressDetails } from '../../job.js';
import { batchId } from '../../task.js';

/**
 * The two generations of HKube's bodies. Seed: what HKube's page on webhooks shows (2018). V2: what HKube 2.x sends.
 * Everything in which they differ is here.
 */
export interface HkubeShape {
  /** Its name in descriptors and in the `format` of a route. */
  name: 'hkube' | 'hkube-v2';
  progress(progress: Progress): Record<string, unknown>;
  /** What tells an item of a batch; nothing outside a batch. */
  batch(nodeName: string, batchIndex: number | null): object;
  /** What is said in place of a result of so many bytes. */
  tooLarge(bytes: number): string;
  /** Of a progress body, behind all else. */
  times(job: Times): object;
  /** Of a result body, behind all else. */
  took(job: Times): object;
}

/** Milliseconds since 1970. */
export interface Times {
  status: string;
  createdAt: number | null;
  startedAt: number | null;
  finishedAt: number | null;
}

export const SEED: HkubeShape = {
  name: 'hkube',
  progress: (progress) => ({ progress: progress.percent.toFixed(2), details: progressDetails(progress) }),
  batch: (nodeName, index) => (index !== null && index > 0 ? { batchID: batchId(nodeName, index) } : {}),
  tooLarge: (bytes) => `data too large (${Math.round(bytes / 1000)} kB), use the results route`,
  times: () => ({}),
  took: () => ({}),
};

/** HKube names the package that holds its results. */
const STORAGE_MODULE = '@carillon/store';

export const V2: HkubeShape = {
  name: 'hkube-v2',
  progress: ({ percent, states }) => ({
    progress: percent,
    states: Object.fromEntries(states),
    details: [`${percent}% completed`, ...states.map(([word, count]) => `${count} ${word}`)].join(', '),
  }),
  batch: (_nodeName, index) => (index === null ? {} : { batchIndex: index }),
  tooLarge: (bytes) => `data too large (${Math.round(bytes / 1024)} kB), use the stream api`,
  times: (job) => ({
    ...(job.startedAt !== null && { activeTime: job.startedAt }),
    ...(job.status === 'completed' && {
      ...seconds('netTimeTook', job.startedAt, job.finishedAt),
      ...seconds('grossTimeTook', job.createdAt, job.finishedAt),
    }),
  }),
  took: (job) => ({
    ...seconds('timeTook', job.createdAt, job.finishedAt),
    ...(job.status === 'completed' && { storageModule: STORAGE_MODULE }),
  }),
};

function seconds(key: string, from: number | null, to: number | null): object {
  return from === null || to === null ? {} : { [key]: (to - from) / 1_000 };
}
