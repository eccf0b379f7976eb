import type { Bus } from '../../src/bus.js';
import type { EventType, LoggedEvent } from '../../src/event.js';
import { isTerminal } from '../../src/event.js';
import { matches } from '../../src/feed.js';
import type { Feed } from '../../src/store.js';
import { ACCOUNT, event, job } from './api.js';

const LOOKED_AT = 10;

/** An event log in memory that answers as the store does, each read a random number of turns late. */
export class FakeLog implements Pick<Feed, 'events' | 'jobEvents'> {
  readonly events_: LoggedEvent[] = [];
  tail = 0;
  private readonly sequences = new Map<string, number>();
  reads = 0;
  /** So many reads to come are refused. */
  failing = 0;

  constructor(private readonly turns: () => number = () => 0) {}

  get head(): number {
    return this.events_.length;
  }

  /** Commits an event of job `n`; a terminal one is its last. */
  append(n: number, type: EventType): LoggedEvent {
    const { id, number, pipelineName, externalId, tags, createdAt } = job(n);
    const sequence = (this.sequences.get(id) ?? 0) + 1;
    this.sequences.set(id, sequence);
    const made = event(this.head + 1, {
      type,
      sequence,
      job: { id, number, pipelineName, externalId, tags, createdAt },
    });
    this.events_.push(made);
    return made;
  }

  publish(bus: Bus, events: LoggedEvent[]): void {
    bus.publish([{ kind: 'events', accountId: ACCOUNT.id, events }]);
  }

  events: Feed['events'] = async (_account, filter, after, limit) => {
    this.asked();
    // What is answered is the log at the time of asking, as in a transaction.
    const { head, tail } = this;
    const through = Math.min(head, after + limit * LOOKED_AT);
    const kept = this.events_.filter(
      ({ position }) => position > Math.max(after, tail) && position <= through,
    );
    const events = kept.filter((one) => matches(one, filter)).slice(0, limit);
    const full = events.length === limit;
    await this.wait();
    return { events, through: full ? (events.at(-1)?.position ?? after) : through, head, tail };
  };

  jobEvents: Feed['jobEvents'] = async (_account, jobId, types, after, limit) => {
    this.asked();
    const { head, tail } = this;
    const all = this.events_.filter((one) => one.job?.id === jobId);
    const last = all.at(-1);
    const events = all
      .filter((one) => one.position > after && (types === null || types.includes(one.type)))
      .slice(0, limit);
    await this.wait();
    if (!last) return null;
    const full = events.length === limit;
    const through = full ? (events.at(-1)?.position ?? after) : Math.max(after, head);
    return { events, through, head, tail, ended: isTerminal(last.type) && through >= last.position };
  };

  private asked(): void {
    this.reads++;
    if (this.failing === 0) return;
    this.failing--;
    throw new Error('the log cannot be read');
  }

  private async wait(): Promise<void> {
    for (let left = this.turns(); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
  }
}
