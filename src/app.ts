import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSchema } from '../schema/schema.js';
import { type ApiKey, DEFAULT_ACCOUNT_NAME } from './account.js';
import type { Bus } from './bus.js';
import { type Clock, systemClock } from './clock.js';
import { type Config, ConfigError } from './config.js';
import { createDispatcher } from './deliver/dispatcher.js';
import { createSender } from './deliver/sender.js';
import { createDestinationPolicy } from './destination.js';
import { encodeHkube, encodeHkubeV2 } from './dialects/hkube/format.js';
import { hkubeDialect } from './dialects/hkube/routes.js';
import { createApiKey } from './engine/api-keys.js';
import { createChildJobs } from './engine/child-jobs.js';
import { createEngine } from './engine/create-engine.js';
import { createCron } from './engine/cron.js';
import type { ApiKeyInput, Engine } from './engine/engine.js';
import { createExpander } from './engine/expander.js';
import { createLeases } from './engine/leases.js';
import type { Parts } from './engine/parts.js';
import { createSubPipelines } from './engine/sub-pipelines.js';
import { createSweeper, expireLeases } from './engine/sweeper.js';
import { createTriggers } from './engine/triggers.js';
import { messageOf, UnavailableError } from './errors.js';
import type { Encode } from './format.js';
import { encodeStandard } from './formats/standard.js';
import { createHttpServer, type HttpServer } from './http/server.js';
import { readTrusted, type TrustedDocuments } from './http/trusted.js';
import { type Ids, systemIds } from './id.js';
import type { Limits } from './limits.js';
import type { Log } from './log.js';
import { memoryBus } from './memory/bus.js';
import { OUTPUT_QUEUE, PIPELINE_QUEUE } from './node-kind.js';
import { createCaller } from './outbound/caller.js';
import { listAlgorithms } from './run/algorithms.js';
import { openBatch } from './run/batches.js';
import { createPool } from './run/pool.js';
import { threadEntry } from './run/thread-entry.js';
import { generateSecret } from './secret.js';
import { openSqliteStore } from './sqlite/store.js';
import type { Store } from './store.js';
import type { WebhookFormat } from './webhook.js';

export { backupDatabase } from './sqlite/backup.js';
export type { CopyFacts } from './sqlite/copy.js';
export { restoreDatabase } from './sqlite/restore.js';

/** A running server, as the composition root hands it out: `main`, the command line and tests hold one. */
export interface App {
  /** Where it listens, e.g. http://127.0.0.1:4000. */
  url: string;
  store: Store;
  engine: Engine;
  bus: Bus;
  /** The account of a server without keys. */
  defaultAccountId: string;
  /** Refuses, drains up to CARILLON_SHUTDOWN_MS, closes. What fails on the way is gathered in one AggregateError. */
  close(): Promise<void>;
}

/** What a test may replace. */
export interface Seams {
  clock?: Clock;
  ids?: Ids;
}

const encoders: ReadonlyMap<WebhookFormat, Encode> = new Map([
  ['STANDARD', encodeStandard],
  ['HKUBE', encodeHkube],
  ['HKUBE_V2', encodeHkubeV2],
]);

/** Of the address that clients know, if there is one. */
function originsOf(publicUrl: string): string[] {
  return publicUrl === '' ? [] : [new URL(publicUrl).origin];
}

/** Workers of this server are named so: after a crash their leases need not run out to be given back. */
const OWN_WORKERS = 'server/';

/** Opens the store, makes the parts, starts the loops and listens. On failure nothing stays open. */
export async function startApp(config: Config, log: Log, seams: Seams = {}): Promise<App> {
  const clock = seams.clock ?? systemClock;
  const ids = seams.ids ?? systemIds(clock);
  const closers: (() => unknown)[] = [];
  try {
    return await compose(config, log, clock, ids, closers);
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

async function compose(
  config: Config,
  log: Log,
  clock: Clock,
  ids: Ids,
  closers: (() => unknown)[],
): Promise<App> {
  const trusted = trustedOf(config);
  const maxMb = config.maxDatabaseMb;
  const store = openSqliteStore({ folder: config.dataDir, clock, ids, own: true, log, maxMb });
  closers.push(() => store.close());
  const account = await store.ensureAccount(DEFAULT_ACCOUNT_NAME, generateSecret(ids.bytes(32)), clock.now());
  await refuseOpenAddress(store, config.host);

  const bus = memoryBus((error) => log.error({ err: error }, 'a listener of the bus failed'));
  const limits = limitsIn(config);
  const policy = createDestinationPolicy(config.webhookAllowCidrs);
  const caller = createCaller({ policy });
  closers.push(() => caller.close());
  const files = await listAlgorithms(config.algorithmsDir, (warning) => log.warn({}, warning));
  if (files.length === 0) {
    const folder = resolve(config.algorithmsDir);
    log.warn({}, `there is no algorithm in ${folder}, so nothing can run: see CARILLON_ALGORITHMS_DIR`);
  }
  const algorithms = new Map(files.map(({ name, path }) => [name, path]));

  // Links need the address that is only known once the server listens.
  const links = { publicUrl: config.publicUrl };
  const send = createSender({ caller, clock, encoders, publicUrl: () => links.publicUrl });
  const parts: Parts = {
    store,
    bus,
    clock,
    ids,
    log,
    policy,
    limits,
    algorithms,
    formats: new Set(encoders.keys()),
    openBatch,
    send,
  };
  const engine = createEngine(parts);

  // Nobody else owns this folder: leases of our own workers and lanes are a dead server's.
  while ((await expireLeases(parts, clock.now(), OWN_WORKERS)) > 0);
  // On a full disk they end by themselves: the server must start all the same, to be read from.
  await store.releaseLanes().catch(unlessUnavailable);

  const worker = `${OWN_WORKERS}${hostname()}/${randomBytes(4).toString('hex')}`;
  const served = new Map([...algorithms, [OUTPUT_QUEUE, fileURLToPath(threadEntry('output-node'))]]);
  const childJobs = createChildJobs(parts);
  const pool = createPool({
    threads: config.workerThreads,
    algorithms: served,
    tasks: createLeases(parts, { queues: [...served.keys()], worker }),
    children: childJobs.jobs,
    clock,
    worker,
    limits: { memoryMb: config.threadMemoryMb },
    log: ({ line, ...facts }) => log.info(facts, line),
    onError: (error, during) => {
      // Of a full disk the store tells, once.
      if (!(error instanceof UnavailableError))
        log.error({ err: error, during }, 'the pool had to try again');
    },
  });
  const expander = createExpander(parts);
  const sweeper = createSweeper(parts);
  const cron = createCron(parts, config.cronCatchUpMinutes * 60_000);
  const triggers = createTriggers(parts);
  const subPipelines = createSubPipelines(parts, { worker: `${worker}/pipelines` });
  const dispatcher = createDispatcher({
    store,
    bus,
    clock,
    ids,
    log,
    send,
    maxInFlight: config.webhookConcurrency,
    maxPerUrl: config.webhookConcurrencyPerUrl,
  });
  const loops = {
    ...{ pool, expander, sweeper, cron, triggers, subPipelines },
    ...{ childJobs: childJobs.loop, dispatcher },
  };

  const server: HttpServer = createHttpServer({
    engine,
    store,
    log,
    clock,
    defaultAccountId: account.id,
    // A proxy may call us by another Host: the page that it serves from here is our own all the same.
    allowedOrigins: [...config.allowedOrigins, ...originsOf(config.publicUrl)],
    maxBodyBytes: config.maxRequestBytes,
    introspection: config.introspection,
    trusted,
    trustedOnly: config.trustedOnly,
    operatorToken: config.metricsToken,
    limits,
    dialects: [hkubeDialect({ engine, store, now: () => clock.now() })],
    ready: async () => {
      const stopped = Object.entries(loops).flatMap(([name, loop]) =>
        loop.alive() ? [] : [`the ${name} has stopped`],
      );
      const answers = await store.ping().catch(() => false);
      return answers ? stopped : ['the database does not answer', ...stopped];
    },
    warnings: async () => {
      const outage = await store.outage();
      if (!outage || outage.over) return [];
      const [since, last] = [outage.since, outage.last].map((at) => new Date(at).toISOString());
      return [`writes have been refused since ${since}, last at ${last}: ${outage.reason}`];
    },
  });
  const { url } = await server.listen(config.port, config.host);
  links.publicUrl ||= url;

  closers.push(() => server.close(config.shutdownMs));
  const unlisten = bus.listen('expansion', () => expander.wake());
  closers.push(bus.listen('links', () => subPipelines.wake()));
  closers.push(
    bus.listen('ready', ({ queue }) => {
      if (queue === PIPELINE_QUEUE) subPipelines.wake();
    }),
  );
  closers.push(bus.listen('key', ({ keyId }) => server.revoke(keyId)));
  closers.push(
    unlisten,
    bus.listen('triggered', () => triggers.wake()),
    () => expander.stop(),
    () => sweeper.stop(),
    () => cron.stop(),
    () => triggers.stop(),
    () => subPipelines.stop(),
    () => childJobs.loop.stop(),
    () => dispatcher.stop(config.shutdownMs),
  );
  closers.push(() => pool.stop(config.shutdownMs));
  closers.push(() => server.drain());
  for (const loop of Object.values(loops)) loop.start();

  return { url, store, engine, bus, defaultAccountId: account.id, close: once(() => closeAll(closers)) };
}

/** The API keys of a data folder, for the command line. */
export interface Keys {
  /** An account that is not there is made. */
  create(account: string, input: ApiKeyInput): Promise<{ apiKey: ApiKey; key: string }>;
  /** Oldest first; null where there is no such account. */
  list(account: string): Promise<ApiKey[] | null>;
  /** Null where there is no such key. A server beside hears of it at the key's next request. */
  revoke(id: string): Promise<ApiKey | null>;
}

/** Opens the store without a server, or beside one, for as long as `run` takes. */
export async function withKeys<T>(config: Config, run: (keys: Keys) => Promise<T>): Promise<T> {
  const clock = systemClock;
  const ids = systemIds(clock);
  const maxMb = config.maxDatabaseMb;
  const store = openSqliteStore({ folder: config.dataDir, clock, ids, own: false, maxMb });
  try {
    return await run({
      async create(name, input) {
        const account = await store.ensureAccount(name, generateSecret(ids.bytes(32)), clock.now());
        return createApiKey({ store, ids, clock }, account.id, input);
      },
      async list(name) {
        const account = await store.accountByName(name);
        return account && allKeys(store, account.id);
      },
      async revoke(id) {
        const owner = await store.apiKeyOwner(id);
        return owner === null ? null : store.revokeApiKey(owner, id, clock.now());
      },
    });
  } finally {
    await store.close();
  }
}

/** The documents that clients may name by id. */
function trustedOf({ trustedDocuments: path, trustedOnly }: Config): TrustedDocuments | undefined {
  if (path === '') {
    if (!trustedOnly) return undefined;
    throw new ConfigError(
      'CARILLON_TRUSTED_DOCUMENTS must name a manifest where CARILLON_TRUSTED_ONLY is true, got ""',
    );
  }
  try {
    return readTrusted(readFileSync(path, 'utf8'), createSchema());
  } catch (error) {
    const lines = messageOf(error).split('\n');
    throw new ConfigError(lines.map((line) => `CARILLON_TRUSTED_DOCUMENTS ${path}: ${line}`).join('\n'));
  }
}

async function allKeys(store: Store, accountId: string): Promise<ApiKey[]> {
  const limit = 100;
  const keys: ApiKey[] = [];
  for (;;) {
    const after = keys.at(-1)?.id ?? null;
    const page = await store.apiKeys(accountId, { limit, after, before: null, inverted: false });
    keys.push(...page);
    if (page.length < limit) return keys;
  }
}

/** What every account may use. */
function limitsIn(config: Config): Limits {
  const megabytes = config.accountStoredMb;
  return {
    requestsPerSecond: config.accountRequestsPerSecond,
    sockets: config.accountSockets,
    runningJobs: config.accountRunningJobs,
    storedBytes: megabytes && megabytes * 1024 * 1024,
  };
}

/** Without keys everybody is the owner: then only this machine may ask. */
async function refuseOpenAddress(store: Store, host: string): Promise<void> {
  if (/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host) || (await store.hasApiKeys())) return;
  throw new Error(
    `CARILLON_HOST is ${host}, which others can reach, and no API key exists: run "carillon key create" first, or listen on 127.0.0.1`,
  );
}

function unlessUnavailable(error: unknown): void {
  if (!(error instanceof UnavailableError)) throw error;
}

/** In reverse order; everything is tried, and what failed is told together. */
async function closeAll(closers: (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'the server did not close cleanly');
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= run();
    return running;
  };
}
