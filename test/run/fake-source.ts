import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LeasedTask } from '../../src/lease.js';
import type { TaskSource } from '../../src/run/pool.js';
import type { Report } from '../../src/run/reports.js';
import { leaseToken, taskId } from '../../src/task.js';

export const fixtures = fileURLToPath(new URL('./algorithms', import.meta.url));

export function fixture(name: string): [name: string, path: string] {
  return [name, `${fixtures}/${name}.mjs`];
}

const UUID = '01890000-0000-7000-8000-000000000001';

/** A lease as a store would give it. `n` makes the task's item. */
export function lease(
  n: number,
  algorithmName: string,
  input: unknown[],
  more: Partial<LeasedTask> = {},
): LeasedTask {
  const ref = { node: 0, item: n };
  return {
    token: leaseToken(UUID, ref, `secret${n}`),
    taskId: taskId(UUID, ref),
    jobId: `pipeline:${UUID}`,
    accountId: 'acc_1',
    pipelineName: 'pipeline',
    nodeName: 'node',
    algorithmName,
    queue: algorithmName,
    batchIndex: n,
    attempt: 1,
    timeoutMs: null,
    leaseExpiresAt: 0,
    source: { template: JSON.stringify(input), flowInput: null, results: {}, item: null },
    extraData: null,
    ...more,
  };
}

/** A store's side of the pool, in memory. Tests wait for what it has seen. */
export class FakeSource implements TaskSource {
  readonly ready: LeasedTask[] = [];
  readonly reports: Report[] = [];
  readonly #ofToken = new Map<string, Report['outcome'][]>();
  readonly acquired: string[] = [];
  readonly asked: number[] = [];
  readonly extended: string[][] = [];
  /** Leases that are no longer valid. */
  readonly lost = new Set<string>();
  /** Called before anything is settled; may throw. */
  beforeSettle: () => void | Promise<void> = () => {};
  readonly #changes = new EventEmitter();
  #count = 0;

  constructor() {
    this.#changes.setMaxListeners(0);
  }

  /** Makes a task ready and returns its token. */
  add(algorithmName: string, input: unknown[] = [], more: Partial<LeasedTask> = {}): string {
    return this.offer(lease(++this.#count, algorithmName, input, more));
  }

  /** Makes this very lease ready. */
  offer(task: LeasedTask): string {
    this.ready.push(task);
    this.#changes.emit('ready');
    return task.token;
  }

  /** Takes leases away, as the end of a job does. */
  revoke(...tokens: string[]): void {
    for (const token of tokens) this.lost.add(token);
    this.#changes.emit('revoked', tokens);
  }

  async acquire(max: number, without: readonly string[]): Promise<LeasedTask[]> {
    this.asked.push(max);
    const tasks = this.ready.filter(({ algorithmName }) => !without.includes(algorithmName)).slice(0, max);
    for (const task of tasks) this.ready.splice(this.ready.indexOf(task), 1);
    this.acquired.push(...tasks.map(({ token }) => token));
    this.#changes.emit('change');
    return tasks;
  }

  async settle(reports: Report[]): Promise<{ accepted: boolean[] }> {
    await this.beforeSettle();
    for (const report of reports) {
      const { outcome } = report;
      this.reports.push(report);
      this.#ofToken.set(outcome.token, [...this.outcomes(outcome.token), outcome]);
    }
    setImmediate(() => this.#changes.emit('change'));
    return { accepted: reports.map(({ outcome }) => !this.lost.has(outcome.token)) };
  }

  async extend(tokens: string[]): Promise<boolean[]> {
    this.extended.push(tokens);
    this.#changes.emit('change');
    return tokens.map((token) => !this.lost.has(token));
  }

  onReady(handler: () => void): () => void {
    this.#changes.on('ready', handler);
    return () => this.#changes.off('ready', handler);
  }

  onRevoked(handler: (tokens: string[]) => void): () => void {
    this.#changes.on('revoked', handler);
    return () => this.#changes.off('revoked', handler);
  }

  /** Tells those who wait that something else of theirs may have changed. */
  poke(): void {
    this.#changes.emit('change');
  }

  /** The outcomes of one lease, in the order they were settled. */
  outcomes(token: string): Report['outcome'][] {
    return this.#ofToken.get(token) ?? [];
  }

  kinds(token: string): string[] {
    return this.outcomes(token).map(({ kind }) => kind);
  }

  async until(met: () => boolean): Promise<void> {
    while (!met()) await once(this.#changes, 'change');
  }

  /** The last outcome of a lease, once there is one. */
  async end(token: string): Promise<Report['outcome']> {
    const isEnd = ({ kind }: Report['outcome']) => kind !== 'started' && kind !== 'progress';
    await this.until(() => this.outcomes(token).some(isEnd));
    return this.outcomes(token).find(isEnd) as Report['outcome'];
  }
}
