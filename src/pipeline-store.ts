import type { StoredAlgorithm } from './algorithm.js';
import type { Job } from './job.js';
import type { CronRun } from './job-store.js';
import type { Limits, NoRoom } from './limits.js';
import type { Page } from './page.js';
import type { Pipeline, PipelineVersion, SaveMode } from './pipeline.js';

/** What runs a pipeline by itself, as it is kept beside its descriptor. */
export interface SavedTriggers {
  /** `nextAt` is the first run from now on, null where it is switched off; it counts where the cron is not what it was. */
  cron: { pattern: string; timeZone: string; nextAt: number | null } | null;
  /** Names of pipelines, each once. */
  pipelines: string[];
}

export interface PipelineSave {
  accountId: string;
  name: string;
  /** What the descriptor says of itself, for lists. */
  description: string | null;
  tags: string[];
  /** JSON text, defaults filled in. */
  descriptor: string;
  triggers: SavedTriggers;
  mode: SaveMode;
  /** The version that is to be there before; null: any. */
  ifVersion: number | null;
  /** What every account may use; the account's own limits count as well. */
  limits: Limits;
  at: number;
}

/** The pipeline as it now is, or why nothing was written: `version` is the one there is, where another was expected. */
export type PipelineSaved =
  | { pipeline: Pipeline }
  | { exists: true }
  | { missing: true }
  | { version: number }
  | { noRoom: NoRoom }
  | { full: number };

export interface Pipelines {
  /** Writes a version, unless the descriptor is the newest one's; see MAX_VERSIONS for how many are kept. */
  savePipeline(save: PipelineSave): Promise<PipelineSaved>;
  pipeline(accountId: string, name: string): Promise<Pipeline | null>;
  pipelineById(accountId: string, id: string): Promise<Pipeline | null>;
  /** By name, which is also what the page's places are. */
  pipelines(accountId: string, page: Page): Promise<Pipeline[]>;
  /** The descriptor, JSON text, of a version; null is the newest. Null for what is not there, or no longer. */
  pipelineDescriptor(
    accountId: string,
    name: string,
    version: number | null,
  ): Promise<{ version: number; descriptor: string } | null>;
  /** Newest first; the page's places are their numbers. */
  pipelineVersions(accountId: string, name: string, page: Page): Promise<PipelineVersion[]>;
  /** Removes it with its versions, as it was last; null for an unknown one. */
  deletePipeline(accountId: string, name: string): Promise<Pipeline | null>;
  /**
   * Jobs of this name that have not ended and were made of the stored pipeline, some of them at a time: `next` is
   * where to go on, null at the end. A job whose submission was asked for before this is among them.
   */
  storedRuns(
    accountId: string,
    name: string,
    after: string | null,
  ): Promise<{ jobUuids: string[]; next: string | null }>;
}

export interface AlgorithmSave {
  accountId: string;
  name: string;
  /** JSON text. */
  document: string;
  mode: SaveMode;
  /** What every account may use; the account's own limits count as well. */
  limits: Limits;
  at: number;
}

/** The document as it now is, or why nothing was written. */
export type AlgorithmSaved =
  | { algorithm: StoredAlgorithm }
  | { exists: true }
  | { missing: true }
  | { noRoom: NoRoom }
  | { full: number };

export interface Algorithms {
  saveAlgorithm(save: AlgorithmSave): Promise<AlgorithmSaved>;
  storedAlgorithm(accountId: string, name: string): Promise<StoredAlgorithm | null>;
  /** Of all of them, in order: there are at most MAX_ALGORITHMS. */
  storedAlgorithmNames(accountId: string): Promise<string[]>;
  /** False for an unknown one. */
  deleteAlgorithm(accountId: string, name: string): Promise<boolean>;
}

/** How a pipeline's cron stands. */
export interface CronState {
  pattern: string;
  timeZone: string;
  /** Null: it is switched off. */
  nextRunAt: number | null;
  /** When the last run was scheduled for, whatever became of it; null: there was none. */
  lastRunAt: number | null;
  /** The newest job it has submitted; it may have been removed. */
  lastJobId: string | null;
  /** Why the last run could not be submitted; null: it was. */
  lastError: string | null;
}

/** A run by the clock whose time has come. */
export interface DueCron extends Omit<CronRun, 'nextAt'> {
  accountId: string;
  pipelineName: string;
  lastError: string | null;
}

/** A run that a stored pipeline is owed since a job has completed. */
export interface DueTrigger {
  key: number;
  accountId: string;
  pipelineName: string;
  /** The job, how deep it lies itself, and about how long its results are together. */
  jobId: string;
  depth: number;
  resultBytes: number;
}

export interface Triggering {
  /**
   * The next run of each cron that was due at `at`, `limit` of them: accounts in turns, each in order. And when any is
   * due next.
   */
  dueCrons(at: number, limit: number): Promise<{ due: DueCron[]; nextAt: number | null }>;
  /** Goes on to the run after this one without a job; `error`, if any, says why. False: the run is not owed. */
  skipCron(run: CronRun, error: string | null): Promise<boolean>;
  /** Null for a pipeline without a cron. */
  cron(accountId: string, pipelineName: string): Promise<CronState | null>;
  /** Runs that are owed: accounts in turns, each in order; stops before `maxBytes` of results, but gives at least one. */
  dueTriggers(limit: number, maxBytes: number): Promise<DueTrigger[]>;
  /** Such a run cannot be submitted: it is owed no more. */
  dropTrigger(key: number, error: string): Promise<void>;
  /** Names of the pipelines whose completed runs run this one. */
  triggerSources(accountId: string, pipelineName: string): Promise<string[]>;
  /** Names of the stored pipelines that completed runs of this name run. */
  triggerTargets(accountId: string, pipelineName: string): Promise<string[]>;
  /** Pairs of a pipeline and one that runs after it, by the names of those that run: 10,000 at most. */
  triggerEdges(accountId: string): Promise<{ source: string; pipelineName: string }[]>;
  /** Jobs that the end of this one, or its tasks, have started: oldest first. */
  children(accountId: string, jobId: string, page: Page): Promise<Job[]>;
}
