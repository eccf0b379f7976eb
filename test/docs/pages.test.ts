import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { settings } from '../../src/config.js';
import { scheduleOf } from '../../src/delivery.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { graphOf } from '../../src/graph.js';
import { taskErrorCodes } from '../../src/job.js';
import { isInstalled, ROOT } from '../examples/program.js';
import { block, blocksIn, blocksOf, page, pages } from './blocks.js';

const schema = createSchema();

interface Results {
  data: { results: unknown[] };
}

describe('code in the documentation', () => {
  it.each(blocksIn('graphql'))('$place is a valid document of the schema', ({ code }) => {
    expect(validate(schema, parse(code)).map(({ message }) => message)).toEqual([]);
  });

  it.each(blocksIn('json'))('$place is JSON', ({ code }) => {
    expect(JSON.parse(code)).toEqual(expect.any(Object));
  });

  it.each(blocksIn('js'))('$place is a module without mistakes of syntax', ({ code }) => {
    const checked = spawnSync(process.execPath, ['--input-type=module', '--check'], {
      input: code,
      encoding: 'utf8',
    });
    expect(checked.stderr).toBe('');
  });

  it.runIf(isInstalled('bash')).each(blocksIn('sh'))(
    '$place is a script without mistakes of syntax',
    ({ code }) => {
      const checked = spawnSync('bash', ['-n'], { input: code, encoding: 'utf8' });
      expect(checked.stderr).toBe('');
    },
  );

  it.each(blocksIn('sh'))('$place uses scripts, files and settings that exist', ({ code }) => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { scripts: object };
    const used = [...code.matchAll(/npm (?:run )?(\S+)/g)].map((match) => match[1]!);
    expect(used.filter((name) => !['ci', 'cit'].includes(name) && !(name in scripts))).toEqual([]);
    const files = [...code.matchAll(/\b(?:examples|docs|dist|test)\/[\w./-]+/g)].map((match) => match[0]);
    expect(files.filter((file) => !existsSync(`${ROOT}${file}`))).toEqual([]);
  });

  it('has only languages that are checked here', () => {
    // What is in TypeScript is a file that the compiler checks (running.test.ts).
    const checked = ['graphql', 'json', 'js', 'ts', 'sh', 'python'];
    const others = pages.flatMap(blocksOf).filter(({ language }) => !checked.includes(language));
    expect(others.map(({ place }) => place)).toEqual([]);
  });
});

describe('what the documentation says', () => {
  it.each(pages)('%s leads only to what exists', (path) => {
    const links = [...page(path).matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!);
    const broken = links.filter((link) => {
      if (/^https:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(`${ROOT}${target}`)) return true;
      return anchor !== undefined && !anchorsOf(page(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(pages)('%s names only variables that are read', (path) => {
    const ours = Object.values(settings).map(({ name }) => name);
    const others = ['CARILLON_TEST_HEAVY', 'CARILLON_URL', 'CARILLON_KEY', 'CARILLON_WEBHOOK_SECRET'];
    const named = [...page(path).matchAll(/\bCARILLON_[A-Z_]+/g)].map((match) => match[0]);
    expect(named.filter((name) => !ours.includes(name) && !others.includes(name))).toEqual([]);
  });

  it("the README's client is the example", () => {
    const client = readFileSync(`${ROOT}examples/quickstart.mjs`, 'utf8');
    expect(block('README.md', 'js', '').code).toBe(client);
  });

  it('the README fits on two screens', () => {
    expect(page('README.md').split('\n').length).toBeLessThan(110);
  });

  it('every code of a failed task is explained', () => {
    const table = page('docs/algorithms.md').split('<!-- codes -->')[1]!.split('\n## ')[0]!;
    const explained = [...table.matchAll(/^\| `([A-Z_]+)` \| .{10,} \|$/gm)].map((match) => match[1]);
    expect(explained).toEqual([...taskErrorCodes]);
  });

  it('the retry schedule is the one in the code', () => {
    const said = page('docs/webhooks.md')
      .split(/<!-- \/?schedule -->/)[1]!
      .trim();
    const [first, ...later] = scheduleOf('STATUS').delaysMs;
    expect(first).toBe(0);
    expect(said).toBe(later.map(spoken).join(', '));
  });

  it("the example of STANDARD is the format's golden file, less some results", () => {
    const { shown: doc, bytes } = golden<Results>('standard/job.completed.json');
    expect(doc.data.results.length).toBeGreaterThan(0);
    const fewer = bytes.data.results.slice(0, doc.data.results.length);
    expect(doc).toEqual({ ...bytes, data: { ...bytes.data, results: fewer } });
  });

  it.each([
    'hkube/progress-completed.json',
    'hkube/result-completed.json',
    'hkube-v2/progress-completed.json',
  ])('the example %s is the golden file', (path) => {
    const { shown, bytes } = golden(path);
    expect(shown).toEqual(bytes);
  });

  it('the line of docs/algorithms.md is a descriptor that is taken, each node after the one before', () => {
    const parsed = parseDescriptor(JSON.parse(block('docs/algorithms.md', 'json', 'descriptor').code));
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const { graph, problems } = graphOf(parsed.descriptor);
    expect(problems).toEqual([]);
    expect(graph.nodes).toMatchObject([
      { batch: true },
      { waits: [0], batch: true },
      { needs: [1], waits: [] },
    ]);
  });

  it("HKube's example is a descriptor that is taken", () => {
    const parsed = parseDescriptor(JSON.parse(block('docs/hkube.md', 'json', 'descriptor').code));
    expect(parsed).toMatchObject({ descriptor: { name: 'batch', webhooks: { format: 'HKUBE' } } });
  });
});

function golden<T>(path: string): { shown: T; bytes: T } {
  const shown = JSON.parse(block('docs/webhooks.md', 'json', `golden=${path}`).code) as T;
  return { shown, bytes: JSON.parse(readFileSync(`${ROOT}test/golden/${path}`, 'utf8')) as T };
}

/** "5 min" */
function spoken(ms: number): string {
  const units: [string, number][] = [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ];
  const [name, size] = units.find(([, unit]) => ms >= unit)!;
  return `${ms / size} ${name}`;
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
