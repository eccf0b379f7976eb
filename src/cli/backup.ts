import { parseArgs } from 'node:util';
import { backupDatabase } from '../app.js';
import { readConfig } from '../config.js';
import { interruption, sizeAndAge } from './copying.js';

const USAGE = 'usage: carillon backup <file> [--force]';

/** `carillon backup <file>`: one line about the copy on standard output. */
export async function backupCommand(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { force: { type: 'boolean', default: false } },
  });
  const [file] = positionals;
  if (!file || positionals.length > 1) throw new Error(USAGE);
  const folder = readConfig(process.env).dataDir;
  const facts = await backupDatabase({ folder, file, force: values.force, signal: interruption() });
  process.stdout.write(`${folder} was copied to ${file}: ${sizeAndAge(facts)}\n`);
}
