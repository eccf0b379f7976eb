import pino from 'pino';
import { startApp } from '../app.js';
import { ConfigError, readConfig } from '../config.js';

/** Runs the server until SIGINT or SIGTERM. What an operator must mend is said in one sentence; exit code 1. */
export async function serve(): Promise<void> {
  try {
    const config = readConfig(process.env);
    const log = pino({ level: config.logLevel, redact: ['*.authorization', '*.secret'] });
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
