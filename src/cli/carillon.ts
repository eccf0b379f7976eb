#!/usr/bin/env node
import { backupCommand } from './backup.js';
import { demoCommand } from './demo.js';
import { keyCommand } from './key.js';
import { receiverCommand } from './receiver.js';
import { restoreCommand } from './restore.js';
import { serve } from './serve.js';

const commands: Record<string, (argv: string[]) => Promise<void>> = {
  async serve(argv) {
    if (argv.length > 0)
      throw new Error(`serve takes no arguments, got ${argv.join(' ')}; settings are environment variables`);
    await serve();
  },
  demo: demoCommand,
  key: keyCommand,
  backup: backupCommand,
  restore: restoreCommand,
  receiver: receiverCommand,
};

const USAGE = `usage: carillon [command]

  serve      the server (also without a command); settings are environment variables, see docs/configuration.md
  demo       a pipeline, its live events and its signed webhooks, on this machine, and nothing left behind
  key create --account <name>   makes an API key; --scope READ …, --name <label> and --expires <RFC 3339 time> narrow it
  key list --account <name>     tells of an account's keys
  key revoke <id>               ends a key
  backup <file>   copies the database into one file, also beside a running server; --force replaces the file
  restore <file>  puts such a copy in place of the database of a stopped server, and moves that aside
  receiver   a webhook receiver that prints and checks each call; --help tells its flags

The commands key, backup and restore work on the folder that CARILLON_DATA_DIR names, as the server does.
`;

const [name = 'serve', ...argv] = process.argv.slice(2);
const helps = ['help', '--help', '-h'];
// The receiver has a help of its own.
if (helps.includes(name) || (name !== 'receiver' && helps.slice(1).some((flag) => argv.includes(flag)))) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (!command) {
  process.stderr.write(
    `unknown command ${JSON.stringify(name)}: use one of ${Object.keys(commands).join(', ')}\n`,
  );
  process.exit(2);
}
try {
  await command(argv);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
