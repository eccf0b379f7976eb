import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runDemo } from '../../src/cli/demo.js';
import { wrapped } from '../../src/cli/demo-screen.js';

const CARILLON = fileURLToPath(new URL('../../dist/src/cli/carillon.js', import.meta.url));
const ALGORITHMS = fileURLToPath(new URL('../../examples/algorithms', import.meta.url));
const never = new Promise<void>(() => {});

describe('the demonstration', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'carillon-demo-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('shows submission, events, signed webhooks and results, ends by itself and leaves nothing behind', async () => {
    // Its data folder goes where temporary files go: there must be none left.
    const child = spawn(process.execPath, [CARILLON, 'demo'], {
      env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));

    expect({ code, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
    const lines = output.stdout.split('\n').map((line) => line.trim());
    expect(lines).toContainEqual(expect.stringMatching(/^✓ job batch:[0-9a-f-]{36}$/));
    expect(lines).toContainEqual(
      expect.stringMatching(/^event +\d+ +JOB_COMPLETED +█{12} 100\.00% completed, 3 succeed$/),
    );
    const webhooks = lines.filter((line) => line.startsWith('webhook '));
    expect(webhooks.map((line) => line.replace(/ +/g, ' '))).toEqual([
      'webhook progress ✓ signature ok job.pending',
      'webhook progress ✓ signature ok job.active',
      'webhook progress ✓ signature ok job.completed',
      'webhook result ✓ signature ok job.completed',
    ]);
    const results = lines.filter((line) => /^green#\d +\d+$/.test(line));
    expect(results.map((line) => line.split(/ +/))).toEqual([
      ['green#1', '10'],
      ['green#2', '20'],
      ['green#3', '30'],
    ]);
    expect(lines).toContainEqual(
      expect.stringMatching(/^✓ \d+ events, 4 webhooks, every signature verified/),
    );
    expect(output.stdout).not.toContain('\u001b');
    expect(await readdir(folder)).toEqual([]);
  });

  it('says what is missing when the time is over, and what went wrong when it is interrupted', async () => {
    const algorithmsDir = join(folder, 'algorithms');
    await mkdir(algorithmsDir);
    await writeFile(
      join(algorithmsDir, 'green-alg.mjs'),
      'export const start = () => new Promise(() => {});\n',
    );
    let active = () => {};
    const started = new Promise<void>((resolve) => {
      active = resolve;
    });
    const options = {
      print: (line: string) => line.includes('JOB_ACTIVE') && active(),
      color: false,
      algorithmsDir,
    };
    const late = runDemo({ ...options, deadlineMs: 3_000, stopped: never });
    await expect(late).rejects.toThrow(/^not done within 3 s; missing: .*result webhook "completed"/);
    const interrupted = runDemo({ ...options, deadlineMs: 60_000, stopped: started });
    await expect(interrupted).rejects.toThrow('interrupted');
  });

  it('says that the pipeline was refused where the algorithm is not there', async () => {
    const options = { print: () => {}, color: false, deadlineMs: 20_000, stopped: never };
    await expect(runDemo({ ...options, algorithmsDir: folder })).rejects.toThrow(
      'the pipeline was refused: algorithm green-alg Not Found',
    );
  });

  it('is coloured where it is told that this can be shown', async () => {
    const lines: string[] = [];
    const print = (line: string) => lines.push(line);
    await runDemo({ print, color: true, algorithmsDir: ALGORITHMS, deadlineMs: 20_000, stopped: never });
    expect(lines.join('\n')).toContain('\u001b[32m✓\u001b[39m');
  });
});

describe('wrapped JSON', () => {
  it('breaks between members only, and loses nothing', () => {
    const json = '{"a":"one, two, three","b":[{"c":1},{"d":2}]}';
    const lines = wrapped(json, 12);
    expect(lines.join('')).toBe(json);
    expect(lines).toEqual(['{"a":"one, two, three",', '"b":[{"c":1},', '{"d":2}]}']);
  });
});
