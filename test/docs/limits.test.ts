import { getOperationAST, parse } from 'graphql';
import { expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { settings } from '../../src/config.js';
import { weigh } from '../../src/http/cost.js';
import { limits } from '../../src/http/limits.js';
import { readTrusted } from '../../src/http/trusted.js';
import { ROOT } from '../examples/program.js';
import { blocksOf, page } from './blocks.js';

const schema = createSchema();
const blocks = blocksOf('docs/limits.md');

interface LimitsTable {
  withLimitsTable(text: string, of: typeof limits, and: typeof settings): string;
}

it('docs/limits.md has the limits of the code', async () => {
  const { withLimitsTable } = (await import(`${ROOT}scripts/limits-table.mjs`)) as LimitsTable;
  const text = page('docs/limits.md');
  expect(
    withLimitsTable(text, limits, settings) === text,
    'docs/limits.md is stale; run: npm run generate',
  ).toBe(true);
  for (const { name } of Object.values(limits)) expect(text).toContain(`| ${name} |`);
});

it('the example costs what the page says', () => {
  const examples = blocks.filter(({ info }) => info.startsWith('cost='));
  expect(examples.length).toBeGreaterThan(0);
  for (const { code, info } of examples) {
    const document = parse(code);
    const { requested } = weigh(schema, document, getOperationAST(document)!, {});
    expect(`cost=${requested}`).toBe(info);
  }
});

it('the manifests of the page are read, and both have the document; the other one of curl is in the second', () => {
  const manifests = blocks.filter(({ info }) => info === 'manifest');
  expect(manifests).toHaveLength(2);
  for (const { code } of manifests) {
    expect(readTrusted(code, schema).textOf('follow-job')).toContain('subscription FollowJob');
  }
  const asked = /documentId=([\w-]+)/.exec(page('docs/limits.md'))![1]!;
  expect(readTrusted(manifests[1]!.code, schema).textOf(asked)).toContain('query');
});
