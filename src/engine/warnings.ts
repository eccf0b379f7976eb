import type { Parts } from './parts.js';

const WINDOW_MS = 60_000;
/** Of one account in a minute: its thousand pipelines may be refused every second. */
const MOST = 10;

/** What the operator is told of accounts' own pipelines. Each pipeline remembers its last error, whether it is told or not. */
export class Warnings {
  readonly #told = new Map<string, number>();
  #since = 0;

  constructor(private readonly parts: Pick<Parts, 'log' | 'clock'>) {}

  warn(facts: { accountId: string; pipeline: string; parentId?: string }, message: string): void {
    const now = this.parts.clock.now();
    if (now - this.#since >= WINDOW_MS || now < this.#since) {
      this.#told.clear();
      this.#since = now;
    }
    const { accountId } = facts;
    const told = this.#told.get(accountId) ?? 0;
    if (told > MOST) return;
    this.#told.set(accountId, told + 1);
    if (told < MOST) this.parts.log.warn(facts, message);
    else this.parts.log.warn({ accountId }, 'what else becomes of its pipelines is not told for a minute');
  }
}
