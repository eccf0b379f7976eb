// The table of docs/configuration.md, made from `settings` in src/config.ts.
import { cell, withTable } from './table.mjs';

/** The text with what stands between the markers replaced by a table of `settings`. */
export function withSettingsTable(text, settings) {
  const rows = Object.values(settings).map(({ name, fallback, description }) => [
    `\`${name}\``,
    fallback === '' ? '' : `\`${fallback}\``,
    cell(description),
  ]);
  return withTable(text, 'settings', ['variable', 'default', 'meaning'], rows);
}
