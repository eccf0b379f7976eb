import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { printedSchema } from '../schema/print.js';

// The same files as in scripts/generate.mjs.
const files: Record<string, () => string> = {
  'schema/schema.graphql': printedSchema,
};

test.each(Object.entries(files))('%s is what the code generates', (path, content) => {
  const checkedIn = readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
  expect(checkedIn === content(), `${path} is stale; run: npm run generate`).toBe(true);
});
