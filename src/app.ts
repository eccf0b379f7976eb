import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type ApiKey, DEFAULT_ACCOUNT_NAME, type Scope } from './account.js';
import type { Bus } from './bus.js';
import { type Clock, systemClock } from './clock.js';
import type { Config } from './config.js';
import { createDispatcher } from './deliver/dispatcher.js';
import { createSender } from './deliver/sender.js';
import { createDestinationPolicy } from './destination.js';
import { encodeHkube } from './dialects/hkube/format.js';
import { createApiKey, createEngine } from './engine/create-engine.js';
import type { Engine } from './engine/engine.js';
import { createExpander } from './engine/expander.js';
import { createLeases } from './engine/leases.js';
import type { Parts } from './engine/parts.js';
import { createSweeper, expireLeases } from './engine/sweeper.js';
import { UnavailableError } from './errors.js';
import type { Encode } from './format.js';
import { encodeStandard } from './formats/standard.js';
import { createHttpServer, type HttpServer } from './http/server.js';
import { type Ids, systemIds } from './id.js';
import type { Log } from './log.js';
import { memoryBus } from './memory/bus.js';
import { createCaller } from './outbound/caller.js';
import { listAlgorithms } from './run/algorithms.js';
import { openBatch } from './run/batches.js';
import { createPool } from './run/pool.js';
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
]);

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
  const maxMb = config.maxDatabaseMb;
  const store = openSqliteStore({ folder: config.dataDir, clock, ids, own: true, log, maxMb });
  closers.push(() => store.close());
  const account = await store.ensureAccount(DEFAULT_ACCOUNT_NAME, generateSecret(ids.bytes(32)), clock.now());
  await refuseOpenAddress(store, config.host);

  const bus = memoryBus((error) => log.error({ err: error }, 'a listener of the bus failed'));
  const policy = createDestinationPolicy(config.webhookAllowCidrs);
  const caller = createCaller({ policy });
  closers.push(() => caller.close());
  const files = await listAlgorithms(config.algorithmsDir, (warning) => log.warn({}, warning));
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
  const pool = createPool({
    threads: config.workerThreads,
    algorithms,
    tasks: createLeases(parts, { queues: [...algorithms.keys()], worker }),
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
  const loops = { pool, expander, sweeper, dispatcher };

  const server: HttpServer = createHttpServer({
    engine,
    store,
    log,
    clock,
    defaultAccountId: account.id,
    allowedOrigins: config.allowedOrigins,
    maxBodyBytes: config.maxRequestBytes,
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
  closers.push(
    unlisten,
    () => expander.stop(),
    () => sweeper.stop(),
    () => dispatcher.stop(config.shutdownMs),
  );
  closers.push(() => pool.stop(config.shutdownMs));
  closers.push(() => server.drain());
  for (const loop of Object.values(loops)) loop.start();

  return { url, store, engine, bus, defaultAccountId: account.id, close: once(() => closeAll(closers)) };
}

/** Makes an API key without a server, or beside one: for the command line. */
export async function createKey(
  config: Config,
  { account: name, ...input }: { account: string; name: string; scopes: Scope[]; expiresAt: number | null },
): Promise<{ apiKey: ApiKey; key: string }> {
  const clock = systemClock;
  const ids = systemIds(clock);
  const maxMb = config.maxDatabaseMb;
  const store = openSqliteStore({ folder: config.dataDir, clock, ids, own: false, maxMb });
  try {
    const account = await store.ensureAccount(name, generateSecret(ids.bytes(32)), clock.now());
    return await createApiKey(store, ids, clock, account.id, input);
  } finally {
    await store.close();
  }
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
