import { readdirSync, readFileSync } from 'node:fs';
import { ROOT } from '../examples/program.js';

/** A fenced block of code in the documentation. `info` is what stands behind the language. */
export interface Block {
  /** "docs/webhooks.md:12" */
  place: string;
  language: string;
  info: string;
  code: string;
}

export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function page(path: string): string {
  return readFileSync(`${ROOT}${path}`, 'utf8');
}

export function blocksOf(path: string): Block[] {
  const blocks: Block[] = [];
  let open: (Block & { lines: string[] }) | null = null;
  for (const [index, line] of page(path).split('\n').entries()) {
    const fence = /^```(\w*) ?(.*)$/.exec(line);
    if (open && line === '```') {
      const { lines, ...block } = open;
      blocks.push({ ...block, code: `${lines.join('\n')}\n` });
      open = null;
    } else if (open) open.lines.push(line);
    else if (fence) {
      const [, language = '', info = ''] = fence;
      open = { place: `${path}:${index + 1}`, language, info, code: '', lines: [] };
    }
  }
  return blocks;
}

/** Every block in one of these languages. */
export function blocksIn(...languages: string[]): Block[] {
  return pages.flatMap(blocksOf).filter(({ language }) => languages.includes(language));
}

/** The one block of a page with this language and info. */
export function block(path: string, language: string, info: string): Block {
  const found = blocksOf(path).filter((one) => one.language === language && one.info === info);
  if (found.length !== 1)
    throw new Error(`${path} has ${found.length} blocks of ${language} ${info}, not one`);
  return found[0]!;
}
