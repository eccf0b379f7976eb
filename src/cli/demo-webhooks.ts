import type { ReceivedCall } from './receiver.js';

/** Which of the two bodies a call carries: at the end of a job HKube's format has both, told by the id. */
export function partOf({ webhookId }: Pick<ReceivedCall, 'webhookId'>): 'progress' | 'result' {
  return webhookId?.endsWith('-result') ? 'result' : 'progress';
}

/** The calls that HKube's example is owed: one for each change of the job's status, and one with the result. */
export class OwedWebhooks {
  count = 0;
  /** Resolves when all have come; rejects where one has a bad signature. */
  readonly complete: Promise<void>;
  readonly #missing: Set<string>;
  readonly #owed = new Set([
    'progress webhook "pending"',
    'progress webhook "active"',
    'progress webhook "completed"',
    'result webhook "completed"',
  ]);
  #resolve = () => {};
  #reject: (error: Error) => void = () => {};

  /** Names are put into `missing`, and taken out as the calls come. */
  constructor(missing: Set<string>) {
    this.#missing = missing;
    for (const one of this.#owed) missing.add(one);
    this.complete = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Awaited only once the events are through: until then nobody would hear of a failure.
    this.complete.catch(() => {});
  }

  came(call: ReceivedCall): void {
    this.count++;
    if (call.verdict !== 'signature ok') {
      this.#reject(new Error(`a webhook came with a ${call.verdict}`));
      return;
    }
    const { status } = JSON.parse(call.body) as { status: string };
    const name = `${partOf(call)} webhook "${status}"`;
    this.#owed.delete(name);
    this.#missing.delete(name);
    if (this.#owed.size === 0) this.#resolve();
  }
}
