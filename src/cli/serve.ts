import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { startApp } from '../app.js';
import { type Config, ConfigError, readConfig } from '../config.js';
import type { Log } from '../log.js';

/** Runs the server until SIGINT or SIGTERM. What an operator must mend is said in one sentence; exit code 1. */
export async function serve(): Promise<void> {
  try {
    const settings = readConfig(process.env);
    const log = pino({ level: settings.logLevel, redact: ['*.authorization', '*.secret'] });
    const config = withExamples(settings, process.env['CARILLON_ALGORITHMS_DIR'], log);
    const app = await startApp(config, log);
    log.info({ url: app.url, dataDir: config.dataDir }, `Carillon listens on ${app.url}/graphql`);
    const stop = (signal: string) => {
      log.info({ signal }, 'stopping');
      app.close().then(
        () => process.exit(0),
        (error) => {
          log.error({ err: error }, 'the server did not close cleanly');
          process.exit(1);
        },
      );
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  } catch (error) {
    const lines = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${error instanceof ConfigError ? lines : `Carillon cannot start: ${lines}`}\n`);
    process.exit(1);
  }
}

const EXAMPLES = fileURLToPath(new URL('../../../examples/algorithms', import.meta.url));

/** A first start has something to run: the examples, until there is a folder of one's own or one is named. */
function withExamples(config: Config, named: string | undefined, log: Log): Config {
  if (named !== undefined || existsSync(config.algorithmsDir) || !existsSync(EXAMPLES)) return config;
  const hint =
    'there is no folder ./algorithms, so the examples are served: make it, or set CARILLON_ALGORITHMS_DIR';
  log.warn({ algorithmsDir: EXAMPLES }, hint);
  return { ...config, algorithmsDir: EXAMPLES };
}
