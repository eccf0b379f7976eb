/** The text with what stands between the markers <!-- name --> and <!-- /name --> replaced by a table. */
export function withTable(text, name, head, rows) {
  const [opening, closing] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(opening);
  const end = text.indexOf(closing);
  if (start < 0 || end < start)
    throw new Error(`the text needs the markers ${opening} and ${closing}, in this order`);
  const lines = [head, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  lines.splice(1, 0, `|${head.map(() => '---').join('|')}|`);
  return `${text.slice(0, start + opening.length)}\n\n${lines.join('\n')}\n\n${text.slice(end)}`;
}

/** Prose as Markdown shows it: "<name>" would be taken for HTML. */
export function cell(text) {
  return text.replaceAll('<', '&lt;').replaceAll('|', '\\|');
}
