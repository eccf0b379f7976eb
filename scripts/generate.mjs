// Writes the files that are made from the code and checked in; test/drift.test.ts and
// test/docs/configuration.test.ts fail where one is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { printedSchema } from '../dist/schema/print.js';
import { settings } from '../dist/src/config.js';
import { withSettingsTable } from './settings-table.mjs';

const files = {
  'schema/schema.graphql': () => printedSchema(),
  'docs/configuration.md': (text) => withSettingsTable(text, settings),
};

for (const [path, content] of Object.entries(files)) {
  const file = new URL(`../${path}`, import.meta.url);
  writeFileSync(file, content(readFileSync(file, 'utf8')));
  console.log(`wrote ${path}`);
}
