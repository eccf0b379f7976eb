import type { Account, ApiKey, Scope } from './account.js';
import type { StoredAlgorithm } from './algorithm.js';
import type {
  AttemptOutcome,
  Delivery,
  DeliveryAttempt,
  DeliverySource,
  DeliveryStatus,
} from './delivery.js';
import type { EventType, LoggedEvent, Verbosity } from './event.js';
import type { Job, JobNode, JobStatus, JobType } from './job.js';
import type { LeasedTask } from './lease.js';
import type { KeyLimits, Limits, NoRoom } from './limits.js';
import type { Pipeline, PipelineVersion, SaveMode } from './pipeline.js';
import type { InputSource, Reference } from './reference.js';
import type { ResultItem, ResultList } from './result.js';
import type { Change, JobState, NewJob, NodeRow, Outcome } from './state.js';
import type { Task, TaskStatus } from './task.js';
import type { HttpHeader, Webhook, WebhookFormat } from './webhook.js';

/**
 * The one door to durable state. Every method is one transaction; what it returns is committed. Every method may
 * be called concurrently, and a rejected promise means that nothing of it was written: UnavailableError where the disk
 * is full or fails, which ends by itself. Ids are the public ones;
 * what belongs to another account is answered like what never existed.
 */
export interface Store
  extends Jobs,
    Pipelines,
    Algorithms,
    Triggering,
    Tasks,
    Links,
    Feed,
    Webhooks,
    Deliveries,
    Accounts,
    ApiKeys {
  /** Whether the database answers. */
  ping(): Promise<boolean>;
  /** The newest time in which writes were refused with UnavailableError; null: there was none since the start. */
  outage(): Promise<Outage | null>;
  close(): Promise<void>;
}

/** A time in which the disk refused writes; see UnavailableError. */
export interface Outage {
  since: number;
  /** When a write was last refused. */
  last: number;
  reason: string;
  /** Nothing has been refused for a minute, and something was written since. */
  over: boolean;
}

/** A page by keyset: rows after and before the rows with these ids, `limit` at most; `inverted` reads from the end. */
export interface Page {
  limit: number;
  after: string | null;
  before: string | null;
  inverted: boolean;
}

/** What others must hear once a transaction stands. */
export interface Committed {
  /** In order of position. */
  events: LoggedEvent[];
  /** Queues that have got tasks to claim. */
  readyQueues: string[];
  /** Whether some lane became due. */
  deliveries: boolean;
  /** Whether some node waits to be expanded. */
  expansion: boolean;
  /** Whether a stored pipeline is owed a run. */
  triggered: boolean;
  /** Leases taken from their holders because the job has ended, or was paused before they started. */
  revoked: string[];
  /** Whether something is to be done about a job that a task has started; see Links. */
  links: boolean;
}

// ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────

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

// ── Stored pipelines ────────────────────────────────────────────────────────────────────────────────

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

// ── Stored algorithms ───────────────────────────────────────────────────────────────────────────────

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

// ── What runs stored pipelines by itself ───────────────────────────────────────────────────────────

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

// ── Tasks ───────────────────────────────────────────────────────────────────────────────────────────

export interface TaskFilter {
  statuses?: TaskStatus[];
  nodeNames?: string[];
  /** The place of a node, by which its tasks are found without comparing names. */
  node?: number;
}

export interface Claim {
  queues: string[];
  max: number;
  worker: string;
  leaseMs: number;
  at: number;
}

/** A node that is ready but does not have all its rows yet: of a batch, or kept ones. */
export interface Expansion {
  /** Where it stands in the store's order: hand it in again to get the one after it. */
  place: string;
  jobUuid: string;
  node: number;
  /** Rows made so far. */
  expanded: number;
  /** Its rows come from an ended job first: see `keep`. */
  keeping: boolean;
  /** How many items its batch has, where earlier rows say so. */
  size: number | null;
  /** Whether its rows are made as items of its parents are done: see `waiting`. */
  waits: boolean;
}

/** A node that waits for items of its parents, and what there is to look at. */
export interface Waiting {
  nodeName: string;
  expanded: number;
  /** Items that were looked at in order. */
  scanned: number;
  /** Items of the parent that has most. */
  width: number;
  looked: LookedAt[];
  /** Whether that is not all. */
  more: boolean;
}

/** An item of a node's parents, counted from 1. */
export interface LookedAt {
  item: number;
  /** Rows made of it so far; null: nothing is to be made, since some parent's is not done (or it is listed twice). */
  made: number | null;
  /** Keys of the arrivals that say so. */
  arrivals: number[];
  /** Whether it is the next one in order. */
  inOrder: boolean;
}

/** What the items of a batch are made of. */
export interface ExpansionInputs {
  nodeName: string;
  references: Reference[];
  operation: 'indexed' | 'cartesian';
  source: InputSource;
}

export interface Tasks {
  /**
   * Leases at most `max` ready tasks: jobs by priority, then the account, then the job that has waited longest for
   * its turn, and at most 32 tasks of each. The lease is not a start: see Outcome. Jobs that are PAUSED or held give none.
   */
  claim(claim: Claim): Promise<LeasedTask[]>;
  /** Queues that may have tasks to claim, `limit` at most, in no order. */
  readyQueues(limit: number): Promise<string[]>;
  /** Moves the end of the leases that are held at `at`; answers which are. One that has ended is not brought back. */
  extend(tokens: string[], until: number, at: number): Promise<boolean[]>;
  /** Leases that had ended at `at`, or (whatever the time) of workers whose name starts with `ofWorkers`. */
  expiredLeases(at: number, limit: number, ofWorkers?: string): Promise<{ token: string; jobUuid: string }[]>;
  /** Makes retries that are due ready. Returns the queues and when the next one is due. */
  promoteRetries(at: number, limit: number): Promise<{ readyQueues: string[]; nextAt: number | null }>;
  /** Raises jobs that have waited `afterMs` for a claim by one priority. */
  agePriorities(at: number, afterMs: number): Promise<void>;
  /** The next node to expand after a place (in a circle), or null. */
  nextExpansion(after: string | null): Promise<Expansion | null>;
  /** Null once the node has nothing to expand any more. */
  expansionInputs(jobUuid: string, node: number): Promise<ExpansionInputs | null>;
  /**
   * Copies the next rows of a node that keeps those of an ended job, with their inputs and results, and settles what
   * that comes to: an outcome `kept`. At most 250 rows and 512 KiB of text, but one row at least.
   */
  keep(jobUuid: string, node: number, at: number, decide: Decide): Promise<Settled>;
  /** What to look at of a node that waits for items, at most `most` of them; null: there is nothing any more. */
  waiting(jobUuid: string, node: number, most: number): Promise<Waiting | null>;
  /** Removes some of what a job that has ended would have looked at; false: there is no such job. */
  forgetArrivals(): Promise<boolean>;
  task(accountId: string, id: string): Promise<Task | null>;
  /** In order of node and item. A long list may be read in several transactions, like jobs. */
  tasks(accountId: string, jobId: string, filter: TaskFilter, page: Page): Promise<Task[]>;
  /** What the input of a task is made of. */
  inputSource(accountId: string, taskId: string): Promise<InputSource | null>;
  /** The result of a task that succeeded, JSON text. */
  taskResult(accountId: string, taskId: string): Promise<string | null>;
}

// ── Jobs started by tasks ───────────────────────────────────────────────────────────────────────────

/** A job that a task has started, where one of the two has ended and the other has to follow. */
export interface OwedLink {
  /** Where it stands in the store's order: hand it in again to get those after it. */
  place: string;
  /** CANCEL: the task is over, and the job still runs. SETTLE: the job is over, and the task has to end with it. */
  todo: 'CANCEL' | 'SETTLE';
  child: Job;
  /** The lease under which the task has started the job. */
  token: string;
  /** What the task has failed with, if that is how it ended. */
  failure: string | null;
  /** Bounds the task's run; null: none. */
  timeoutMs: number | null;
}

export interface Links {
  /** What is to be done, `limit` at most. It is taken off by the commit that ends the job, or the task. */
  owedLinks(after: string | null, limit: number): Promise<OwedLink[]>;
}

// ── The feed ────────────────────────────────────────────────────────────────────────────────────────

export interface EventFilter {
  types?: EventType[];
  jobIds?: string[];
  pipelines?: string[];
  tags?: string[];
  webhookIds?: string[];
}

export interface EventPage {
  events: LoggedEvent[];
  /** The position up to which the log was looked at: where to go on, also when nothing matched. */
  through: number;
  /** Position of the newest event. */
  head: number;
  /** Positions at or below it are gone. */
  tail: number;
}

export interface Feed {
  /** Events after `after`, `limit` at most. At most 10 × `limit` rows are looked at, so a page may be short of a rare match. */
  events(accountId: string, filter: EventFilter, after: number, limit: number): Promise<EventPage>;
  /** The same of one job: null for an unknown one. `ended` is true once no event can follow `through`. */
  jobEvents(
    accountId: string,
    jobId: string,
    types: EventType[] | null,
    after: number,
    limit: number,
  ): Promise<(EventPage & { ended: boolean }) | null>;
  event(accountId: string, id: string): Promise<LoggedEvent | null>;
  /** What was done to a job, newest first: it was submitted, paused, resumed and cancelled. Empty for an unknown one. */
  jobHistory(accountId: string, jobId: string, limit: number): Promise<LoggedEvent[]>;
}

// ── Webhooks ────────────────────────────────────────────────────────────────────────────────────────

export interface NewWebhook {
  accountId: string;
  url: string;
  urlKey: string;
  description: string | null;
  events: EventType[];
  pipelines: string[];
  format: WebhookFormat;
  headers: HttpHeader[];
  secret: string;
  timeoutMs: number;
  maxPerSecond: number | null;
  enabled: boolean;
  at: number;
}

export type WebhookPatch = Partial<
  Pick<
    NewWebhook,
    | 'url'
    | 'urlKey'
    | 'description'
    | 'events'
    | 'pipelines'
    | 'format'
    | 'headers'
    | 'timeoutMs'
    | 'maxPerSecond'
    | 'enabled'
  >
>;

export interface Webhooks {
  registerWebhook(webhook: NewWebhook): Promise<Webhook>;
  /** Null for an unknown one. Disabling holds its deliveries; enabling sends them in order. */
  updateWebhook(accountId: string, id: string, patch: WebhookPatch, at: number): Promise<Webhook | null>;
  /** Cancels what it still had to deliver. The record of its deliveries stays. */
  deleteWebhook(accountId: string, id: string, at: number): Promise<boolean>;
  rotateWebhookSecret(accountId: string, id: string, secret: string): Promise<Webhook | null>;
  webhook(accountId: string, id: string): Promise<Webhook | null>;
  webhooks(accountId: string, page: Page): Promise<Webhook[]>;
}

// ── Deliveries ──────────────────────────────────────────────────────────────────────────────────────

export interface DeliveryFilter {
  statuses?: DeliveryStatus[];
  webhookId?: string;
  jobId?: string;
  eventTypes?: EventType[];
  sources?: DeliverySource[];
  /** Only those that were tried. */
  attempted?: boolean;
}

/** A delivery whose turn it is, with all that its body and its call are made of. */
export interface DueDelivery {
  deliveryId: string;
  /** Of the lane's lease: `recordAttempt` must present it. */
  token: string;
  accountId: string;
  webhookId: string | null;
  url: string;
  format: WebhookFormat;
  headers: HttpHeader[];
  timeoutMs: number;
  /** Signing secret, `whsec_…`. */
  secret: string;
  event: LoggedEvent;
  part: 'EVENT' | 'RESULT';
  /** Of this attempt, from 1. */
  number: number;
  /** Results of a completed job, up to `maxResultBytes`; null where the event is no completion. */
  results: ResultList | null;
}

export interface AttemptRecord {
  deliveryId: string;
  token: string;
  number: number;
  startedAt: number;
  durationMs: number;
  outcome: AttemptOutcome;
  statusCode: number | null;
  responseSnippet: string | null;
  requestHeaders: HttpHeader[];
  /** Null above 64 KiB. */
  body: string | null;
  bodyBytes: number;
  bodySha256: string;
}

export interface Deliveries {
  /**
   * Leases at most `max` lanes whose head is due, `maxPerUrl` of one URL, none of a URL that cools down; after the
   * cool-down one alone, the most valuable. Nothing else of a leased lane is sent before the lease ends.
   */
  claimLanes(claim: {
    max: number;
    maxPerUrl: number;
    maxResultBytes: number;
    leaseMs: number;
    at: number;
  }): Promise<DueDelivery[]>;
  /** When `claimLanes` can next return something, as far as is known now; null: not before a new delivery. */
  nextDueAt(at: number): Promise<number | null>;
  /** Records an attempt and decides what becomes of the delivery, its lane and its URL. False: the lease was lost. */
  recordAttempt(record: AttemptRecord, fraction: number, at: number): Promise<boolean>;
  /** Lanes that a dead server had under lease are free again: called once, at start. */
  releaseLanes(): Promise<void>;
  /** A WEBHOOK_PING event and its delivery, leased to the caller. Null for an unknown webhook. */
  startPing(
    accountId: string,
    webhookId: string,
    leaseMs: number,
    at: number,
  ): Promise<{ due: DueDelivery; committed: Committed } | null>;
  /** Sends an ended delivery again, on a new schedule, beside its lane. Null for an unknown one. */
  resend(
    accountId: string,
    deliveryId: string,
    at: number,
  ): Promise<Delivery | 'IN_FLIGHT' | 'WEBHOOK_DELETED' | null>;
  delivery(accountId: string, id: string, at: number): Promise<Delivery | null>;
  deliveries(accountId: string, filter: DeliveryFilter, page: Page, at: number): Promise<Delivery[]>;
  attempts(accountId: string, deliveryId: string): Promise<DeliveryAttempt[]>;
}

// ── Accounts ────────────────────────────────────────────────────────────────────────────────────────

export interface AccountPatch {
  defaultWebhookUrl?: string | null;
  defaultWebhookUrlKey?: string | null;
  defaultWebhookFormat?: WebhookFormat;
  /** Those that are given; null removes one. */
  limits?: Partial<Limits>;
}

export interface Accounts {
  /** The account of that name, made with a signing secret of its own if there is none. */
  ensureAccount(name: string, secret: string, at: number): Promise<Account>;
  account(id: string): Promise<Account | null>;
  accountByName(name: string): Promise<Account | null>;
  updateAccount(id: string, patch: AccountPatch, at: number): Promise<Account | null>;
  rotateAccountSecret(id: string, secret: string): Promise<boolean>;
  /** How much the account uses of what the store counts; of an unknown one nothing. */
  usage(id: string): Promise<Pick<Record<keyof Limits, number>, 'runningJobs' | 'storedBytes'>>;
}

export interface NewApiKey {
  name: string;
  prefix: string;
  hash: string;
  scopes: Scope[];
  limits: KeyLimits;
  expiresAt: number | null;
  at: number;
}

export interface ApiKeys {
  createApiKey(accountId: string, key: NewApiKey): Promise<ApiKey>;
  /** The key is refused from now on, and its record stays. Null for an unknown one; again: nothing changes. */
  revokeApiKey(accountId: string, id: string, at: number): Promise<ApiKey | null>;
  /** The key with this hash, unless it has expired or was revoked. Its use is noted some time later, once a minute. */
  apiKeyByHash(hash: string, at: number): Promise<ApiKey | null>;
  /** Whether this installation has any key, expired and revoked ones included: without one, no key is asked for. */
  hasApiKeys(): Promise<boolean>;
  apiKey(accountId: string, id: string): Promise<ApiKey | null>;
  /** The account of a key: for the operator, who stands outside of accounts. */
  apiKeyOwner(id: string): Promise<string | null>;
  apiKeys(accountId: string, page: Page): Promise<ApiKey[]>;
}
