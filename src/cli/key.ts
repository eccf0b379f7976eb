import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ACCOUNT_NAME, type ApiKey, type Scope, scopes } from '../account.js';
import { withKeys } from '../app.js';
import { type Config, readConfig } from '../config.js';
import { shown } from '../errors.js';

const USAGE = `usage: carillon key create --account <name> [--scope READ …] [--name <label>] [--expires <RFC 3339 time>]
       carillon key list --account <name>
       carillon key revoke <id>`;

/** `carillon key …`: makes, lists and revokes API keys. May run beside the server. */
export async function keyCommand(argv: string[]): Promise<void> {
  const [command = '', ...rest] = argv;
  if (!Object.hasOwn(commands, command)) throw new Error(USAGE);
  await commands[command]!(rest);
}

const commands: Record<string, (argv: string[]) => Promise<void>> = { create, list, revoke };

/** Prints the key once, alone on standard output. */
async function create(argv: string[]): Promise<void> {
  const { values } = parseArgs({
    args: argv,
    options: {
      account: { type: 'string' },
      scope: { type: 'string', multiple: true },
      name: { type: 'string' },
      expires: { type: 'string' },
    },
  });
  const account = accountIn(values);
  const asked = (values.scope ?? [...scopes])
    .flatMap((one) => one.split(','))
    .map((one) => one.trim().toUpperCase());
  const unknown = asked.find((one) => !(scopes as readonly string[]).includes(one));
  if (unknown !== undefined)
    throw new Error(`--scope must be one of ${scopes.join(', ')}, got ${JSON.stringify(unknown)}`);
  const expiresAt = values.expires === undefined ? null : Date.parse(values.expires);
  if (Number.isNaN(expiresAt))
    throw new Error(
      `--expires must be a time like 2027-01-31T00:00:00Z, got ${JSON.stringify(values.expires)}`,
    );
  const input = {
    name: values.name ?? `key of ${account}`,
    scopes: asked as Scope[],
    expiresAt,
  };
  const config = readConfig(process.env);
  const { key, apiKey } = await withKeys(config, (keys) => keys.create(account, input));
  // The folder too: a key made in another one than the server's opens nothing.
  process.stderr.write(
    `${apiKey.id} for account ${account} in ${resolve(config.dataDir)}, scopes ${apiKey.scopes.join(', ')}. It is shown only now:\n`,
  );
  process.stdout.write(`${key}\n`);
}

/** One line a key, oldest first: fields are apart by tabs, so that other programs can read them. */
async function list(argv: string[]): Promise<void> {
  const { values } = parseArgs({ args: argv, options: { account: { type: 'string' } } });
  const account = accountIn(values);
  const keys = await withKeys(existing(), (all) => all.list(account));
  if (!keys) throw new Error(`there is no account ${account}`);
  const now = Date.now();
  const lines = keys.map((key) => [
    key.id,
    `${key.prefix}…`,
    stateOf(key, now),
    key.scopes.join(','),
    key.lastUsedAt === null ? 'never used' : `used ${time(key.lastUsedAt)}`,
    shown(key.name),
  ]);
  process.stdout.write(lines.map((line) => `${line.join('\t')}\n`).join(''));
}

async function revoke(argv: string[]): Promise<void> {
  const { positionals } = parseArgs({ args: argv, allowPositionals: true });
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0) throw new Error(USAGE);
  const key = await withKeys(existing(), (keys) => keys.revoke(id));
  if (!key) throw new Error(`there is no API key ${shown(id)}; "carillon key list" tells the ids`);
  process.stdout.write(`${key.id} ${shown(key.name)} is revoked since ${time(key.revokedAt!)}\n`);
}

/** Of a folder that is there: looking for keys in a wrong one must not make it. */
function existing(): Config {
  const config = readConfig(process.env);
  if (!existsSync(config.dataDir)) {
    const where = resolve(config.dataDir);
    throw new Error(`there is no data folder ${where}; set CARILLON_DATA_DIR to the server's folder`);
  }
  return config;
}

function accountIn(values: { account?: string | undefined }): string {
  const account = values.account ?? '';
  if (ACCOUNT_NAME.test(account)) return account;
  throw new Error(
    `--account must be 1 to 63 lower-case letters, digits, dots, dashes or underscores, got ${JSON.stringify(account)}\n${USAGE}`,
  );
}

function stateOf({ revokedAt, expiresAt }: ApiKey, now: number): string {
  if (revokedAt !== null) return `revoked ${time(revokedAt)}`;
  if (expiresAt === null) return 'valid';
  return expiresAt <= now ? `expired ${time(expiresAt)}` : `valid until ${time(expiresAt)}`;
}

function time(at: number): string {
  return new Date(at).toISOString();
}
