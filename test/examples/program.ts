import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const ALGORITHMS = `${ROOT}examples/algorithms`;

export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}

/** Another process, run as a reader of the documentation would run it. */
export interface Program {
  /** Resolves with the match of the first line of its output, past or to come, that matches. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  stop(): Promise<void>;
}

/** Runs in the root of the repository. */
export function run(command: string, args: string[], env: Record<string, string> = {}): Program {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
      for (const check of [...waiting]) check();
    });
  }
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return {
    ended,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const match = output.stdout
            .split('\n')
            .slice(0, -1)
            .map((line) => pattern.exec(line))
            .find((one) => one !== null);
          if (!match) return;
          waiting.delete(check);
          resolve(match);
        };
        waiting.add(check);
        check();
        void ended.then(() => reject(new Error(`no line matches ${pattern}: ${JSON.stringify(output)}`)));
      }),
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
