import type { Account, ApiKey, Scope } from '../account.js';
import type { StoredAlgorithm } from '../algorithm.js';
import type { Delivery, DeliveryAttempt } from '../delivery.js';
import type { EventType, LoggedEvent } from '../event.js';
import type { Wording } from '../issue.js';
import type { Job, Origin } from '../job.js';
import type { KeyLimits, Limits } from '../limits.js';
import type { FlowInputMode, Overrides } from '../merge.js';
import type { Pipeline, SaveMode } from '../pipeline.js';
import type { Kept, RerunFrom } from '../rerun.js';
import type { Cause, EventFilter } from '../store.js';
import type { HttpHeader, Webhook, WebhookFormat } from '../webhook.js';
import type { SaveAlgorithmRequest } from './algorithms.js';
import type { AttemptView } from './attempt-source.js';
import type { Source } from './source.js';

/**
 * The use-cases, one transaction each. Expected failures are thrown as ProblemError; ids that are unknown or
 * another account's are NOT_FOUND. Reading is done through the Store port directly.
 */
export interface Engine {
  /**
   * Submits a descriptor: HKube's JSON, unknown keys ignored. `idempotencyKey` with the same `received` answers the
   * job of the first submission; with another, IDEMPOTENCY_CONFLICT. `received` is the input as the client sent it.
   */
  submit(accountId: string, submission: SubmitInput): Promise<Job>;
  /** Cancels a job that has not ended; NOT_ALLOWED_IN_STATE for one that has. */
  cancelJob(accountId: string, jobId: string, reason: string | null): Promise<Job>;
  /** Nothing new of it starts until it is resumed; NOT_ALLOWED_IN_STATE for a job that is PAUSED or has ended. */
  pauseJob(accountId: string, jobId: string): Promise<Job>;
  /** NOT_ALLOWED_IN_STATE for a job that is not PAUSED. */
  resumeJob(accountId: string, jobId: string): Promise<Job>;
  /**
   * A new job of the same pipeline, from its start, from what failed, or from one of its nodes: see RerunFrom. All but START
   * is NOT_ALLOWED_IN_STATE for a job that has not ended; START and FAILED keep its name, a node's name is added to it.
   */
  rerunJob(accountId: string, input: RerunInput): Promise<Job>;

  /**
   * Stores a descriptor under its name. It is checked as at a submission, but for what only a run has: the paths of its
   * flowInput, and its algorithms. CONFLICT where the mode or `ifVersion` does not fit.
   */
  savePipeline(accountId: string, input: SavePipelineRequest): Promise<Pipeline>;
  /** Cancels the jobs that were made of it and have not ended, then removes it with its versions. */
  deletePipeline(accountId: string, name: string): Promise<DeletedPipeline>;
  /**
   * Switches the cron of a stored pipeline on or off, by saving a version that says so. A pattern that is not given is
   * the stored one, or else DEFAULT_CRON_PATTERN. NOT_FOUND for an unknown pipeline.
   */
  setCron(accountId: string, name: string, cron: { pattern?: string; enabled: boolean }): Promise<Pipeline>;
  /** Submits a stored pipeline with what is given merged over it; see merge.ts. */
  runPipeline(accountId: string, request: RunPipelineRequest): Promise<Job>;

  /** Stores what an algorithm is; CONFLICT and NOT_FOUND where the mode does not fit. */
  saveAlgorithm(accountId: string, request: SaveAlgorithmRequest): Promise<StoredAlgorithm>;
  /** NOT_FOUND for one that is not stored. */
  deleteAlgorithm(accountId: string, name: string): Promise<void>;

  registerWebhook(accountId: string, input: WebhookInput): Promise<{ webhook: Webhook; secret: string }>;
  updateWebhook(accountId: string, id: string, input: Partial<WebhookInput>): Promise<Webhook>;
  deleteWebhook(accountId: string, id: string): Promise<void>;
  /** The new secret, which counts at once; the old one is gone. */
  rotateWebhookSecret(
    accountId: string,
    id: string,
    secret: string | null,
  ): Promise<{ webhook: Webhook; secret: string }>;
  /** One signed WEBHOOK_PING, now. A failing receiver is an attempt that failed, not a problem. */
  pingWebhook(accountId: string, id: string): Promise<DeliveryAttempt>;
  resendDelivery(accountId: string, deliveryId: string): Promise<Delivery>;

  /** Limits are those the account sets for itself, on top of the server's; null removes one. */
  updateAccount(
    accountId: string,
    input: {
      defaultWebhookUrl?: string | null;
      defaultWebhookFormat?: WebhookFormat;
      limits?: Partial<Limits>;
    },
  ): Promise<Account>;
  rotateAccountWebhookSecret(accountId: string): Promise<string>;
  /** The key itself is returned here and never again. */
  createApiKey(accountId: string, input: ApiKeyInput): Promise<{ apiKey: ApiKey; key: string }>;
  /** The key is refused from now on. Revoking it again answers the same. */
  revokeApiKey(accountId: string, id: string): Promise<ApiKey>;

  /** Names of the algorithms that can be run now, sorted. */
  algorithms(): AlgorithmInfo[];

  feed: FeedReader;
}

export interface SubmitInput {
  operation: 'submitPipeline' | 'submitDescriptor' | 'runAlgorithm' | 'runPipeline' | 'rerunJob';
  descriptor: unknown;
  received: unknown;
  idempotencyKey: string | null;
  /** How it came about; not given: as the operation says. */
  origin?: Origin;
  /** How problems of the descriptor are said; not given: in our own words. */
  wording?: Wording;
  /** What it is for, if it must be done exactly once; a cause that is stale is thrown as StaleCauseError. */
  cause?: Cause;
  /** The nodes, by name, that keep tasks of an ended job; not given: none. */
  kept?: ReadonlyMap<string, Kept>;
}

export interface RerunInput {
  jobId: string;
  from: RerunFrom;
  idempotencyKey: string | null;
  received: unknown;
}

export interface SavePipelineRequest {
  descriptor: unknown;
  mode: SaveMode;
  /** The version that it is to follow; null: any. */
  ifVersion: number | null;
  /** As in SubmitInput. */
  wording?: Wording;
}

export interface DeletedPipeline {
  /** As it was. */
  pipeline: Pipeline;
  /** Jobs of it that had not ended, and how many of them were cancelled: the others ended by themselves. */
  runningJobs: number;
  stoppedJobs: number;
}

export interface RunPipelineRequest extends Omit<SubmitInput, 'operation' | 'descriptor'> {
  name: string;
  /** Null: the newest. */
  version: number | null;
  /** Any part of a descriptor but its name. */
  overrides: Overrides;
  /** Not given: replace. */
  flowInputMode?: FlowInputMode;
}

export interface ApiKeyInput {
  name: string;
  scopes: Scope[];
  /** Null: never. */
  expiresAt: number | null;
  /** Its own; not given: none. */
  limits?: KeyLimits;
}

export interface WebhookInput {
  url: string;
  /** Null: the job's status changes. */
  events: EventType[] | null;
  pipelines: string[] | null;
  format: WebhookFormat;
  description: string | null;
  headers: HttpHeader[];
  /** Null: generated. */
  secret: string | null;
  timeoutMs: number;
  maxPerSecond: number | null;
  enabled: boolean;
}

export interface AlgorithmInfo {
  name: string;
  kind: 'MODULE';
  queue: string;
}

/**
 * Live reading: what can be followed, through the hub. A cursor that is damaged or another account's is thrown as CursorError at
 * once; what the store must be asked for (an unknown job, a cursor that is too old) is thrown when the source is read.
 */
export interface FeedReader {
  /** Every event of one job after the cursor, each once; ends after the terminal event. */
  jobEvents(
    accountId: string,
    jobId: string,
    after: string | null,
    types: EventType[] | null,
  ): Source<LoggedEvent>;
  /** Every event of the account that matches: from the cursor, or from now on. */
  events(accountId: string, filter: EventFilter, after: string | null): Source<LoggedEvent>;
  /** The job now and each time it changes, at most once per interval; its final state always, then it ends. */
  job(accountId: string, jobId: string, intervalMs: number): Source<Job>;
  /** Every attempt to call a webhook as it ends; a live view without history. */
  attempts(accountId: string, webhookId: string | null): Source<AttemptView>;
}
