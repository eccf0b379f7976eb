import { parseArgs } from 'node:util';
import { restoreDatabase } from '../app.js';
import { systemClock } from '../clock.js';
import { readConfig } from '../config.js';
import { interruption, sizeAndAge } from './copying.js';

const USAGE = 'usage: carillon restore <file>';

/** `carillon restore <file>`: says on standard output what is in place now, and where the former database lies. */
export async function restoreCommand(argv: string[]): Promise<void> {
  const { positionals } = parseArgs({ args: argv, allowPositionals: true, options: {} });
  const [file] = positionals;
  if (!file || positionals.length > 1) throw new Error(USAGE);
  const folder = readConfig(process.env).dataDir;
  const now = systemClock.now();
  const { aside, ...facts } = await restoreDatabase({
    folder,
    file,
    now,
    pid: process.pid,
    signal: interruption(),
  });
  const former = aside === null ? 'there was no database before' : `the former database is ${aside}`;
  process.stdout.write(`${file} was restored to ${folder}: ${sizeAndAge(facts)}; ${former}\n`);
}
