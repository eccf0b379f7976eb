import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/**
 * The tables. Rules that hold throughout:
 *  - `account` is in every row that a caller can reach, and in every index it is reached by;
 *  - inside, rows point at each other by integer keys, which never leave the store: they would tell one account how
 *    busy the others are;
 *  - hot rows (jobs, job_nodes, tasks, lanes, urls) hold counters and states only; JSON of any size lives beside them;
 *  - times are milliseconds since 1970.
 */
export const accounts = sqliteTable('accounts', {
  key: integer().primaryKey(),
  id: text().notNull().unique(),
  name: text().notNull().unique(),
  /** Position of the newest event, dense. */
  head: integer().notNull().default(0),
  /** Positions at or below it have been removed. */
  tail: integer().notNull().default(0),
  /** Number of the newest job. */
  jobs: integer().notNull().default(0),
  webhookSecret: text('webhook_secret').notNull(),
  defaultWebhookUrl: text('default_webhook_url'),
  defaultWebhookUrlKey: text('default_webhook_url_key'),
  defaultWebhookFormat: text('default_webhook_format').notNull().default('STANDARD'),
  createdAt: integer('created_at').notNull(),
  maxRequestsPerSecond: integer('max_requests_per_second'),
  maxSockets: integer('max_sockets'),
  maxRunningJobs: integer('max_running_jobs'),
  maxStoredBytes: integer('max_stored_bytes'),
  /** Jobs that have not ended. Written with them, so that a limit needs no counting. */
  runningJobs: integer('running_jobs').notNull().default(0),
  /** See stored.ts. */
  storedBytes: integer('stored_bytes').notNull().default(0),
});

export const apiKeys = sqliteTable(
  'api_keys',
  {
    key: integer().primaryKey(),
    id: text().notNull().unique(),
    account: integer().notNull(),
    name: text().notNull(),
    prefix: text().notNull(),
    /** SHA-256 of the whole key: it has 160 bits of its own, so no slow hash is needed. */
    hash: text().notNull().unique(),
    scopes: text().notNull(),
    expiresAt: integer('expires_at'),
    lastUsedAt: integer('last_used_at'),
    createdAt: integer('created_at').notNull(),
    revokedAt: integer('revoked_at'),
    maxRequestsPerSecond: integer('max_requests_per_second'),
    maxSockets: integer('max_sockets'),
  },
  (t) => [index('api_keys_account').on(t.account, t.key)],
);

/** Counts the runs of each pipeline name. */
export const pipelineRuns = sqliteTable(
  'pipeline_runs',
  { account: integer().notNull(), name: text().notNull(), runs: integer().notNull() },
  (t) => [primaryKey({ columns: [t.account, t.name] })],
);

export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    account: integer().notNull(),
    operation: text().notNull(),
    key: text().notNull(),
    hash: text().notNull(),
    job: integer().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.operation, t.key] }), index('idempotency_age').on(t.createdAt)],
);

export const jobs = sqliteTable(
  'jobs',
  {
    key: integer().primaryKey(),
    uuid: text().notNull().unique(),
    account: integer().notNull(),
    number: integer().notNull(),
    run: integer().notNull(),
    pipeline: text().notNull(),
    externalId: text('external_id'),
    tags: text().notNull(),
    status: text().notNull(),
    reason: text(),
    error: text(),
    priority: integer().notNull(),
    progress: text().notNull(),
    batchTolerance: integer('batch_tolerance').notNull(),
    /** Of its newest event. */
    sequence: integer().notNull().default(0),
    position: integer().notNull().default(0),
    /** Whether it has webhook URLs of its own. */
    targets: integer().notNull().default(0),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    experiment: text().notNull().default('main'),
    /** How it came about; see Origin. Ids, not keys: what they name may be removed before it. */
    types: text().notNull().default('["raw"]'),
    parent: text(),
    rerunOf: text('rerun_of'),
    depth: integer().notNull().default(0),
    /** Jobs of its pipeline that may run at once; null: any number. */
    concurrency: integer(),
    /** 1 while it waits for one of them to end. */
    held: integer().notNull().default(0),
    /** When its ttl ends, and its activeTtl once it has started; shifted by the time it was paused. */
    ttlAt: integer('ttl_at'),
    activeTtlMs: integer('active_ttl_ms'),
    activeTtlAt: integer('active_ttl_at'),
    pausedAt: integer('paused_at'),
    /** The earlier of the two; null while it is paused and once it has ended. */
    expiresAt: integer('expires_at'),
    /** 1 once its tasks have started other jobs. */
    hasChildren: integer('has_children').notNull().default(0),
  },
  (t) => [
    uniqueIndex('jobs_number').on(t.account, t.number),
    index('jobs_pipeline').on(t.account, t.pipeline, t.number),
    index('jobs_external').on(t.account, t.externalId).where(sql`external_id is not null`),
    // With finished_at, though it is null in all of it: SQLite then counts in the index alone.
    index('jobs_running')
      .on(t.account, t.pipeline, t.experiment, t.held, t.finishedAt)
      .where(sql`finished_at is null`),
    index('jobs_held')
      .on(t.account, t.pipeline, t.experiment, t.concurrency, t.priority)
      .where(sql`held = 1 and finished_at is null and paused_at is null`),
    index('jobs_expiring').on(t.expiresAt).where(sql`expires_at is not null`),
    index('jobs_parent').on(t.parent, t.number).where(sql`parent is not null`),
  ],
);

/** What a job was given: read when a task is claimed or a client asks, never to decide. */
export const jobInputs = sqliteTable('job_inputs', {
  job: integer().primaryKey(),
  descriptor: text().notNull(),
  flowInput: text('flow_input'),
});

export const jobNodes = sqliteTable(
  'job_nodes',
  {
    job: integer().notNull(),
    node: integer().notNull(),
    name: text().notNull(),
    algorithm: text().notNull(),
    queue: text().notNull(),
    batch: integer().notNull(),
    parents: text().notNull(),
    retryPolicy: text('retry_policy').notNull(),
    retryLimit: integer('retry_limit').notNull(),
    timeoutMs: integer('timeout_ms'),
    inResults: integer('in_results').notNull(),
    status: text().notNull(),
    total: integer(),
    expanded: integer().notNull(),
    succeeded: integer().notNull(),
    failed: integer().notNull(),
    active: integer().notNull(),
    /** Size of its results so far: known without reading them. */
    resultBytes: integer('result_bytes').notNull().default(0),
    /** 1 while rows are still to be made; the expander finds its work by it. 2: not before its job may begin. */
    expanding: integer().notNull(),
    kind: text().notNull().default('algorithm'),
    /** Which of its parents must be finished before it starts; null: all. */
    needs: text(),
    /** Which of its parents hand over each item as it is done. */
    waits: text().notNull().default('[]'),
    /** Tasks for each item of those; null until it is known. */
    fan: integer(),
    /** Items of those that were looked at, in order; later ones come as arrivals. */
    scanned: integer().notNull().default(0),
    /** The job and node whose tasks are kept, in a rerun; null once they are copied. See Keeping. */
    keptJob: integer('kept_job'),
    keptNode: integer('kept_node'),
    keptWhole: integer('kept_whole').notNull().default(0),
    /** The first of its rows that was not looked at. */
    kept: integer().notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.job, t.node] }),
    index('job_nodes_expanding').on(t.job, t.node).where(sql`expanding = 1`),
  ],
);

export const nodeInputs = sqliteTable(
  'node_inputs',
  {
    job: integer().notNull(),
    node: integer().notNull(),
    input: text().notNull(),
    operation: text().notNull(),
    extraData: text('extra_data'),
  },
  (t) => [primaryKey({ columns: [t.job, t.node] })],
);

export const tasks = sqliteTable(
  'tasks',
  {
    job: integer().notNull(),
    node: integer().notNull(),
    item: integer().notNull(),
    queue: text().notNull(),
    status: text().notNull(),
    attempt: integer().notNull().default(0),
    lost: integer().notNull().default(0),
    token: text(),
    worker: text(),
    leaseExpiresAt: integer('lease_expires_at'),
    retryAt: integer('retry_at'),
    percent: real(),
    error: text(),
    queuedAt: integer('queued_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
  },
  (t) => [
    primaryKey({ columns: [t.job, t.node, t.item] }),
    // Rows in flight must not sit in the claim's index: they would be stepped over by every claim.
    index('tasks_ready').on(t.job, t.queue, t.node, t.item).where(sql`status = 'READY' and token is null`),
    index('tasks_leased').on(t.leaseExpiresAt).where(sql`token is not null`),
    index('tasks_leased_job').on(t.job).where(sql`token is not null`),
    index('tasks_retry').on(t.retryAt).where(sql`status = 'WAITING'`),
  ],
);

/** Items of a node's parents that are done, for the node to be looked at again: see ArrivedItem. */
export const arrivals = sqliteTable(
  'arrivals',
  {
    key: integer().primaryKey({ autoIncrement: true }),
    job: integer().notNull(),
    node: integer().notNull(),
    item: integer().notNull(),
  },
  (t) => [index('arrivals_node').on(t.job, t.node, t.key)],
);

/** A job that a task has started. */
export const jobLinks = sqliteTable(
  'job_links',
  {
    /** The started one. */
    job: integer().primaryKey(),
    /** The task, and the lease under which it started the job: once that is gone, so is who asked. */
    parent: integer().notNull(),
    token: text().notNull(),
    /** 1: the task is nothing but this job, and ends with it. */
    awaited: integer().notNull(),
    /** What is to be done: null while both run, CANCEL once the task has ended, SETTLE once the job has. */
    todo: text(),
  },
  (t) => [
    index('job_links_parent').on(t.parent),
    index('job_links_token').on(t.token),
    index('job_links_todo').on(t.todo, t.job).where(sql`todo is not null`),
  ],
);

/** Stored pipelines. What the newest version says of itself is beside it, so that lists need not read descriptors. */
export const pipelines = sqliteTable(
  'pipelines',
  {
    key: integer().primaryKey(),
    id: text().notNull().unique(),
    account: integer().notNull(),
    name: text().notNull(),
    version: integer().notNull(),
    description: text(),
    tags: text().notNull(),
    createdAt: integer('created_at').notNull(),
    modifiedAt: integer('modified_at').notNull(),
    /** Why the last run that a trigger owed it could not be submitted. */
    triggerError: text('trigger_error'),
  },
  (t) => [uniqueIndex('pipelines_name').on(t.account, t.name)],
);

/** The newest versions of each stored pipeline, the one that runs among them. */
export const pipelineVersions = sqliteTable(
  'pipeline_versions',
  {
    pipeline: integer().notNull(),
    version: integer().notNull(),
    descriptor: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.pipeline, t.version] })],
);

/** When a stored pipeline is to run by the clock. */
export const crons = sqliteTable(
  'crons',
  {
    pipeline: integer().primaryKey(),
    pattern: text().notNull(),
    timeZone: text('time_zone').notNull(),
    /** The next run that is owed; null: none, or switched off. */
    nextAt: integer('next_at'),
    lastAt: integer('last_at'),
    lastJob: text('last_job'),
    /** Why the last run could not be submitted. */
    lastError: text('last_error'),
  },
  (t) => [index('crons_next').on(t.nextAt).where(sql`next_at is not null`)],
);

/** Which stored pipelines run after a run of the pipeline `source`. */
export const triggers = sqliteTable(
  'triggers',
  { account: integer().notNull(), source: text().notNull(), pipeline: integer().notNull() },
  (t) => [
    primaryKey({ columns: [t.account, t.source, t.pipeline] }),
    index('triggers_pipeline').on(t.pipeline),
  ],
);

/** Runs that are owed to triggers: written with the end of the run that caused them. */
export const triggered = sqliteTable(
  'triggered',
  {
    key: integer().primaryKey({ autoIncrement: true }),
    account: integer().notNull(),
    pipeline: integer().notNull(),
    job: integer().notNull(),
  },
  (t) => [index('triggered_account').on(t.account), index('triggered_pipeline').on(t.pipeline)],
);

/** What an account has stored about algorithms, as HKube's API takes it. */
export const algorithms = sqliteTable(
  'algorithms',
  {
    account: integer().notNull(),
    name: text().notNull(),
    document: text().notNull(),
    modifiedAt: integer('modified_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.account, t.name] })],
);

export const taskItems = sqliteTable(
  'task_items',
  { job: integer().notNull(), node: integer().notNull(), item: integer().notNull(), value: text().notNull() },
  (t) => [primaryKey({ columns: [t.job, t.node, t.item] })],
);

export const taskResults = sqliteTable(
  'task_results',
  { job: integer().notNull(), node: integer().notNull(), item: integer().notNull(), value: text().notNull() },
  (t) => [primaryKey({ columns: [t.job, t.node, t.item] })],
);

/** First level of the claim: who has ready tasks of a rank in a queue, and whose turn is longest ago. */
export const readyAccounts = sqliteTable(
  'ready_accounts',
  {
    queue: text().notNull(),
    rank: integer().notNull(),
    account: integer().notNull(),
    turn: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.queue, t.rank, t.account] }),
    index('ready_accounts_turn').on(t.queue, t.rank, t.turn),
  ],
);

/** Second level: a row for each job with ready tasks of a queue. Pausing, ending and limits act on this row. */
export const readyJobs = sqliteTable(
  'ready_jobs',
  {
    queue: text().notNull(),
    job: integer().notNull(),
    account: integer().notNull(),
    /** The job's priority, raised by waiting. */
    rank: integer().notNull(),
    turn: integer().notNull(),
    /** Since when it has waited at this rank. */
    since: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.queue, t.job] }),
    index('ready_jobs_turn').on(t.queue, t.rank, t.account, t.turn),
    index('ready_jobs_since').on(t.since),
    index('ready_jobs_job').on(t.job),
  ],
);

export const events = sqliteTable(
  'events',
  {
    account: integer().notNull(),
    position: integer().notNull(),
    job: integer(),
    sequence: integer(),
    type: text().notNull(),
    occurredAt: integer('occurred_at').notNull(),
    facts: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.account, t.position] }),
    index('events_job').on(t.job, t.position).where(sql`job is not null`),
    index('events_history')
      .on(t.job, t.position)
      .where(sql`type in ('JOB_PENDING', 'JOB_PAUSED', 'JOB_RESUMED', 'JOB_CANCELLED')`),
  ],
);

/** Everywhere an event may have to go: registered webhooks, URLs given with jobs, accounts' default URLs. */
export const targets = sqliteTable(
  'targets',
  {
    key: integer().primaryKey(),
    /** Registered webhooks only. */
    id: text().unique(),
    account: integer().notNull(),
    source: text().notNull(),
    job: integer(),
    /** The target whose lane it shares: a job's two URLs that are one keep one order. Null: its own. */
    laneOf: integer('lane_of'),
    url: text().notNull(),
    urlKey: text('url_key').notNull(),
    format: text().notNull(),
    verbosity: text().notNull().default('info'),
    events: text().notNull().default('[]'),
    pipelines: text().notNull().default('[]'),
    description: text(),
    headers: text().notNull().default('[]'),
    /** Null: the account's. */
    secret: text(),
    timeoutMs: integer('timeout_ms').notNull(),
    maxPerSecond: integer('max_per_second'),
    enabled: integer().notNull().default(1),
    statusReason: text('status_reason'),
    consecutiveFailures: integer('consecutive_failures').notNull().default(0),
    /** JOB_PROGRESS only: when the next progress may be sent. */
    pacedUntil: integer('paced_until'),
    createdAt: integer('created_at').notNull(),
    deletedAt: integer('deleted_at'),
  },
  (t) => [
    index('targets_registered').on(t.account, t.key).where(sql`source = 'REGISTERED' and deleted_at is null`),
    index('targets_job').on(t.job).where(sql`job is not null`),
    index('targets_default').on(t.account).where(sql`source = 'ACCOUNT_DEFAULT'`),
  ],
);

/** Health of a URL, in its normal form, for one account: first level of the dispatcher's claim. */
export const urls = sqliteTable(
  'urls',
  {
    key: integer().primaryKey(),
    account: integer().notNull(),
    urlKey: text('url_key').notNull(),
    coolingUntil: integer('cooling_until'),
    /** 1 from a cool-down until the next answer in time: one call at a time. */
    probing: integer().notNull().default(0),
    /** When there may be something to do; null: nothing waits. A hint that is never too late. */
    dueAt: integer('due_at'),
    /** When it last had its turn, counted. */
    turn: integer().notNull().default(0),
  },
  (t) => [
    uniqueIndex('urls_key').on(t.account, t.urlKey),
    index('urls_due').on(t.dueAt).where(sql`due_at is not null`),
  ],
);

/** One target and one job, in order; only its head is attempted. A row lives as long as it has open deliveries. */
export const lanes = sqliteTable(
  'lanes',
  {
    key: integer().primaryKey(),
    target: integer().notNull(),
    /** 0 for events without a job. */
    job: integer().notNull(),
    /** The one delivery of a lane that was made for it alone (it outstayed its lane, or is sent again); else 0. */
    solo: integer().notNull(),
    url: integer().notNull(),
    /** Its oldest open delivery. */
    head: integer().notNull(),
    /** Of the head: terminal 2, other status changes 1, progress 0. The probe after a cool-down takes the highest. */
    value: integer().notNull(),
    /** When the head may be tried; null while its webhook is disabled. */
    dueAt: integer('due_at'),
    /** Since when a failing head has held the ones behind it. */
    heldSince: integer('held_since'),
    /** The delivery whose first attempt this lane waits for (HKube: the last progress goes before the result). */
    waitsFor: integer('waits_for'),
    token: text(),
    leaseExpiresAt: integer('lease_expires_at'),
  },
  (t) => [
    uniqueIndex('lanes_place').on(t.target, t.job, t.solo),
    index('lanes_url').on(t.url),
    index('lanes_due').on(t.url, t.dueAt).where(sql`due_at is not null and token is null`),
    index('lanes_leased').on(t.url, t.leaseExpiresAt).where(sql`token is not null`),
    index('lanes_waiting').on(t.waitsFor).where(sql`waits_for is not null`),
  ],
);

export const deliveries = sqliteTable(
  'deliveries',
  {
    key: integer().primaryKey(),
    id: text().notNull().unique(),
    account: integer().notNull(),
    target: integer().notNull(),
    job: integer(),
    position: integer().notNull(),
    type: text().notNull(),
    part: text().notNull(),
    class: text().notNull(),
    /** Of what a newer delivery with the same subject takes the place: 0 the job's progress, else the task's. */
    subject: text().notNull(),
    /** PENDING, RETRYING, DELIVERED, EXHAUSTED, SUPERSEDED or CANCELLED. */
    status: text().notNull(),
    /** Open ones only. */
    lane: integer(),
    /** Attempts made, and tries of the schedule used: a resend begins the schedule anew. */
    attempts: integer().notNull().default(0),
    tries: integer().notNull().default(0),
    /** From when its age counts. */
    since: integer().notNull(),
    nextAttemptAt: integer('next_attempt_at'),
    bodyBytes: integer('body_bytes'),
    bodySha256: text('body_sha256'),
  },
  (t) => [
    uniqueIndex('deliveries_once').on(t.target, t.position, t.part),
    index('deliveries_lane').on(t.lane, t.key).where(sql`lane is not null`),
    index('deliveries_progress').on(t.lane, t.subject).where(sql`lane is not null and class = 'PROGRESS'`),
    index('deliveries_open').on(t.target).where(sql`lane is not null`),
    index('deliveries_account').on(t.account, t.key),
    index('deliveries_job').on(t.job, t.key).where(sql`job is not null`),
  ],
);

/** The bytes last sent, up to 64 KiB. */
export const deliveryBodies = sqliteTable('delivery_bodies', {
  delivery: integer().primaryKey(),
  body: text().notNull(),
});

export const attempts = sqliteTable(
  'attempts',
  {
    delivery: integer().notNull(),
    number: integer().notNull(),
    startedAt: integer('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    outcome: text().notNull(),
    statusCode: integer('status_code'),
    responseSnippet: text('response_snippet'),
    requestHeaders: text('request_headers').notNull(),
  },
  (t) => [primaryKey({ columns: [t.delivery, t.number] })],
);
