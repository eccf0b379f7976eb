import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { advance } from '../../src/advance.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { jobStatusEvents } from '../../src/event.js';
import { graphOf } from '../../src/graph.js';
import { parseJobId, RAW } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import { NO_LIMITS } from '../../src/limits.js';
import { openSqliteStore } from '../../src/sqlite/store.js';
import type { Outcome } from '../../src/state.js';
import type { AttemptRecord, DueDelivery, JobTarget, Store } from '../../src/store.js';
import { parseLeaseToken } from '../../src/task.js';
import { VirtualClock } from '../support/clock.js';
import { countedIds } from '../support/ids.js';

export const ALL = { limit: 100_000, after: null, before: null, inverted: false };
export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** A store on a fresh folder, with a second connection that looks at its rows. */
export class Fixture {
  store!: Store;
  account!: string;
  raw!: Database.Database;
  readonly clock = new VirtualClock();
  readonly ids = countedIds(this.clock);
  private folder!: string;

  static async open(): Promise<Fixture> {
    const fixture = new Fixture();
    fixture.folder = await mkdtemp(join(tmpdir(), 'carillon-fixture-'));
    fixture.openStore();
    fixture.account = (await fixture.store.ensureAccount('default', 'whsec_YWNjb3VudA==', fixture.at())).id;
    return fixture;
  }

  private openStore(): void {
    this.store = openSqliteStore({ folder: this.folder, clock: this.clock, ids: this.ids, own: true });
    this.raw = new Database(join(this.folder, 'carillon.db'), { readonly: true });
  }

  async reopen(): Promise<void> {
    this.raw.close();
    await this.store.close();
    this.openStore();
  }

  async close(): Promise<void> {
    this.raw.close();
    await this.store.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  at(): number {
    return this.clock.now();
  }

  rows<T>(sql: string, ...parameters: unknown[]): T[] {
    return this.raw.prepare(sql).all(...parameters) as T[];
  }

  async submit(descriptor: object, targets: JobTarget[] = [], accountId = this.account): Promise<string> {
    const parsed = parseDescriptor(descriptor);
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const { graph } = graphOf(parsed.descriptor);
    const submitted = await this.store.submit({
      accountId,
      job: newJob(this.ids.uuid(), parsed.descriptor, graph, RAW, this.at()),
      targets,
      idempotency: null,
      limits: NO_LIMITS,
      at: this.at(),
    });
    if (!('jobId' in submitted)) throw new Error(JSON.stringify(submitted));
    return submitted.jobId;
  }

  single(more: object = {}): object {
    return { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'one', input: [1] }], ...more };
  }

  claim(max: number, queues = ['one', 'two']): Promise<LeasedTask[]> {
    return this.store.claim({ queues, max, worker: 'w', leaseMs: 30_000, at: this.at() });
  }

  settle(task: Pick<LeasedTask, 'token'>, outcome: Partial<Outcome> & { kind: Outcome['kind'] }) {
    const ref = parseLeaseToken(task.token)!;
    const outcomes = [
      { ref: { node: ref.node, item: ref.item }, token: task.token, at: this.at(), ...outcome } as Outcome,
    ];
    return this.store.settle({ jobUuid: ref.jobUuid, outcomes }, advance);
  }

  settleJob(jobId: string, outcome: Outcome) {
    return this.store.settle({ jobUuid: parseJobId(jobId)!.uuid, outcomes: [outcome] }, advance);
  }

  succeed(task: LeasedTask, result: unknown = 1) {
    return this.settle(task, { kind: 'succeeded', result: JSON.stringify(result) });
  }

  target(source: JobTarget['source'], url: string): JobTarget {
    return { source, url, urlKey: url, format: 'HKUBE', verbosity: 'info' };
  }

  webhook(url: string, more: object = {}) {
    return this.store.registerWebhook({
      accountId: this.account,
      url,
      urlKey: url,
      description: null,
      events: [...jobStatusEvents],
      pipelines: [],
      format: 'STANDARD',
      headers: [],
      secret: 'whsec_b3du',
      timeoutMs: 5_000,
      maxPerSecond: null,
      enabled: true,
      at: this.at(),
      ...more,
    });
  }

  lanes(max = 10, maxPerUrl = 4): Promise<DueDelivery[]> {
    return this.store.claimLanes({
      max,
      maxPerUrl,
      maxResultBytes: 1_000_000,
      leaseMs: 90_000,
      at: this.at(),
    });
  }

  /** Accounts whose counters are not what there is, counted anew. */
  miscounted(): object[] {
    const sum = (bytes: string, from: string, account: string) =>
      `(select ifnull(sum(${bytes}), 0) from ${from} where ${account} = a.key)`;
    const ofJob = (bytes: string, table: string) =>
      sum(bytes, `${table} t join jobs j on j.key = t.job`, 'j.account');
    const parts = [
      ofJob('octet_length(t.descriptor) + ifnull(octet_length(t.flow_input), 0)', 'job_inputs'),
      ofJob('octet_length(t.input) + ifnull(octet_length(t.extra_data), 0)', 'node_inputs'),
      ofJob('octet_length(t.value)', 'task_items'),
      ofJob('octet_length(t.value)', 'task_results'),
      sum(
        'octet_length(v.descriptor)',
        'pipeline_versions v join pipelines p on p.key = v.pipeline',
        'p.account',
      ),
      sum('octet_length(b.body)', 'delivery_bodies b join deliveries d on d.key = b.delivery', 'd.account'),
      sum('octet_length(e.facts)', 'events e', 'e.account'),
    ];
    return this.rows(`select a.name, a.running_jobs, a.stored_bytes,
        (select count(*) from jobs j where j.account = a.key and j.finished_at is null) as running,
        ${parts.join(' + ')} as stored
      from accounts a where a.running_jobs <> running or a.stored_bytes <> stored`);
  }

  record(
    due: DueDelivery,
    outcome: AttemptRecord['outcome'] = 'DELIVERED',
    fraction = 0.5,
  ): Promise<boolean> {
    // Another one each time, and some too large to be kept.
    const body = due.number % 4 === 3 ? null : `{"n":"${'ü'.repeat(due.number)}"}`;
    return this.store.recordAttempt(
      {
        deliveryId: due.deliveryId,
        token: due.token,
        number: due.number,
        startedAt: this.at(),
        durationMs: 3,
        outcome,
        statusCode: outcome === 'DELIVERED' ? 200 : null,
        responseSnippet: null,
        requestHeaders: [],
        body,
        bodyBytes: body === null ? 70_000 : Buffer.byteLength(body),
        bodySha256: 'hash',
      },
      fraction,
      this.at(),
    );
  }

  deliveries(filter: object = {}) {
    return this.store.deliveries(this.account, filter, ALL, this.at());
  }

  /** What a dispatcher does while time passes: nothing but what the store says is due. */
  async pump(
    untilMs: number,
    answer: (due: DueDelivery) => AttemptRecord['outcome'],
  ): Promise<DueDelivery[]> {
    const end = this.at() + untilMs;
    const sent: DueDelivery[] = [];
    for (;;) {
      const due = await this.lanes(64);
      for (const one of due) {
        sent.push(one);
        await this.record(one, answer(one));
      }
      if (due.length > 0) continue;
      const next = await this.store.nextDueAt(this.at());
      if (next === null || next > end) break;
      await this.clock.advance(Math.max(next - this.at(), 1));
    }
    return sent;
  }
}
