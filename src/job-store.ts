import type { Committed } from './committed.js';
import type { DeliverySource } from './delivery.js';
import type { Verbosity } from './event.js';
import type { Job, JobNode, JobStatus, JobType } from './job.js';
import type { Limits, NoRoom } from './limits.js';
import type { Page } from './page.js';
import type { ResultItem } from './result.js';
import type { Change, JobState, NewJob, NodeRow, Outcome } from './state.js';
import type { WebhookFormat } from './webhook.js';

export interface IdempotencyKey {
  operation: string;
  key: string;
  /** Of the input as it was received. */
  hash: string;
}

/** A webhook URL given with a job. */
export interface JobTarget {
  source: Extract<DeliverySource, 'JOB_PROGRESS' | 'JOB_RESULT'>;
  url: string;
  urlKey: string;
  format: WebhookFormat;
  verbosity: Verbosity;
}

export interface Submission {
  accountId: string;
  job: NewJob;
  targets: JobTarget[];
  idempotency: IdempotencyKey | null;
  /** What every account may use; the account's own limits count as well. */
  limits: Limits;
  /** What it is for; not given: a client wants it. Taken off in the transaction that writes the job. */
  cause?: Cause | undefined;
  at: number;
}

/** What a job is submitted for, that must be done exactly once. */
export type Cause =
  /** A run by the clock. */
  | ({ kind: 'cron' } & CronRun)
  /** A run that is owed to the end of another job; see DueTrigger. */
  | { kind: 'trigger'; key: number }
  /** A task starts it under this lease. `awaited`: the task is nothing but this job, and ends with it. */
  | { kind: 'task'; token: string; awaited: boolean };

/** One run of a stored pipeline by its cron pattern. It stands as long as it is the next one by this pattern. */
export interface CronRun {
  pipelineId: string;
  pattern: string;
  timeZone: string;
  scheduledAt: number;
  /** The run after it; null: there is none. */
  nextAt: number | null;
}

/** The submitted job, or the one that an earlier submission with the same key made. */
export type Submitted =
  | { jobId: string; replayed: boolean; committed: Committed }
  | { conflict: true }
  | { noRoom: NoRoom }
  /** As many jobs of its pipeline as it allows beside it have not ended. */
  | { tooMany: number }
  /** What it is for has been done by another, or is not wanted any more. */
  | { stale: true };

export interface JobFilter {
  statuses?: JobStatus[];
  pipelines?: string[];
  /** Any of them. */
  tags?: string[];
  /** Each of them. */
  allTags?: string[];
  externalId?: string;
  experiment?: string;
  type?: JobType;
  /** That some node of it runs. */
  algorithm?: string;
  createdAfter?: number;
  createdBefore?: number;
}

/** The pure rule that settles outcomes; see advance.ts. */
export type Decide = (state: JobState, outcomes: Outcome[]) => Change;

export interface Settled {
  /**
   * One for each outcome handed in, in order: false where the token is stale or the job has ended. Those that it is too
   * short for were not taken, and are to be handed in next.
   */
  accepted: boolean[];
  committed: Committed;
  /** What `decide` threw, where it did: the job has failed for it, and the operator should know. */
  broken?: unknown;
}

/** Outcomes of one job, decided together. */
export interface JobOutcomes {
  jobUuid: string;
  outcomes: Outcome[];
}

export interface Jobs {
  /**
   * Writes the job, its nodes, first tasks, targets, first event and deliveries. Refused where a limit on running
   * jobs or stored bytes leaves no room; what a job writes afterwards is always taken. One job of a pipeline too many
   * is refused or held, as it says; held ones are let in, each with the end of one that ran, by priority and age.
   */
  submit(submission: Submission): Promise<Submitted>;
  /** The job an idempotency key stands for; `conflict` where it was given with another body. */
  findIdempotent(
    accountId: string,
    key: IdempotencyKey,
  ): Promise<{ jobId: string } | { conflict: true } | null>;
  /**
   * Loads what `decide` needs, decides, writes state, results, events and deliveries. An unknown job accepts
   * nothing. If `decide` throws, that job alone fails with INTERNAL. The account, where given, must own the job.
   */
  settle(group: JobOutcomes, decide: Decide): Promise<Settled>;
  job(accountId: string, id: string): Promise<Job | null>;
  /** Newest first. A long list may be read in several transactions: what changes meanwhile is seen or not. */
  jobs(accountId: string, filter: JobFilter, page: Page): Promise<Job[]>;
  /** Jobs that a time limit may end at `at`, and when the next one after it is due; null: none. */
  overdueJobs(at: number, limit: number): Promise<{ jobUuids: string[]; nextAt: number | null }>;
  /** The descriptor as executed, JSON text. */
  descriptor(accountId: string, jobId: string): Promise<string | null>;
  nodes(accountId: string, jobId: string): Promise<JobNode[]>;
  /** The same as the rules see them. */
  nodeRows(accountId: string, jobId: string): Promise<NodeRow[]>;
  /** Result items in order, from `after` (the count of items already read); stops early at `maxBytes`. */
  results(
    accountId: string,
    jobId: string,
    from: number,
    limit: number,
    maxBytes: number,
  ): Promise<ResultItem[]>;
}
