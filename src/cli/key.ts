import { parseArgs } from 'node:util';
import { ACCOUNT_NAME, type Scope, scopes } from '../account.js';
import { createKey } from '../app.js';
import { readConfig } from '../config.js';

const USAGE =
  'usage: carillon key create --account <name> [--scope READ …] [--name <label>] [--expires <RFC 3339 time>]';

/** `carillon key create`: prints the key once, alone on standard output. May run beside the server. */
export async function keyCommand(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      account: { type: 'string' },
      scope: { type: 'string', multiple: true },
      name: { type: 'string' },
      expires: { type: 'string' },
    },
  });
  if (positionals.join(' ') !== 'create') throw new Error(USAGE);
  const account = values.account ?? '';
  if (!ACCOUNT_NAME.test(account)) {
    throw new Error(
      `--account must be 1 to 63 lower-case letters, digits, dots, dashes or underscores, got ${JSON.stringify(account)}\n${USAGE}`,
    );
  }
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
  const { key, apiKey } = await createKey(readConfig(process.env), {
    account,
    name: values.name ?? `key of ${account}`,
    scopes: [...new Set(asked)] as Scope[],
    expiresAt,
  });
  process.stderr.write(
    `${apiKey.id} for account ${account}, scopes ${apiKey.scopes.join(', ')}. It is shown only now:\n`,
  );
  process.stdout.write(`${key}\n`);
}
