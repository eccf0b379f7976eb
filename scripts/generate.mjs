// Writes the files that are made from the code and checked in; test/drift.test.ts and
// test/docs/configuration.test.ts and test/docs/limits.test.ts fail where one is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { printedSchema } from '../dist/schema/print.js';
import { settings } from '../dist/src/config.js';
import { limits } from '../dist/src/http/limits.js';
import { withLimitsTable } from './limits-table.mjs';
import { withSettingsTable } from './settings-table.mjs';

const files = {
  'schema/schema.graphql': () => printedSchema(),
  'docs/configuration.md': (text) => withSettingsTable(text, settings),
  'docs/limits.md': (text) => withLimitsTable(text, limits, settings),
};

for (const [path, content] of Object.entries(files)) {
  const file = new URL(`../${path}`, import.meta.url);
  writeFileSync(file, content(readFileSync(file, 'utf8')));
  console.log(`wrote ${path}`);
}
