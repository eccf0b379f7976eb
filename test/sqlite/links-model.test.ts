import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { advance } from '../../src/advance.js';
import { endedParentReason, MAX_OPEN_CHILDREN } from '../../src/child.js';
import { parseDescriptor } from '../../src/descriptor.js';
import { newJob } from '../../src/engine/new-job.js';
import { graphOf } from '../../src/graph.js';
import { parseJobId, RAW } from '../../src/job.js';
import type { LeasedTask } from '../../src/lease.js';
import { NO_LIMITS } from '../../src/limits.js';
import { PIPELINE_QUEUE } from '../../src/node-kind.js';
import type { OwedLink } from '../../src/store.js';
import { Fixture, SECOND } from './fixture.js';
import { random } from './random.js';

const SEEDS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 60 : 3;
const STEPS = 100;
/** More than one job may have under way. */
const WIDE = MAX_OPEN_CHILDREN + 30;

describe('jobs and the tasks that have started them', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  const pipeline = (nodeName: string, input: unknown[], retry: object) => ({
    nodeName,
    kind: 'pipeline',
    spec: { name: 'child' },
    input,
    retry,
  });

  /** Submits for a task, as a loop of the server would that may have died and come back in between. */
  async function start(token: string, parentId: string, awaited: boolean, descriptor: object) {
    const parsed = parseDescriptor(descriptor);
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
    const origin = { ...RAW, types: ['sub-pipeline' as const], parentId, depth: 1 };
    const { graph } = graphOf(parsed.descriptor);
    return f.store.submit({
      accountId: f.account,
      job: newJob(f.ids.uuid(), parsed.descriptor, graph, origin, f.at()),
      targets: [],
      idempotency: null,
      limits: NO_LIMITS,
      cause: { kind: 'task', token, awaited },
      at: f.at(),
    });
  }

  /** What the server does about links: again and again the same, and never a write of its own. */
  async function follow({ todo, child, token, failure }: OwedLink): Promise<void> {
    if (todo === 'CANCEL') {
      await f.settleJob(child.id, { kind: 'cancel', at: f.at(), reason: endedParentReason(failure) });
    } else if (child.status === 'COMPLETED') await f.settle({ token }, { kind: 'succeeded', result: '[]' });
    else await f.settle({ token }, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'x', crash: false });
  }

  function check(seed: number, log: string[]): void {
    const held = '(select 1 from tasks t where t.job = l.parent and t.token = l.token)';
    const rows = {
      // Both run, and nothing is to be done; or one has ended, and the other has to follow.
      unbound: f.rows(`select l.* from job_links l join jobs c on c.key = l.job where
        (l.todo is null and (c.finished_at is not null or not exists ${held}))
        or (l.todo = 'SETTLE' and (c.finished_at is null or l.awaited = 0 or not exists ${held}))
        or (l.todo = 'CANCEL' and (c.finished_at is not null or exists ${held}))`),
      orphans: f.rows(`select c.key from jobs c where c.parent is not null and c.finished_at is null
        and not exists (select 1 from job_links l where l.job = c.key)`),
      unstarted:
        f.rows(`select t.* from tasks t where t.queue = '${PIPELINE_QUEUE}' and t.status = 'ACTIVE' and not exists (
        select 1 from job_links l join jobs c on c.key = l.job where l.token = t.token and l.awaited = 1
        and t.worker = c.pipeline || ':' || c.uuid and t.lease_expires_at is null)`),
      twice: f.rows('select token from job_links where awaited = 1 group by token having count(*) > 1'),
      unmarked: f.rows(
        'select j.key from jobs j join job_links l on l.parent = j.key where j.has_children = 0',
      ),
      crowded: f.rows(`select job from tasks where queue = '${PIPELINE_QUEUE}' and token is not null
        group by job having count(*) > ${MAX_OPEN_CHILDREN}`),
      forgotten:
        f.rows(`select t.job from tasks t join jobs j on j.key = t.job where t.status = 'READY' and t.token is null
        and j.finished_at is null and not exists (select 1 from ready_jobs r where r.job = t.job and r.queue = t.queue)
        and (t.queue <> '${PIPELINE_QUEUE}' or ${MAX_OPEN_CHILDREN} > (select count(*) from tasks o
          where o.job = t.job and o.queue = t.queue and o.token is not null))`),
      miscounted: f.miscounted(),
    };
    for (const [name, found] of Object.entries(rows))
      if (found.length > 0)
        throw new Error(`seed ${seed}: ${name} ${JSON.stringify(found[0])}\n${log.slice(-12).join('\n')}`);
  }

  async function walk(seed: number): Promise<void> {
    const r = random(seed);
    const log: string[] = [];
    let pipelines: LeasedTask[] = [];
    let algorithms: LeasedTask[] = [];
    const child = () => ({
      name: 'child',
      nodes: [
        r.below(4) === 0
          ? pipeline('c', [1], { policy: 'Never' })
          : { nodeName: 'c', algorithmName: 'one', input: [1], retry: { policy: 'Never' } },
      ],
    });
    const expand = async () => {
      const next = await f.store.nextExpansion(null);
      if (!next) return false;
      const total = WIDE;
      await f.store.settle(
        {
          jobUuid: next.jobUuid,
          outcomes: [
            {
              kind: 'expanded',
              node: next.node,
              at: f.at(),
              total,
              from: next.expanded,
              items: Array(total - next.expanded).fill('[1]'),
            },
          ],
        },
        advance,
      );
      return true;
    };
    const sweep = async () => {
      for (const { token } of await f.store.expiredLeases(f.at(), 1_000))
        await f.settle({ token }, { kind: 'expired' });
      await f.store.promoteRetries(f.at(), 1_000);
    };
    const followSome = async (limit: number) => {
      for (const link of await f.store.owedLinks(null, limit)) {
        await follow(link);
        if (r.below(4) === 0) await follow(link);
      }
    };
    const startSome = async (count: number) => {
      for (const task of pipelines.splice(0, count)) {
        const before = r.below(8) === 0;
        if (before) await f.settle(task, { kind: 'released' });
        const submitted = await start(task.token, task.jobId, true, child());
        if (before) expect(submitted).toEqual({ stale: true });
      }
    };
    const claim = async () => {
      pipelines.push(...(await f.claim(1 + r.below(60), [PIPELINE_QUEUE])));
      algorithms.push(...(await f.claim(1 + r.below(20), ['one'])));
    };
    const end = async (task: LeasedTask, fails: boolean) =>
      fails
        ? f.settle(task, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'm', crash: false })
        : f.succeed(task);
    const endSome = async (count: number) => {
      for (const task of algorithms.splice(0, count)) await end(task, r.below(5) === 0);
    };
    const actions: [number, string, () => Promise<unknown>][] = [
      [
        2,
        'submit',
        () => {
          const retry = { policy: r.pick(['Never', 'OnError', 'Always']), limit: 2 };
          const nodes = r.pick([
            [pipeline('a', [1], retry)],
            [pipeline('a', ['#[1]'], retry)],
            [pipeline('a', [1], retry), { nodeName: 'b', algorithmName: 'one', input: ['@a'], retry }],
            [{ nodeName: 'a', algorithmName: 'one', input: [1], retry }, pipeline('b', [1], retry)],
          ]);
          return f.submit({ name: 'parent', options: { batchTolerance: r.pick([0, 100]) }, nodes });
        },
      ],
      [2, 'expand', expand],
      [6, 'claim', claim],
      [8, 'start', () => startSome(1 + r.below(40))],
      [
        4,
        'start for an algorithm',
        async () => {
          const task = algorithms.at(-1);
          if (task) await start(task.token, task.jobId, false, child());
        },
      ],
      [8, 'end', () => endSome(1 + r.below(12))],
      [8, 'follow', () => followSome(1 + r.below(50))],
      [1, 'forget', async () => void pipelines.splice(r.below(3), 1 + r.below(3))],
      [
        1,
        'cancel',
        async () => {
          const open = f.rows<{ id: string }>(
            "select pipeline || ':' || uuid as id from jobs where finished_at is null",
          );
          if (open.length > 0)
            await f.settleJob(r.pick(open).id, { kind: 'cancel', at: f.at(), reason: 'r' });
        },
      ],
      [2, 'sweep', sweep],
      [2, 'wait', () => f.clock.advance(r.below(20) * SECOND)],
      [
        1,
        'die',
        async () => {
          await f.reopen();
          // Its workers are gone: the start of a server gives back what they held.
          for (const { token } of await f.store.expiredLeases(f.at(), 10_000, 'w'))
            await f.settle({ token }, { kind: 'expired' });
          pipelines = [];
          algorithms = [];
        },
      ],
    ];
    const bag = actions.flatMap((action) => Array<typeof action>(action[0]).fill(action));
    for (let step = 0; step < STEPS; step++) {
      const [, name, run] = r.pick(bag);
      log.push(name);
      await run();
      check(seed, log);
    }
    log.push('drain');
    const leaf = { name: 'child', nodes: [{ nodeName: 'c', algorithmName: 'one', input: [1] }] };
    const isOpen = () => f.rows('select 1 from jobs where finished_at is null limit 1').length > 0;
    for (let turn = 0; isOpen(); turn++) {
      if (turn > 500) throw new Error(`seed ${seed}: jobs do not end`);
      while (await expand());
      await sweep();
      await claim();
      for (const task of pipelines.splice(0)) await start(task.token, task.jobId, true, leaf);
      for (const task of algorithms.splice(0)) await end(task, false);
      for (const link of await f.store.owedLinks(null, 1_000)) await follow(link);
      await f.clock.advance(5 * SECOND);
      check(seed, log);
    }
    expect(f.rows('select * from job_links')).toEqual([]);
  }

  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'end together, whatever happens in whatever order (seed %i)',
    (seed) => walk(seed),
    60_000,
  );

  it('are not more than a hundred at once of one job, and none of another waits for that', async () => {
    const wide = await f.submit({
      name: 'wide',
      nodes: [pipeline('a', [`#[1...${WIDE}]`], { policy: 'Never' })],
    });
    const { uuid } = parseJobId(wide)!;
    const items = Array(WIDE).fill('[1]');
    await f.store.settle(
      { jobUuid: uuid, outcomes: [{ kind: 'expanded', node: 0, at: f.at(), total: WIDE, from: 0, items }] },
      advance,
    );
    const first = await f.claim(1_000, [PIPELINE_QUEUE]);
    expect(first).toHaveLength(MAX_OPEN_CHILDREN);
    const child = { name: 'child', nodes: [pipeline('c', [1], { policy: 'Never' })] };
    for (const task of first) await start(task.token, wide, true, child);
    // Each of the runs has a run of its own to start: they do not wait for the ones they are part of.
    const nested = await f.claim(1_000, [PIPELINE_QUEUE]);
    expect(new Set(nested.map(({ jobId }) => jobId)).size).toBe(MAX_OPEN_CHILDREN);
    expect(await f.claim(1_000, [PIPELINE_QUEUE])).toEqual([]);
    await f.settle(nested[0]!, { kind: 'failed', code: 'ALGORITHM_ERROR', message: 'x', crash: false });
    expect(await f.claim(1_000, [PIPELINE_QUEUE])).toEqual([]);
    for (const link of await f.store.owedLinks(null, 10)) await follow(link);
    const next = await f.claim(1_000, [PIPELINE_QUEUE]);
    expect(next.map(({ jobId, batchIndex }) => [jobId, batchIndex])).toEqual([[wide, MAX_OPEN_CHILDREN + 1]]);
  });

  it('go on where one has ended while their job was paused, and start none in between', async () => {
    const wide = await f.submit({
      name: 'wide',
      nodes: [pipeline('a', [`#[1...${WIDE}]`], { policy: 'Never' })],
    });
    const at = f.at();
    const items = Array(WIDE).fill('[1]');
    await f.settleJob(wide, { kind: 'expanded', node: 0, at, total: WIDE, from: 0, items });
    const [late, ...first] = await f.claim(1_000, [PIPELINE_QUEUE]);
    const child = { name: 'child', nodes: [{ nodeName: 'c', algorithmName: 'one', input: [1] }] };
    for (const task of first) await start(task.token, wide, true, child);
    await f.settleJob(wide, { kind: 'pause', at });
    // It was about to be started.
    expect(await start(late!.token, wide, true, child)).toEqual({ stale: true });
    for (const task of await f.claim(2)) await f.succeed(task);
    for (const link of await f.store.owedLinks(null, 10)) await follow(link);
    expect(await f.claim(1_000, [PIPELINE_QUEUE])).toEqual([]);
    await f.settleJob(wide, { kind: 'resume', at });
    const next = await f.claim(1_000, [PIPELINE_QUEUE]);
    expect(next.map(({ batchIndex }) => batchIndex)).toEqual([
      1,
      ...[1, 2].map((n) => MAX_OPEN_CHILDREN + n),
    ]);
    expect(await f.claim(1_000, [PIPELINE_QUEUE])).toEqual([]);
    check(0, []);
  });
});
