/**
 * One run of a pipeline. PENDING → ACTIVE → COMPLETED, FAILED or CANCELLED, and PAUSED between any two of them: it goes
 * back to where it was. An ended job never changes.
 */
export const jobStatuses = ['PENDING', 'ACTIVE', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof jobStatuses)[number];

export const nodeStatuses = ['WAITING', 'ACTIVE', 'SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED'] as const;
export type NodeStatus = (typeof nodeStatuses)[number];

export function isEnded(status: JobStatus): boolean {
  return status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';
}

/** Why a job or a task failed. `message` is what the algorithm said, or one clear sentence of ours. */
export interface JobError {
  code: TaskErrorCode;
  message: string;
  nodeName: string | null;
  taskId: string | null;
}

export const taskErrorCodes = [
  'ALGORITHM_ERROR',
  'ALGORITHM_NOT_FOUND',
  'BATCH_TOLERANCE',
  'EXITED',
  'INPUT_INVALID',
  'INPUT_TOO_LARGE',
  'INTERNAL',
  'LEASE_LOST',
  'NOT_JSON',
  'OUT_OF_MEMORY',
  'RESULT_TOO_LARGE',
  'TIMEOUT',
] as const;
export type TaskErrorCode = (typeof taskErrorCodes)[number];

/** Counts of units: a batch item, or a node that is not (yet) a batch. */
export interface Counts {
  total: number;
  succeeded: number;
  failed: number;
  skipped: number;
  active: number;
}

/** Progress as of one moment. */
export interface Progress extends Counts {
  /** 0 … 100 with two decimals; never goes back within a job. */
  percent: number;
  /**
   * HKube's words for the states and how many units are in each, by order of first appearance: node by node, and within a
   * batch beginning with the state of its first item.
   */
  states: [word: string, count: number][];
}

/** Rounded to two decimals; 100 only when every unit is done, so that 99,999 of 100,000 does not read as finished. */
export function percentOf(counts: Counts): number {
  const done = counts.succeeded + counts.failed + counts.skipped;
  if (counts.total === 0) return 0;
  if (done >= counts.total) return 100;
  return Math.min(Math.round((done / counts.total) * 10_000) / 100, 99.99);
}

interface Units extends Omit<Counts, 'skipped'> {
  skipped?: number;
  /** The state of the first item of a batch, where it is known. */
  first?: 'succeed' | 'failed' | 'active' | 'creating' | undefined;
}

/**
 * The progress of a job or node from what its nodes count. `stopped` says that nothing more will start: what has not
 * ended then reads as HKube's "stopped". `atLeast` is the highest percent shown before.
 */
export function progressOf(nodes: readonly Units[], stopped: boolean, atLeast: number): Progress {
  const counts: Counts = { total: 0, succeeded: 0, failed: 0, skipped: 0, active: 0 };
  const states = new Map<string, number>();
  const add = (word: string, count: number) => {
    if (count > 0) states.set(word, (states.get(word) ?? 0) + count);
  };
  const shown = (word: string) => (stopped && (word === 'active' || word === 'creating') ? 'stopped' : word);
  for (const { total, succeeded, failed, skipped = 0, active, first } of nodes) {
    const open = total - succeeded - failed - skipped;
    counts.total += total;
    counts.succeeded += succeeded;
    counts.failed += failed;
    counts.skipped += skipped;
    counts.active += stopped ? 0 : active;
    const words: [word: string, count: number][] = [
      ['succeed', succeeded],
      ['failed', failed],
      ['skipped', skipped],
      [shown('active'), active],
      [shown('creating'), open - active],
    ];
    if (first !== undefined) {
      const word = shown(first);
      words.sort(([one], [other]) => Number(other === word) - Number(one === word));
    }
    for (const [word, count] of words) add(word, count);
  }
  return { ...counts, percent: Math.max(percentOf(counts), atLeast), states: [...states] };
}

/** "66.67% completed, 2 succeed, 1 active": HKube's sentence, always with two decimals. */
export function progressDetails(progress: Pick<Progress, 'percent' | 'states'>): string {
  const states = progress.states.map(([word, count]) => `, ${count} ${word}`).join('');
  return `${progress.percent.toFixed(2)}% completed${states}`;
}

/** The public id, `<pipeline>:<uuid>`. */
export function jobId(pipelineName: string, uuid: string): string {
  return `${pipelineName}:${uuid}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The parts of a job id, or null for anything else: a foreign id is simply not found. */
export function parseJobId(id: string): { pipelineName: string; uuid: string } | null {
  const cut = id.lastIndexOf(':');
  const uuid = id.slice(cut + 1);
  return cut > 0 && UUID.test(uuid) ? { pipelineName: id.slice(0, cut), uuid } : null;
}

/** How a job came about, in HKube's words. */
export const jobTypes = [
  'raw',
  'stored',
  'algorithm',
  'node',
  'rerun',
  'cron',
  'trigger',
  'sub-pipeline',
] as const;
export type JobType = (typeof jobTypes)[number];

/** How a job came about. */
export interface Origin {
  types: JobType[];
  /** The job whose end, or whose task, has started it. */
  parentId: string | null;
  /** The job it runs again. */
  rerunOfId: string | null;
  /** Jobs above it: a chain of triggers or of pipelines in pipelines has an end. */
  depth: number;
}

/** Of a descriptor that a client has submitted. */
export const RAW: Origin = { types: ['raw'], parentId: null, rerunOfId: null, depth: 0 };

/** A job as clients see it. */
export interface Job extends Origin {
  id: string;
  uuid: string;
  accountId: string;
  number: number;
  run: number;
  externalId: string | null;
  pipelineName: string;
  experimentName: string;
  status: JobStatus;
  reason: string | null;
  error: JobError | null;
  priority: number;
  tags: string[];
  progress: Progress;
  /** Sequence and position of its newest event. */
  sequence: number;
  position: number;
  createdAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** A node of a job as clients see it. */
export interface JobNode {
  jobId: string;
  index: number;
  name: string;
  algorithmName: string;
  status: NodeStatus;
  dependsOn: string[];
  progress: Progress;
}
