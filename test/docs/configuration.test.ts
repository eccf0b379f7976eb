import { expect, it } from 'vitest';
import { settings } from '../../src/config.js';
import { ROOT } from '../examples/program.js';
import { page } from './blocks.js';

interface SettingsTable {
  withSettingsTable(text: string, of: typeof settings): string;
}

it('docs/configuration.md has the settings of the code', async () => {
  const { withSettingsTable } = (await import(`${ROOT}scripts/settings-table.mjs`)) as SettingsTable;
  const text = page('docs/configuration.md');
  expect(
    withSettingsTable(text, settings) === text,
    'docs/configuration.md is stale; run: npm run generate',
  ).toBe(true);
  for (const { name } of Object.values(settings)) expect(text).toContain(`| \`${name}\` |`);
});
