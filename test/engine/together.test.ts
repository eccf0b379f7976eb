import { expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { openHere } from '../../src/batch.js';
import { MAX_OPEN_CHILDREN } from '../../src/child.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createCron } from '../../src/engine/cron.js';
import type { Engine } from '../../src/engine/engine.js';
import { createExpander } from '../../src/engine/expander.js';
import type { Parts } from '../../src/engine/parts.js';
import { runPipeline } from '../../src/engine/pipelines.js';
import { createSubPipelines } from '../../src/engine/sub-pipelines.js';
import { createSweeper, expireLeases } from '../../src/engine/sweeper.js';
import { createTriggers } from '../../src/engine/triggers.js';
import { ProblemError, StaleCauseError, UnavailableError } from '../../src/errors.js';
import { isEnded, type JobStatus } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import type { Loop } from '../../src/loop.js';
import { PIPELINE_QUEUE } from '../../src/node-kind.js';
import type { Outcome } from '../../src/state.js';
import type { Store } from '../../src/store.js';
import { Fixture, MINUTE, SECOND } from '../sqlite/fixture.js';
import { random } from '../sqlite/random.js';
import { judge } from '../support/history.js';
import { type KeptLog, partsOf, step } from './loops.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const SEEDS = heavy ? 50 : 3;
const STEPS = 250;

const retry = { policy: 'OnError', limit: 2 };
/** Tasks outlive their server, or everything would end by that. */
const always = { policy: 'Always', limit: 4 };
const one = (nodeName: string, input: unknown[], more: object = {}) => ({
  ...{ nodeName, algorithmName: 'one', input, retry: always },
  ...more,
});
const sub = (nodeName: string, name: string, input: unknown[], more: object = {}) => ({
  ...{ nodeName, kind: 'pipeline', spec: { name }, input, retry: always },
  ...more,
});

/** Jobs of every kind of node, in whose pairs the parts meet. */
const shapes = [
  [one('a', ['#[1...4]']), one('b', ['*@a'])],
  [one('a', ['#[1...3]'], { retry }), sub('b', 'child', ['*@a'])],
  [one('a', ['#[1...3]']), one('b', ['*@a', '#[x,y]']), one('c', ['@b'])],
  [sub('a', 'child', ['#[1...3]'], { retry }), one('b', ['*@a'])],
  [sub('a', 'narrow', ['#[1...3]']), one('b', ['@a'])],
  [sub('a', 'nest', [1]), one('b', ['#@flowInput.none'])],
  [one('a', ['#@flowInput.none']), one('b', ['#[1,2]']), one('c', ['*@b', '#@flowInput.none'])],
  [one('a', ['#@flowInput.none']), one('b', ['#[1,2]']), one('c', ['*@a', '*@b'], { retry })],
  [one('a', [1], { retry })],
];

/** What is stored: children, what follows them, and what the clock runs. */
const stored = {
  child: { nodes: [one('c', ['@flowInput'])], flowInput: { given: false } },
  narrow: {
    flowInput: { given: false },
    nodes: [one('c', ['@flowInput'])],
    options: { concurrentPipelines: { amount: 1, rejectOnFailure: false } },
  },
  nest: { nodes: [one('c', ['#[1,2]']), sub('d', 'child', ['*@c'])] },
  after: {
    nodes: [one('c', [1])],
    triggers: { pipelines: ['main', 'narrow'] },
    options: { concurrentPipelines: { amount: 2, rejectOnFailure: false } },
  },
  timed: {
    nodes: [one('c', ['#[1,2]']), one('d', ['*@c'])],
    triggers: { cron: { pattern: '* * * * *', enabled: true } },
    options: { concurrentPipelines: { amount: 1, rejectOnFailure: false } },
  },
};
type Name = keyof typeof stored;

interface Row {
  key: number;
  id: string;
  uuid: string;
  pipeline: string;
  status: JobStatus;
  held: number;
  concurrency: number | null;
  sequence: number;
}

/** A store that may die with a call, before or after its commit: who asked hears nothing of what became of it. */
function mortal(store: Store, dies: () => 'before' | 'after' | null): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const method = target[name] as unknown as (...given: unknown[]) => unknown;
      if (typeof method !== 'function') return method;
      return async (...given: unknown[]) => {
        const way = dies();
        if (way === 'before') throw new UnavailableError('dead');
        const answer = await method.apply(target, given);
        if (way === 'after') throw new UnavailableError('dead');
        return answer;
      };
    },
  });
}

class Walk {
  private readonly r;
  private readonly shapes: (typeof shapes)[number][];
  private readonly amounts: (number | null)[];
  private parts!: Parts & { log: KeptLog };
  private engine!: Engine;
  private loops!: Record<'expander' | 'sweeper' | 'cron' | 'triggers' | 'subPipelines', Loop>;
  private leased: LeasedTask[] = [];
  private deadAfter = Number.POSITIVE_INFINITY;
  readonly log: string[] = [];
  private known = new Map<number, number>();

  constructor(
    private readonly f: Fixture,
    seed: number,
  ) {
    const r = random(seed);
    this.r = r;
    // Each walk is of a few kinds, and of those many.
    this.shapes = Array.from({ length: 3 }, () => r.pick(shapes));
    this.amounts = r.pick([[null], [null, 1], [1, 2, 3]]);
    this.start();
  }

  private start(): void {
    const { f } = this;
    const store = mortal(f.store, () =>
      this.deadAfter-- > 0 ? null : this.deadAfter === -1 && this.r.below(2) === 0 ? 'after' : 'before',
    );
    // No message arrives: whatever is told by the bus alone would be lost.
    const bus = { publish() {}, listen: () => () => {} };
    this.parts = partsOf(f, { store, bus, openBatch: openHere });
    this.engine = createEngine(this.parts);
    this.loops = {
      expander: createExpander(this.parts),
      sweeper: createSweeper(this.parts),
      cron: createCron(this.parts, 60 * MINUTE),
      triggers: createTriggers(this.parts),
      subPipelines: createSubPipelines(this.parts, { worker: 'server/pipelines' }),
    };
    this.leased = [];
  }

  async save(name: Name): Promise<void> {
    const descriptor = { name, ...stored[name] };
    await this.engine.savePipeline(this.f.account, { descriptor, mode: 'either', ifVersion: null });
  }

  jobs(): Row[] {
    return this.f.rows<Row>("select *, pipeline || ':' || uuid as id from jobs order by key");
  }

  open(): Row[] {
    return this.jobs().filter(({ status }) => !isEnded(status));
  }

  /** Refusals are answers; that the store is dead is one, too. */
  private async ask(what: Promise<unknown>): Promise<void> {
    await what.catch((error: unknown) => {
      const expected = [ProblemError, StaleCauseError, UnavailableError];
      if (!expected.some((kind) => error instanceof kind)) throw error;
    });
  }

  private async reopen(): Promise<void> {
    await this.f.reopen();
    this.deadAfter = Number.POSITIVE_INFINITY;
    this.start();
    while ((await expireLeases(this.parts, this.f.at(), 'server/')) > 0);
  }

  async move(): Promise<void> {
    const { r, f, engine } = this;
    const acts: [number, string, () => unknown][] = [
      [8, 'submit', () => this.submit()],
      [4, 'run', () => this.ask(engine.runPipeline(f.account, this.request(r.pick(Object.keys(stored)))))],
      [8, 'expander', () => this.some('expander', 1 + r.below(6))],
      [4, 'sweeper', () => this.some('sweeper', 1)],
      [4, 'cron', () => this.some('cron', 1)],
      [5, 'triggers', () => this.some('triggers', 1)],
      [8, 'subPipelines', () => this.some('subPipelines', 1 + r.below(2))],
      [12, 'claim', async () => void this.leased.push(...(await this.claim(1 + r.below(8))))],
      [20, 'end', () => this.end(1 + r.below(8))],
      [3, 'start of a job', () => this.startChild()],
      [6, 'pause', () => this.control('pauseJob')],
      [6, 'resume', () => this.control('resumeJob')],
      [2, 'cancel', () => this.control('cancelJob')],
      [6, 'rerun', () => this.rerun()],
      [1, 'overdue', () => this.outcome('overdue')],
      [1, 'broken', () => this.outcome('broken')],
      [3, 'wait', () => f.clock.advance(r.pick([SECOND, 2 * SECOND, 10 * SECOND, 40 * SECOND]))],
      [1, 'delete', () => this.ask(engine.deletePipeline(f.account, r.pick(Object.keys(stored))))],
      [2, 'save', () => this.ask(this.save(r.pick(Object.keys(stored) as Name[])))],
      [1, 'restart', () => this.reopen()],
      [2, 'die', () => this.die()],
    ];
    const bag = acts.flatMap((act) => Array<typeof act>(act[0]).fill(act));
    const [, name, run] = r.pick(bag);
    this.log.push(name);
    await run();
    if (!Number.isFinite(this.deadAfter)) return;
    this.log.push(`dead ${this.deadAfter}`);
    await this.reopen();
  }

  /** The server dies in the midst of the next thing that it does. */
  private async die(): Promise<void> {
    this.deadAfter = this.r.below(6);
    const ways = [
      ...(['expander', 'subPipelines', 'triggers', 'cron', 'sweeper'] as const).map(
        (name) => () => this.some(name, 3),
      ),
      () => this.rerun(),
      () => this.ask(this.engine.deletePipeline(this.f.account, this.r.pick(Object.keys(stored)))),
      () => this.startChild(),
    ];
    await this.r.pick(ways)();
  }

  private async some(name: keyof Walk['loops'], steps: number): Promise<void> {
    for (let count = 0; count < steps; count++) await step(this.loops[name]);
  }

  private request(name: string) {
    const common = { version: null, overrides: {}, idempotencyKey: null, received: null };
    return { name, ...common };
  }

  private submit(): Promise<void> {
    const { r } = this;
    const amount = r.pick(this.amounts);
    const concurrentPipelines = amount === null ? undefined : { amount, rejectOnFailure: false };
    const descriptor = {
      name: r.pick(['main', 'main', 'other']),
      nodes: r.pick(this.shapes),
      flowInput: { none: [] },
      priority: 1 + r.below(5),
      options: {
        batchTolerance: r.pick([30, 80, 100]),
        ttl: r.pick([0, 0, 120, 3_600]),
        concurrentPipelines,
      },
    };
    const common = { operation: 'submitPipeline' as const, received: null, idempotencyKey: null };
    return this.ask(this.engine.submit(this.f.account, { ...common, descriptor }));
  }

  private claim(max: number): Promise<LeasedTask[]> {
    const { f } = this;
    return f.store.claim({ queues: ['one'], max, worker: 'server/w', leaseMs: 30_000, at: f.at() });
  }

  private async end(count: number): Promise<void> {
    for (let turn = 0; turn < count && this.leased.length > 0; turn++) {
      const [task] = this.leased.splice(this.r.below(this.leased.length), 1);
      const failure = { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'm', crash: false } as const;
      if (this.r.below(8) === 0) await this.f.settle(task!, { kind: 'started' });
      else if (this.r.below(7) === 0) await this.f.settle(task!, failure);
      else await this.f.succeed(task!, [1, 2]);
    }
  }

  /** The code of a task starts a job. */
  private async startChild(): Promise<void> {
    const task = this.leased.at(-1);
    if (!task) return;
    const request = {
      ...this.request(this.r.pick(['child', 'narrow'])),
      origin: { types: ['stored', 'sub-pipeline'] as const, parentId: task.jobId, rerunOfId: null, depth: 1 },
      cause: { kind: 'task', token: task.token, awaited: false } as const,
    };
    await this.ask(runPipeline(this.parts, this.f.account, request as never));
  }

  private async control(act: 'pauseJob' | 'resumeJob' | 'cancelJob'): Promise<void> {
    const some = this.open().filter(({ status }) => (status === 'PAUSED') === (act === 'resumeJob'));
    if (some.length === 0) return;
    const held = some.filter((job) => job.held === 1);
    const { id } = this.r.pick(held.length > 0 && this.r.below(2) === 0 ? held : some);
    if (act === 'cancelJob') await this.engine.cancelJob(this.f.account, id, 'r');
    else await this.engine[act](this.f.account, id);
  }

  private async outcome(kind: 'overdue' | 'broken'): Promise<void> {
    const some = this.open();
    if (some.length === 0) return;
    const outcomes: Outcome[] = [{ kind, at: this.f.at() }];
    await this.f.store.settle({ jobUuid: this.r.pick(some).uuid, outcomes }, advance);
  }

  private async rerun(): Promise<void> {
    const { r } = this;
    const some = this.jobs();
    if (some.length === 0) return;
    const ended = some.filter(({ status }) => status === 'FAILED' || status === 'CANCELLED');
    const job = r.pick(ended.length > 0 ? ended : some);
    const from = r.pick([
      { kind: 'START' as const },
      { kind: 'FAILED' as const },
      { kind: 'FAILED' as const },
      { kind: 'NODE' as const, nodeName: r.pick(['a', 'b', 'c']) },
    ]);
    const input = { jobId: job.id, from, idempotencyKey: null, received: null };
    await this.ask(this.engine.rerunJob(this.f.account, input));
  }

  async check(): Promise<void> {
    const { f } = this;
    const mayStart = `j.status in ('PENDING', 'ACTIVE') and j.held = 0`;
    const lease = '(select 1 from tasks t where t.job = l.parent and t.token = l.token)';
    const full = `(select count(*) from tasks o where o.job = t.job and o.queue = t.queue and o.token is not null) >= ${MAX_OPEN_CHILDREN}`;
    const nothing: Record<string, string> = {
      'tasks to start that no claim finds': `select t.* from tasks t join jobs j on j.key = t.job
        where t.status = 'READY' and t.token is null and ${mayStart} and not (t.queue = '${PIPELINE_QUEUE}' and ${full})
        and not exists (select 1 from ready_jobs r where r.job = t.job and r.queue = t.queue)`,
      'listed jobs that may start nothing': `select * from ready_jobs r join jobs j on j.key = r.job where not (${mayStart})`,
      'listed jobs whose account is not': `select * from ready_jobs r where not exists (select 1 from ready_accounts a
        where a.queue = r.queue and a.rank = r.rank and a.account = r.account)`,
      'leases of ended jobs': `select * from tasks t join jobs j on j.key = t.job where t.token is not null and j.finished_at is not null`,
      'arrivals of ended jobs': `select * from arrivals a join jobs j on j.key = a.job where j.finished_at is not null`,
      'arrivals that nobody looks at': `select n.* from arrivals a join job_nodes n on n.job = a.job and n.node = a.node where n.expanding = 0
        and n.status = 'ACTIVE'`,
      'nodes made in ended or held jobs': `select * from job_nodes n join jobs j on j.key = n.job where n.expanding <> 0
        and (j.finished_at is not null or (n.expanding = 1 and (j.held = 1 or (j.status = 'PAUSED' and j.started_at is null))))`,
      'nodes that nobody makes': `select n.* from job_nodes n join jobs j on j.key = n.job where n.expanding = 0 and n.status = 'ACTIVE'
        and j.finished_at is null and (n.kept_job is not null or
          (n.batch = 1 and n.waits = '[]' and (n.total is null or n.expanded < n.total)) or
          (n.waits <> '[]' and (n.fan is null or n.total is null or n.scanned * n.fan < n.total)))`,
      'nodes that are to go on and do not': `select n.* from job_nodes n join jobs j on j.key = n.job where n.expanding = 2 and ${mayStart}`,
      'nodes with other rows than they say': `select n.* from job_nodes n where n.status in ('ACTIVE', 'SUCCEEDED', 'FAILED')
        and n.expanded <> (select count(*) from tasks t where t.job = n.job and t.node = n.node)`,
      'counters of nodes': `select n.* from job_nodes n join jobs j on j.key = n.job where
        n.succeeded <> (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status = 'SUCCEEDED')
        or n.failed <> (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status = 'FAILED')
        or (j.finished_at is null and
          n.active <> (select count(*) from tasks t where t.job = n.job and t.node = n.node and t.status in ('ACTIVE')))`,
      'unbound links': `select l.* from job_links l join jobs c on c.key = l.job where
        (l.todo is null and (c.finished_at is not null or not exists ${lease}))
        or (l.todo = 'SETTLE' and (c.finished_at is null or l.awaited = 0 or not exists ${lease}))
        or (l.todo = 'CANCEL' and (c.finished_at is not null or exists ${lease}))`,
      'children without a link': `select c.* from jobs c where c.types like '%sub-pipeline%' and c.parent is not null
        and c.finished_at is null and not exists (select 1 from job_links l where l.job = c.key)`,
      'runs that are nobody’s': `select t.* from tasks t where t.queue = '${PIPELINE_QUEUE}' and t.status = 'ACTIVE' and not exists
        (select 1 from job_links l where l.token = t.token and l.awaited = 1)`,
      'runs owed to nobody, or by nobody': `select * from triggered t left join pipelines p on p.key = t.pipeline
        left join jobs j on j.key = t.job where p.key is null or j.status is not 'COMPLETED'`,
      'clocks and triggers without a pipeline': `select pipeline from crons where pipeline not in (select key from pipelines)
        union all select pipeline from triggers where pipeline not in (select key from pipelines)`,
      'runs that were triggered twice': `select parent, pipeline from jobs where types = '["stored","trigger"]'
        group by parent, pipeline having count(*) > 1`,
      'deadlines of those who have none': `select * from jobs where expires_at is not null and (status = 'PAUSED' or finished_at is not null)`,
      'held beside a free slot': `select h.* from jobs h where h.held = 1 and h.finished_at is null and h.status <> 'PAUSED' and h.concurrency >
        (select count(*) from jobs o where o.account = h.account and o.pipeline = h.pipeline and o.held = 0 and o.finished_at is null)`,
      'positions that are not dense': `select a.id from accounts a where a.head <> (select count(*) from events e where e.account = a.key)`,
    };
    for (const [what, query] of Object.entries(nothing)) {
      const found = f.rows(query);
      if (found.length > 0) throw new Error(`${what}: ${JSON.stringify(found[0])}\n${this.tail()}`);
    }
    expect(f.miscounted(), this.tail()).toEqual([]);
    for (const job of this.jobs()) {
      if (this.known.get(job.key) === job.sequence) continue;
      this.known.set(job.key, job.sequence);
      const { events } = (await f.store.jobEvents(f.account, job.id, null, 0, 10_000))!;
      expect(judge(events), this.tail()).toEqual({ wrong: [], state: job.status });
    }
    if (this.parts.log.errors.length > 0)
      throw new Error(`${String((this.parts.log.errors[0] as { err: Error }).err?.stack)}\n${this.tail()}`);
  }

  tail(): string {
    return this.log.slice(-15).join(', ');
  }

  /** Lets everything go on, until nothing is left to do. */
  async finish(): Promise<void> {
    const { f, engine } = this;
    this.log.push('finish');
    await this.ask(engine.setCron(f.account, 'timed', { enabled: false }));
    const left = () => this.open().length + f.rows('select * from triggered').length;
    for (let round = 0; left() > 0; round++) {
      if (round > 1_000) throw new Error(`does not end: ${JSON.stringify(this.open()[0])}\n${this.tail()}`);
      for (const { id, status } of this.open())
        if (status === 'PAUSED') await engine.resumeJob(f.account, id);
      for (const name of ['expander', 'subPipelines', 'triggers', 'sweeper', 'cron'] as const)
        await this.some(name, name === 'expander' ? 10 : 1);
      for (const task of [...this.leased.splice(0), ...(await this.claim(100))])
        await f.succeed(task, [1, 2]);
      await f.clock.advance(SECOND);
      if (round % 10 === 0) await this.check();
    }
    for (const table of ['ready_jobs', 'arrivals', 'job_links', 'triggered'])
      expect(f.rows(`select * from ${table}`), table).toEqual([]);
    expect(f.rows('select * from job_nodes where expanding <> 0')).toEqual([]);
    await this.check();
  }
}

it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
  'jobs that pause, wait, nest, repeat and follow each other all end, and leave nothing behind (seed %i)',
  async (seed) => {
    const f = await Fixture.open();
    try {
      const walk = new Walk(f, seed);
      for (const name of Object.keys(stored) as Name[]) await walk.save(name);
      for (let count = 0; count < STEPS; count++) {
        await walk.move();
        await walk.check();
      }
      await walk.finish();
    } finally {
      await f.close();
    }
  },
  120_000,
);
