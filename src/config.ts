import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { z } from 'zod';

/** How one setting is read: the table in docs/configuration.md is printed from these. */
interface Setting<T> {
  name: string;
  fallback: string;
  description: string;
  read: z.ZodType<T, string>;
}

const setting = <T>(
  name: string,
  fallback: string,
  description: string,
  read: z.ZodType<T, string>,
): Setting<T> => ({
  name,
  fallback,
  description,
  read,
});

const text = z.string().min(1, 'must not be empty');
const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
/** 0 is none, and reads as null. */
const limit = (max: number) => whole(0, max).transform((value) => value || null);
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== ''),
);
const cidrs = list.refine(
  (values) => values.every(isCidr),
  'must be CIDR blocks separated by commas, like 10.0.0.0/8,fd00::/8',
);
const origins = list.refine(
  (values) => values.every((value) => URL.canParse(value) && new URL(value).origin === value),
  'must be origins separated by commas, like https://app.example.com',
);
const httpUrl = z
  .string()
  .refine(
    (value) => value === '' || (/^https?:\/\//.test(value) && URL.canParse(value)),
    'must be an http or https URL',
  )
  .transform((value) => value.replace(/\/+$/, ''));

export const settings = {
  port: setting('PORT', '4000', 'TCP port; 0 takes a free one.', whole(0, 65_535)),
  host: setting(
    'CARILLON_HOST',
    '127.0.0.1',
    'Address to listen on. Without any API key only loopback addresses are served.',
    text,
  ),
  publicUrl: setting(
    'CARILLON_PUBLIC_URL',
    '',
    'Base of every absolute link that leaves the server, as clients reach it. Empty: http://<host>:<port>.',
    httpUrl,
  ),
  dataDir: setting(
    'CARILLON_DATA_DIR',
    './data',
    'Folder of the database; made if there is none. One server at a time.',
    text,
  ),
  maxDatabaseMb: setting(
    'CARILLON_MAX_DATABASE_MB',
    '0',
    'Largest database file, in MiB: above it writes are refused as on a full disk. 0: no limit.',
    whole(0, 16_777_216),
  ),
  algorithmsDir: setting(
    'CARILLON_ALGORITHMS_DIR',
    './algorithms',
    'Folder of module algorithms: <name>.mjs, .js, .cjs, or <name>/index.*',
    text,
  ),
  workerThreads: setting(
    'CARILLON_WORKER_THREADS',
    '0',
    'Threads that run module algorithms; 0: one a core. Tasks that wait for jobs they have started have threads beside these, at most four times as many.',
    whole(0, 256).transform((count) => count || availableParallelism()),
  ),
  threadMemoryMb: setting(
    'CARILLON_THREAD_MEMORY_MB',
    '512',
    'Heap of one such thread, in MiB.',
    whole(16, 65_536),
  ),
  cronCatchUpMinutes: setting(
    'CARILLON_CRON_CATCH_UP_MINUTES',
    '60',
    'Runs by cron that were missed, while the server was down say, are made up if they were due this recently. 0: of the last 10 seconds.',
    whole(0, 10_080),
  ),
  webhookAllowCidrs: setting(
    'CARILLON_WEBHOOK_ALLOW_CIDRS',
    '',
    'Private addresses that webhooks may call, as CIDR blocks. Metadata services stay out of reach.',
    cidrs,
  ),
  webhookConcurrency: setting(
    'CARILLON_WEBHOOK_CONCURRENCY',
    '64',
    'Webhook calls under way at once.',
    whole(1, 10_000),
  ),
  webhookConcurrencyPerUrl: setting(
    'CARILLON_WEBHOOK_CONCURRENCY_PER_URL',
    '8',
    'Of these, to one URL.',
    whole(1, 1_000),
  ),
  allowedOrigins: setting(
    'CARILLON_ALLOWED_ORIGINS',
    '',
    'Origins of browsers that may call the API, besides its own.',
    origins,
  ),
  maxRequestBytes: setting(
    'CARILLON_MAX_REQUEST_BYTES',
    '2097152',
    'Largest request body, in bytes.',
    whole(1_024, 67_108_864),
  ),
  introspection: setting(
    'CARILLON_INTROSPECTION',
    'true',
    'Whether clients may read the schema and are helped with its names ("Did you mean"); true or false.',
    flag,
  ),
  trustedDocuments: setting(
    'CARILLON_TRUSTED_DOCUMENTS',
    '',
    'Manifest of documents that clients may name by id, a JSON file; empty: none.',
    z.string(),
  ),
  trustedOnly: setting(
    'CARILLON_TRUSTED_ONLY',
    'false',
    'Whether documents that are not in the manifest are refused; true or false.',
    flag,
  ),
  accountRequestsPerSecond: setting(
    'CARILLON_ACCOUNT_REQUESTS_PER_SECOND',
    '0',
    'Requests of one account a second, on average; ten times as many may come at once. 0: no limit.',
    limit(1_000_000),
  ),
  accountSockets: setting(
    'CARILLON_ACCOUNT_SOCKETS',
    '1000',
    'WebSockets and event streams of one account that are open at once. 0: no limit.',
    limit(1_000_000),
  ),
  accountRunningJobs: setting(
    'CARILLON_ACCOUNT_RUNNING_JOBS',
    '0',
    'Jobs of one account that have not ended. 0: no limit.',
    limit(1_000_000_000),
  ),
  accountStoredMb: setting(
    'CARILLON_ACCOUNT_STORED_MB',
    '0',
    'Inputs, results, events and webhook bodies kept of one account, in MiB. 0: no limit.',
    limit(1_000_000_000),
  ),
  metricsToken: setting(
    'CARILLON_METRICS_TOKEN',
    '',
    'What /metrics asks for as "Authorization: Bearer <token>" once there are API keys; empty: then it answers nobody.',
    z.string().regex(/^(\S{16,200})?$/, 'must be 16 to 200 characters without spaces, or empty'),
  ),
  shutdownMs: setting(
    'CARILLON_SHUTDOWN_MS',
    '10000',
    'How long a stopping server waits for running tasks and open requests, in ms.',
    whole(0, 600_000),
  ),
  logLevel: setting(
    'LOG_LEVEL',
    'info',
    'trace, debug, info, warn, error, fatal or silent. Logs are JSON lines on standard output.',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  ),
};

type Values = { [K in keyof typeof settings]: z.output<(typeof settings)[K]['read']> };
export interface Config extends Values {}

/** Something about the environment that an operator must mend; one sentence a line. */
export class ConfigError extends Error {}

/** Reads and checks every setting at once, so that one start tells of all mistakes. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const problems: string[] = [];
  const values = Object.entries(settings).map(([key, one]) => {
    const given = env[one.name] ?? one.fallback;
    const read = (one.read as z.ZodType<unknown, string>).safeParse(given);
    if (!read.success) problems.push(`${one.name} ${reason(read.error)}, got ${JSON.stringify(given)}`);
    return [key, read.data];
  });
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return Object.fromEntries(values) as Config;
}

function reason(error: z.ZodError): string {
  const issue = error.issues[0]!;
  return issue.code === 'invalid_value' ? `must be one of ${issue.values.join(', ')}` : issue.message;
}

function isCidr(value: string): boolean {
  const [address = '', bits = ''] = value.split('/');
  const family = isIP(address);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}
