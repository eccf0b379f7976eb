import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createDedupe, verify, WebhookVerificationError } from '../../src/client/receiver.js';
import { sign } from '../../src/deliver/sign.js';
import { generateSecret } from '../../src/secret.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = generateSecret(Buffer.alloc(32, 9));
const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const SECONDS = 1614265330;
const BODY = '{"test": 2432232314}';
const GOOD = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const BAD = `v1,${Buffer.alloc(32).toString('base64')}`;

const now = () => SECONDS * 1000;
const headers = (more: Record<string, string | undefined> = {}) => ({
  'webhook-id': ID,
  'webhook-timestamp': String(SECONDS),
  'webhook-signature': GOOD,
  ...more,
});
const check = (more: Record<string, string | undefined> = {}, secret: string | string[] = SECRET) =>
  verify(secret, headers(more), BODY, { now });

describe('a genuine call', () => {
  test('gives its id, time, event, job, attempt and parsed body', async () => {
    const more = {
      'x-carillon-event': 'job.completed',
      'x-carillon-job-id': 'batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29',
      'x-carillon-attempt': '3',
    };
    expect(await check(more)).toEqual({
      id: ID,
      timestamp: SECONDS,
      event: 'job.completed',
      jobId: 'batch:672a8b0e-c0b0-486e-bb2b-4571b0805f29',
      attempt: 3,
      body: { test: 2432232314 },
    });
  });

  test('of another sender has no event, job or attempt', async () => {
    expect(await check()).toMatchObject({ event: null, jobId: null, attempt: null });
    expect(await check({ 'x-carillon-attempt': 'many' })).toMatchObject({ attempt: null });
  });

  test.each([
    ['the Fetch API', new Headers(headers() as Record<string, string>)],
    ['title case', { 'Webhook-Id': ID, 'Webhook-Timestamp': String(SECONDS), 'Webhook-Signature': GOOD }],
    [
      'lists',
      { 'webhook-id': [ID], 'webhook-timestamp': [String(SECONDS)], 'webhook-signature': [BAD, GOOD] },
    ],
  ])('is known by headers of %s', async (_, given) => {
    expect(await verify(SECRET, given, BODY, { now })).toMatchObject({ id: ID });
  });

  test('is known by its bytes, whatever holds them', async () => {
    const bytes = new TextEncoder().encode(BODY);
    for (const body of [BODY, bytes, Buffer.from(BODY), bytes.buffer, Buffer.from(`xx${BODY}`).subarray(2)])
      expect(await verify(SECRET, headers(), body, { now })).toMatchObject({ body: { test: 2432232314 } });
  });

  test('may have no body', async () => {
    const signed = { 'webhook-signature': sign(SECRET, ID, SECONDS, '') };
    expect((await verify(SECRET, headers(signed), '', { now })).body).toBeUndefined();
  });

  test.each([
    ['a good one among bad ones and other versions', `${BAD} v2,bad ${GOOD} v1,bad`],
    ['the old one after the new one', `${sign(OTHER, ID, SECONDS, BODY)} ${GOOD}`],
    [
      'an asymmetric one before',
      `v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZ ${GOOD}`,
    ],
  ])('passes by one signature of a list: %s', async (_, list) => {
    expect(await check({ 'webhook-signature': list })).toMatchObject({ id: ID });
  });

  test('passes by one secret of several, with prefix, without it, and without padding', async () => {
    expect(await check({}, [OTHER, SECRET])).toMatchObject({ id: ID });
    expect(await check({}, SECRET.slice('whsec_'.length))).toMatchObject({ id: ID });
    const signed = { 'webhook-signature': sign(OTHER, ID, SECONDS, BODY) };
    expect(await check(signed, OTHER.replace(/=+$/, ''))).toMatchObject({ id: ID });
  });

  test.each([-300, 300])('may be %i s away', async (seconds) => {
    const options = { now: () => (SECONDS + seconds) * 1000 };
    expect(await verify(SECRET, headers(), BODY, options)).toMatchObject({ id: ID });
  });
});

describe('a call is refused', () => {
  test.each([
    ['without id', { 'webhook-id': undefined }, 'missing header webhook-id'],
    ['without timestamp', { 'webhook-timestamp': undefined }, 'missing header webhook-timestamp'],
    ['without signature', { 'webhook-signature': undefined }, 'missing header webhook-signature'],
    ['with an empty signature', { 'webhook-signature': '' }, 'missing header webhook-signature'],
    ['with words as timestamp', { 'webhook-timestamp': 'hello' }, 'invalid header webhook-timestamp'],
    [
      'with a fraction as timestamp',
      { 'webhook-timestamp': `${SECONDS}.5` },
      'invalid header webhook-timestamp',
    ],
    ['with an exponent as timestamp', { 'webhook-timestamp': '1e9' }, 'invalid header webhook-timestamp'],
    ['301 s old', { 'webhook-timestamp': String(SECONDS - 301) }, 'timestamp too old'],
    ['301 s ahead', { 'webhook-timestamp': String(SECONDS + 301) }, 'timestamp too new'],
    [
      'with noise as signature',
      { 'webhook-signature': 'v1,dawfeoifkpqwoekfpqoekf' },
      'no matching signature',
    ],
    ['with the signature cut', { 'webhook-signature': GOOD.slice(0, 8) }, 'no matching signature'],
    ['with an empty v1', { 'webhook-signature': 'v1,' }, 'no matching signature'],
    ['with another version', { 'webhook-signature': GOOD.replace('v1', 'v2') }, 'no matching signature'],
    ['with commas for spaces', { 'webhook-signature': `${BAD},${GOOD}` }, 'no matching signature'],
    ['with another id', { 'webhook-id': `${ID}x` }, 'no matching signature'],
    ['with another time', { 'webhook-timestamp': String(SECONDS + 1) }, 'no matching signature'],
  ])('%s', async (_, more, message) => {
    await expect(check(more)).rejects.toThrow(new WebhookVerificationError(message));
  });

  test.each([
    ['', 'secret is empty'],
    ['whsec_', 'secret is empty'],
    ['whsec_not base64', 'secret is not base64'],
    ['whsec_A', 'secret is not base64'],
  ])('with the secret %j', async (secret, message) => {
    await expect(check({}, secret)).rejects.toThrow(new WebhookVerificationError(message));
    await expect(check({}, [SECRET, secret])).rejects.toThrow(new WebhookVerificationError(message));
  });

  test('with no secret, or another one', async () => {
    await expect(check({}, [])).rejects.toThrow(new WebhookVerificationError('no secret given'));
    await expect(check({}, OTHER)).rejects.toThrow(new WebhookVerificationError('no matching signature'));
  });

  test('with another body, or one that was parsed before', async () => {
    const changed = verify(SECRET, headers(), BODY.replace('2', '3'), { now });
    await expect(changed).rejects.toThrow(new WebhookVerificationError('no matching signature'));
    const object = JSON.parse(BODY) as string;
    await expect(verify(SECRET, headers(), object, { now })).rejects.toThrow(
      new WebhookVerificationError('body must be the raw text or bytes'),
    );
  });

  test('with a genuine body that is not JSON', async () => {
    const signed = { 'webhook-signature': sign(SECRET, ID, SECONDS, 'hello') };
    await expect(verify(SECRET, headers(signed), 'hello', { now })).rejects.toThrow(
      new WebhookVerificationError('body is not JSON'),
    );
  });

  test('beyond the tolerance that was asked for', async () => {
    const options = { now: () => (SECONDS + 11) * 1000, toleranceSeconds: 10 };
    await expect(verify(SECRET, headers(), BODY, options)).rejects.toThrow(
      new WebhookVerificationError('timestamp too old'),
    );
  });
});

describe('duplicates', () => {
  const HOUR = 3_600_000;

  test('are told for four days from the first sight, then forgotten', () => {
    let at = 0;
    const dedupe = createDedupe({ now: () => at });
    expect(dedupe.seen('evt_1')).toBe(false);
    at = 96 * HOUR - 1;
    expect(dedupe.seen('evt_1')).toBe(true);
    expect(dedupe.seen('evt_2')).toBe(false);
    at = 96 * HOUR;
    expect(dedupe.seen('evt_1')).toBe(false);
    expect(dedupe.seen('evt_2')).toBe(true);
  });

  test('are told of the newest ids only, where there are too many', () => {
    const dedupe = createDedupe({ maxIds: 2, now: () => 0 });
    for (const id of ['evt_1', 'evt_2', 'evt_3']) expect(dedupe.seen(id)).toBe(false);
    expect([dedupe.seen('evt_2'), dedupe.seen('evt_3'), dedupe.seen('evt_1')]).toEqual([true, true, false]);
  });

  test('are none after the id was taken back', () => {
    const dedupe = createDedupe();
    dedupe.seen('evt_1');
    dedupe.forget('evt_1');
    expect(dedupe.seen('evt_1')).toBe(false);
  });
});

test('the module needs no other one', () => {
  const source = readFileSync(new URL('../../src/client/receiver.ts', import.meta.url), 'utf8');
  expect(source).not.toMatch(/^import(?! type)|\bfrom 'node:|require\(|\bBuffer\b|\bprocess\b/m);
});
