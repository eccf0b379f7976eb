import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { HubState } from './hub.js';
import type { LiveConnections } from './live-connections.js';

export interface Metrics {
  /** One event was sent to everybody who takes it, this long after it was heard of. */
  observeLag(ms: number): void;
  contentType: string;
  /** In the text format of Prometheus: totals of this server, of all accounts together. */
  text(): Promise<string>;
}

/** What there is to count; each is looked at when somebody asks. */
export interface Measured {
  hub(): HubState;
  connections: LiveConnections;
}

/** Seconds: from what one turn of the event loop costs to what a person would call late. */
const LAG_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

const ofHub: Record<string, { help: string; kind: 'gauge' | 'counter'; of: keyof HubState }> = {
  carillon_subscribers: { help: 'Subscriptions that run.', kind: 'gauge', of: 'subscribers' },
  carillon_subscriber_groups: {
    help: 'Groups of subscriptions that share their executions.',
    kind: 'gauge',
    of: 'groups',
  },
  carillon_subscribers_behind: {
    help: 'Subscriptions that catch up, or whose clients do not read.',
    kind: 'gauge',
    of: 'behind',
  },
  carillon_subscription_executions_total: {
    help: 'Events for which an operation was run.',
    kind: 'counter',
    of: 'executed',
  },
  carillon_subscription_results_total: {
    help: 'Results handed to clients.',
    kind: 'counter',
    of: 'sent',
  },
  carillon_subscription_stalls_total: {
    help: 'Times that a client was found to have too much unread.',
    kind: 'counter',
    of: 'stalled',
  },
  carillon_subscription_dropped_total: {
    help: 'Events dropped from memory because sending could not keep up; they are read from the log instead.',
    kind: 'counter',
    of: 'dropped',
  },
};

export function createMetrics({ hub, connections }: Measured): Metrics {
  const registry = new Registry();
  const registers = [registry];
  for (const [name, { help, kind, of }] of Object.entries(ofHub)) {
    if (kind === 'gauge') {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(hub()[of]);
        },
      });
    } else {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(hub()[of]);
        },
      });
    }
  }
  new Gauge({
    name: 'carillon_connections',
    help: 'WebSockets and event streams that are open.',
    registers,
    collect() {
      this.set(connections.size);
    },
  });
  new Gauge({
    name: 'carillon_connections_unsent_bytes',
    help: 'Bytes that lie in memory for clients that have not taken them yet.',
    registers,
    collect() {
      this.set(connections.unsent());
    },
  });
  new Counter({
    name: 'carillon_connections_closed_total',
    help: 'Closed connections by close code; of event streams 1000 is a stream that ended, 1006 one that was left.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset();
      for (const [code, count] of connections.closedByCode()) this.inc({ code }, count);
    },
  });
  const lag = new Histogram({
    name: 'carillon_subscription_lag_seconds',
    help: 'From hearing of an event to having sent it to every subscriber of a group that takes it.',
    buckets: LAG_BUCKETS,
    registers,
  });
  return {
    observeLag: (ms) => lag.observe(ms / 1_000),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
