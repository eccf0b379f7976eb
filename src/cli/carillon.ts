#!/usr/bin/env node
import { demoCommand } from './demo.js';
import { keyCommand } from './key.js';
import { receiverCommand } from './receiver.js';
import { serve } from './serve.js';

const commands: Record<string, (argv: string[]) => Promise<void>> = {
  serve,
  demo: demoCommand,
  key: keyCommand,
  receiver: receiverCommand,
};

const [name = 'serve', ...argv] = process.argv.slice(2);
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
