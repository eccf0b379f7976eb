import { expect, test } from 'vitest';
import { createQuotas } from '../../src/http/quota.js';
import { type Holder, type Limits, NO_LIMITS } from '../../src/limits.js';
import { VirtualClock } from '../support/clock.js';

function quotas(limits: Partial<Limits> = {}) {
  const clock = new VirtualClock();
  return { clock, quotas: createQuotas({ clock, limits: { ...NO_LIMITS, ...limits } }) };
}

function holder(
  account: string,
  { own = {}, key = null }: { own?: Partial<Limits>; key?: [string, Partial<Limits>?] | null } = {},
): Holder {
  return {
    account: { id: account, limits: { ...NO_LIMITS, ...own } },
    apiKey: key && { id: key[0], limits: { requestsPerSecond: null, sockets: null, ...key[1] } },
  };
}

/** Takes until it is refused; how often it was not. */
function drain(of: ReturnType<typeof createQuotas>, who: Holder): number {
  for (let count = 0; ; count++) if (of.take(who)) return count;
}

test('an account has one bucket for all of its keys, and accounts have one each', async () => {
  const { clock, quotas: q } = quotas({ requestsPerSecond: 2 });
  const [a1, a2, b] = [holder('a', { key: ['k1'] }), holder('a', { key: ['k2'] }), holder('b')];
  expect(drain(q, a1)).toBe(20);
  expect(q.take(a2)).toMatchObject({ status: 429, code: 'LIMIT_REACHED', retryAfterMs: 500 });
  expect(drain(q, b)).toBe(20);
  await clock.advance(499);
  expect(q.take(a1)).not.toBeNull();
  await clock.advance(1);
  expect(q.take(a2)).toBeNull();
});

test('a refusal names the limit, whose it is, its bound and when to come back, in whole seconds', () => {
  const { quotas: q } = quotas({ requestsPerSecond: 1 });
  const who = holder('a', { own: { requestsPerSecond: 3 } });
  drain(q, who);
  expect(q.take(who)).toEqual({
    status: 429,
    code: 'LIMIT_REACHED',
    message:
      'the limit requestsPerSecond of every account of this server is 1, and the 10 that may come at once are used: try again in 1000 ms',
    headers: { 'retry-after': '1' },
    retryAfterMs: 1_000,
  });
  const own = holder('b', { own: { requestsPerSecond: 1 } });
  drain(q, own);
  expect(q.take(own)?.message).toContain('the limit requestsPerSecond of this account is 1,');
});

test('a key that is refused takes nothing from its account', () => {
  const { quotas: q } = quotas({ requestsPerSecond: 5 });
  const slow = holder('a', { key: ['k1', { requestsPerSecond: 1 }] });
  const other = holder('a', { key: ['k2'] });
  expect(drain(q, slow)).toBe(10);
  for (let count = 0; count < 100; count++) expect(q.take(slow)?.message).toContain('of this API key is 1');
  expect(drain(q, other)).toBe(40);
});

test('a limit that the account lowers counts at once', () => {
  const { quotas: q } = quotas({ requestsPerSecond: 100 });
  for (let count = 0; count < 50; count++) expect(q.take(holder('a'))).toBeNull();
  expect(q.take(holder('a', { own: { requestsPerSecond: 1 } }))).toMatchObject({ retryAfterMs: 1_000 });
});

test('sockets are counted for the key and the account until they close, each once', () => {
  const { quotas: q } = quotas({ sockets: 3 });
  const one = holder('a', { key: ['k1', { sockets: 2 }] });
  const two = holder('a', { key: ['k2'] });
  const open = (who: Holder) => {
    const opened = q.openSocket(who);
    if (typeof opened !== 'function') throw new Error(opened.message);
    return opened;
  };
  const closers = [open(one), open(one)];
  expect(q.openSocket(one)).toMatchObject({
    status: 429,
    message:
      'the limit sockets of this API key is 2, and 2 are open: close one, or follow more in one socket',
    headers: { 'retry-after': '5' },
  });
  closers.push(open(two));
  expect(q.openSocket(two)).toMatchObject({ code: 'LIMIT_REACHED' });
  expect(open(holder('b'))).toBeTypeOf('function');
  closers[0]!();
  closers[0]!();
  expect(q.used(one, { kind: 'sockets', scope: 'KEY', max: 2 })).toBe(1);
  expect(q.used(one, { kind: 'sockets', scope: 'ACCOUNT', max: 3 })).toBe(2);
  open(two);
  expect(q.openSocket(one)).toMatchObject({ code: 'LIMIT_REACHED' });
});

test('sockets that were opened before there was a limit count when there is one', () => {
  const { quotas: q } = quotas();
  q.openSocket(holder('a'));
  expect(q.openSocket(holder('a', { own: { sockets: 1 } }))).toMatchObject({ code: 'LIMIT_REACHED' });
});

test('used is told in the measure of the limit, also where a lesser one counts', async () => {
  const { clock, quotas: q } = quotas({ requestsPerSecond: 100 });
  const who = holder('a', { own: { requestsPerSecond: 4 }, key: ['k', { requestsPerSecond: 10 }] });
  for (let count = 0; count < 20; count++) q.take(who);
  const used = () => q.limits(who).map((limit) => [limit.scope, limit.max, q.used(who, limit)]);
  expect(used()).toEqual([
    ['KEY', 10, 2],
    ['ACCOUNT', 4, 2],
    ['SERVER', 100, 2],
  ]);
  await clock.advance(1_000);
  expect(used()).toEqual([
    ['KEY', 10, 1],
    ['ACCOUNT', 4, 1.6],
    ['SERVER', 100, 1.6],
  ]);
  expect(q.used(who, { kind: 'runningJobs', scope: 'SERVER', max: 1 })).toBeNull();
});

test('who is full again and has no socket open is forgotten, and then no timer is left', async () => {
  const { clock, quotas: q } = quotas({ requestsPerSecond: 1, sockets: 5 });
  for (let count = 0; count < 1_000; count++) q.take(holder(`a${count}`, { key: [`k${count}`] }));
  const close = q.openSocket(holder('b')) as () => void;
  expect(q.size()).toBe(1_001);
  close();
  expect(q.size()).toBe(1_000);
  await clock.advance(5_000);
  for (let count = 0; count < 10; count++) q.take(holder('busy'));
  await clock.advance(5_000);
  expect(q.size()).toBe(1);
  expect(clock.timers()).toBe(1);
  await clock.advance(20_000);
  expect([q.size(), clock.timers()]).toEqual([0, 0]);
});

test('nothing is remembered of whom no limit is set for, nor armed once it is closed', () => {
  const { clock, quotas: q } = quotas();
  expect(q.take(holder('a', { key: ['k'] }))).toBeNull();
  expect(q.size()).toBe(0);
  const limited = quotas({ requestsPerSecond: 1 });
  limited.quotas.take(holder('a'));
  limited.quotas.close();
  limited.quotas.take(holder('b'));
  expect([clock.timers(), limited.clock.timers()]).toEqual([0, 0]);
});
