import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptOutcome } from '../../src/delivery.js';
import { eventTypes, jobStatusEvents } from '../../src/event.js';
import type { LeasedTask } from '../../src/lease.js';
import type { DueDelivery } from '../../src/store.js';
import { ALL, Fixture, HOUR, MINUTE, SECOND } from './fixture.js';
import { random } from './random.js';

const SEEDS = process.env['CARILLON_TEST_HEAVY'] === '1' ? 150 : 4;

interface LaneRow {
  key: number;
  target: number;
  job: number;
  solo: number;
  url: number;
  head: number;
  due_at: number | null;
  held_since: number | null;
  waits_for: number | null;
  token: string | null;
  lease_expires_at: number | null;
}
interface DeliveryRow {
  key: number;
  id: string;
  target: number;
  job: number | null;
  type: string;
  status: string;
  class: string;
  lane: number | null;
  attempts: number;
}

// What review:lanes proves already is left out of the random walk, so that it looks for something else.
const SHARED_410 = false;
const RESEND_DELETED = false;

describe('a random walk over lanes', () => {
  let f: Fixture;
  beforeEach(async () => {
    f = await Fixture.open();
  });
  afterEach(() => f.close());

  async function walk(seed: number, steps: number): Promise<void> {
    const r = random(seed);
    const urls = ['a', 'b', 'c'].map((name) => `http://${name}.example/`);
    const hooks: { id: string; deleted: boolean }[] = [];
    const jobs: string[] = [];
    const leased: LeasedTask[] = [];
    let inFlight: DueDelivery[] = [];
    const firstAttempted = new Set<string>();
    const resent = new Set<string>();
    const log: string[] = [];

    const check = () => {
      const lanes = f.rows<LaneRow>('select * from lanes');
      const deliveries = f.rows<DeliveryRow>('select * from deliveries');
      const byLane = new Map<number, DeliveryRow[]>();
      const problems: string[] = [];
      for (const one of deliveries) {
        const open = one.status === 'PENDING' || one.status === 'RETRYING';
        if (open !== (one.lane !== null)) problems.push(`delivery ${one.key} ${one.status} lane ${one.lane}`);
        if (one.lane !== null) byLane.set(one.lane, [...(byLane.get(one.lane) ?? []), one]);
      }
      for (const row of f.miscounted()) problems.push(`miscounted ${JSON.stringify(row)}`);
      const laneKeys = new Set(lanes.map((lane) => lane.key));
      for (const key of byLane.keys()) if (!laneKeys.has(key)) problems.push(`no lane ${key}`);
      const tokens = new Set(inFlight.map((due) => due.token));
      for (const lane of lanes) {
        const mine = byLane.get(lane.key) ?? [];
        const oldest = Math.min(...mine.map((one) => one.key));
        if (mine.length === 0) problems.push(`lane ${lane.key} is empty; head ${lane.head}`);
        else if (oldest !== lane.head) problems.push(`lane ${lane.key}: head ${lane.head}, oldest ${oldest}`);
        if (lane.token !== null && !tokens.has(lane.token)) problems.push(`lane ${lane.key}: strange lease`);
        if (lane.solo !== 0 && mine.length > 1) problems.push(`solo lane ${lane.key} has ${mine.length}`);
        if (lane.due_at === null && lane.token === null && mine.length > 0) {
          const head = mine.find((one) => one.key === lane.head);
          const [target] = head
            ? f.rows<{ enabled: number }>('select enabled from targets where key = ?', head.target)
            : [];
          if (target?.enabled !== 0) problems.push(`lane ${lane.key} is never due`);
        }
        if (lane.due_at !== null && mine.length > 0) {
          const [target] = f.rows<{ enabled: number }>(
            'select enabled from targets where key = ?',
            mine[0]!.target,
          );
          if (target?.enabled === 0 && lane.token === null && mine[0]!.type !== 'WEBHOOK_PING')
            problems.push(`lane ${lane.key} of a disabled webhook is due`);
        }
      }
      for (const url of f.rows<{ key: number; due_at: number | null; cooling_until: number | null }>(
        'select * from urls',
      )) {
        const mine = lanes.filter((lane) => lane.url === url.key);
        const busy = mine.filter((lane) => lane.token !== null).length;
        const due = Math.min(
          ...mine.filter((lane) => lane.token === null && lane.due_at !== null).map((lane) => lane.due_at!),
        );
        if (due === Number.POSITIVE_INFINITY) continue;
        if (url.due_at === null) {
          if (busy === 0) problems.push(`url ${url.key} is not listed, though a lane is due at ${due}`);
        } else {
          // With as many calls under way as may be, it is listed for when the first of their leases ends.
          const leases = mine.flatMap((lane) => (lane.token === null ? [] : [lane.lease_expires_at ?? 0]));
          const latest = Math.max(due, url.cooling_until ?? 0, leases.length > 0 ? Math.min(...leases) : 0);
          if (url.due_at > latest) problems.push(`url ${url.key} is listed too late`);
        }
      }
      if (problems.length > 0)
        throw new Error(`seed ${seed}: ${problems.join('; ')}\n${log.slice(-12).join('\n')}`);
    };

    const claim = async () => {
      const due = await f.lanes(1 + r.below(6), 1 + r.below(3));
      for (const one of due) {
        const row = f.rows<DeliveryRow>('select * from deliveries where id = ?', one.deliveryId)[0]!;
        if (row.lane === null) throw new Error(`seed ${seed}: ${row.status} delivery ${row.key} is sent`);
        if (!firstAttempted.has(one.deliveryId) && row.job !== null && !resent.has(one.deliveryId)) {
          firstAttempted.add(one.deliveryId);
          const earlier = f.rows<DeliveryRow>(
            'select * from deliveries where target = ? and job = ? and key < ? and lane is not null',
            row.target,
            row.job,
            row.key,
          );
          for (const other of earlier)
            if (!firstAttempted.has(other.id) && !resent.has(other.id))
              throw new Error(
                `seed ${seed}: ${row.type} overtakes ${other.type}\n${log.slice(-12).join('\n')}`,
              );
        }
        firstAttempted.add(one.deliveryId);
        const double = inFlight.find((other) => other.deliveryId === one.deliveryId);
        if (double)
          throw new Error(
            `seed ${seed}: ${row.type} ${row.key} is in flight twice\n${log.slice(-25).join('\n')}`,
          );
      }
      inFlight.push(...due);
      return due.length;
    };

    const record = async (outcome: AttemptOutcome) => {
      const [due] = inFlight.splice(r.below(inFlight.length), 1);
      if (due) await f.record(due, outcome, r.next());
    };

    const actions: [number, string, () => Promise<unknown>][] = [
      [
        4,
        'submit',
        async () => {
          const targets = [];
          if (r.below(2)) targets.push(f.target('JOB_PROGRESS', r.pick(urls)));
          if (r.below(2)) targets.push(f.target('JOB_RESULT', r.pick(urls)));
          jobs.push(
            await f.submit(
              { name: r.pick(['p', 'q']), nodes: [{ nodeName: 'a', algorithmName: 'one', input: ['#[1]'] }] },
              targets.map((one) => ({ ...one, verbosity: r.pick(['info', 'debug', 'error'] as const) })),
            ),
          );
          const items = Array.from({ length: 1 + r.below(6) }, () => '[1]');
          await f.settleJob(jobs.at(-1)!, {
            kind: 'expanded',
            node: 0,
            at: f.at(),
            total: items.length,
            from: 0,
            items,
          });
        },
      ],
      [4, 'lease', async () => leased.push(...(await f.claim(1 + r.below(3))))],
      [
        10,
        'settle',
        async () => {
          const [task] = leased.splice(r.below(leased.length), 1);
          if (!task) return;
          const kind = r.below(8);
          if (kind === 0) {
            await f.settle(task, { kind: 'started' });
            leased.push(task);
          } else if (kind === 1)
            await f.settle(task, { kind: 'failed', code: 'EXITED', message: 'x', crash: true });
          else if (kind === 2) {
            await f.settle(task, { kind: 'progress', percent: 1, message: null });
            leased.push(task);
          } else await f.succeed(task);
        },
      ],
      [
        1,
        'cancel',
        async () => jobs.length > 0 && f.settleJob(r.pick(jobs), { kind: 'cancel', at: f.at(), reason: '' }),
      ],
      [14, 'claim', claim],
      [9, 'delivered', () => record('DELIVERED')],
      [6, 'error', () => record('HTTP_ERROR')],
      [2, 'timeout', () => record('TIMEOUT')],
      [
        1,
        'gone',
        async () => {
          const at = inFlight.findIndex((due) => SHARED_410 || due.webhookId !== null);
          if (at >= 0) {
            const [due] = inFlight.splice(at, 1);
            await f.record(due!, 'GONE');
          }
        },
      ],
      [
        8,
        'advance',
        async () => {
          const ms = r.pick([SECOND, 5 * SECOND, 20 * SECOND, MINUTE]);
          // An attempt never outlives its lease.
          const ends = new Map(
            f
              .rows<{ token: string; at: number }>(
                'select token, lease_expires_at as at from lanes where token is not null',
              )
              .map((row) => [row.token, row.at]),
          );
          for (const due of [...inFlight]) {
            const end = ends.get(due.token);
            if (end !== undefined && end > f.at() + ms) continue;
            inFlight = inFlight.filter((one) => one !== due);
            await f.record(due, r.pick(['DELIVERED', 'HTTP_ERROR', 'TIMEOUT'] as const), r.next());
          }
          await f.clock.advance(ms);
        },
      ],
      [2, 'advance far', () => f.clock.advance(r.pick([5 * MINUTE, 6 * MINUTE, HOUR]))],
      [
        1,
        'register',
        async () => {
          if (hooks.length > 6) return;
          const events = r.pick([
            [...jobStatusEvents],
            ['JOB_PROGRESS', 'JOB_COMPLETED', 'JOB_ACTIVE'],
            ['TASK_PROGRESS', 'TASK_COMPLETED', 'TASK_ACQUIRED'],
            eventTypes,
          ]);
          const hook = await f.webhook(r.pick(urls), {
            events: [...events],
            format: r.pick(['STANDARD', 'HKUBE']),
            enabled: r.below(4) > 0,
          });
          hooks.push({ id: hook.id, deleted: false });
        },
      ],
      [
        3,
        'toggle',
        async () => {
          const live = hooks.filter((hook) => !hook.deleted);
          if (live.length > 0)
            await f.store.updateWebhook(f.account, r.pick(live).id, { enabled: r.below(3) > 0 }, f.at());
        },
      ],
      [
        1,
        'move',
        async () => {
          const live = hooks.filter((hook) => !hook.deleted);
          const url = r.pick([...urls, 'http://d.example/']);
          if (live.length > 0)
            await f.store.updateWebhook(f.account, r.pick(live).id, { url, urlKey: url }, f.at());
        },
      ],
      [
        0.3,
        'delete',
        async () => {
          const live = hooks.filter((hook) => !hook.deleted);
          if (live.length === 0) return;
          const hook = r.pick(live);
          hook.deleted = true;
          await f.store.deleteWebhook(f.account, hook.id, f.at());
        },
      ],
      [
        2,
        'resend',
        async () => {
          const rows = f.rows<DeliveryRow & { deleted_at: number | null }>(
            'select d.*, t.deleted_at from deliveries d join targets t on t.key = d.target',
          );
          const fitting = rows.filter((row) => RESEND_DELETED || row.deleted_at === null);
          if (fitting.length === 0) return;
          const row = r.pick(fitting);
          resent.add(row.id);
          await f.store.resend(f.account, row.id, f.at());
        },
      ],
      [
        1,
        'ping',
        async () => {
          const live = hooks.filter((hook) => !hook.deleted);
          if (live.length === 0) return;
          const ping = await f.store.startPing(f.account, r.pick(live).id, 90_000, f.at());
          inFlight.push(ping!.due);
        },
      ],
      [
        0.4,
        'default',
        () => {
          const url = r.pick(urls);
          return f.store.updateAccount(
            f.account,
            { defaultWebhookUrl: url, defaultWebhookUrlKey: url, defaultWebhookFormat: 'HKUBE' },
            f.at(),
          );
        },
      ],
      [
        0.3,
        'restart',
        async () => {
          await f.reopen();
          await f.store.releaseLanes();
          inFlight = [];
        },
      ],
    ];
    const sum = actions.reduce((total, [weight]) => total + weight, 0);
    for (let step = 0; step < steps; step++) {
      let place = r.next() * sum;
      const [, name, run] = actions.find(([weight]) => {
        place -= weight;
        return place < 0;
      })!;
      // An attempt never outlives its lease: what was claimed is recorded before time moves far.
      if (name === 'advance far')
        while (inFlight.length > 0) await record(r.pick(['DELIVERED', 'HTTP_ERROR']));
      log.push(`${step} ${name} @${f.at() % 1e8}`);
      await run();
      if (name === 'advance' && inFlight.length > 0 && r.below(3) === 0) await record('DELIVERED');
      check();
    }
    // The end: every receiver is well.
    while (inFlight.length > 0) await record('DELIVERED');
    for (const hook of hooks)
      if (!hook.deleted) await f.store.updateWebhook(f.account, hook.id, { enabled: true }, f.at());
    for (const task of leased) await f.succeed(task);
    for (;;) {
      while ((await claim()) > 0) {
        while (inFlight.length > 0) await record('DELIVERED');
        check();
      }
      const next = await f.store.nextDueAt(f.at());
      if (next === null) break;
      await f.clock.advance(Math.max(next - f.at(), 1));
    }
    const open = await f.store.deliveries(
      f.account,
      { statuses: ['PENDING', 'HELD', 'RETRYING', 'IN_FLIGHT'] },
      ALL,
      f.at(),
    );
    expect({ seed, open }).toEqual({ seed, open: [] });
    expect(f.rows('select * from lanes')).toEqual([]);
  }

  for (let seed = 1; seed <= SEEDS; seed++)
    it(`keeps its invariants, and everything ends (seed ${seed})`, () => walk(seed, 250), 60_000);
});
