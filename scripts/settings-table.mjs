// The table of docs/configuration.md, made from `settings` in src/config.ts.
const START = '<!-- settings -->';
const END = '<!-- /settings -->';

/** The text with what stands between the markers replaced by a table of `settings`. */
export function withSettingsTable(text, settings) {
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  if (start < 0 || end < start)
    throw new Error(`the text needs the markers ${START} and ${END}, in this order`);
  const rows = Object.values(settings).map(
    ({ name, fallback, description }) =>
      `| \`${name}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${cell(description)} |`,
  );
  const table = ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
  return `${text.slice(0, start + START.length)}\n\n${table}\n\n${text.slice(end)}`;
}

/** Prose as Markdown shows it: "<name>" would be taken for HTML. */
function cell(text) {
  return text.replaceAll('<', '&lt;').replaceAll('|', '\\|');
}
