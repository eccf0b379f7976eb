import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { sign } from '../../src/deliver/sign.js';
import { generateSecret, secretProblem } from '../../src/secret.js';

test.each([
  [
    'A',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1614265330,
    '{"test": 2432232314}',
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  ],
  [
    'B',
    'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    1649367553,
    '{"email":"test@example.com","username":"test_user"}',
    'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  ],
])('vector %s of Standard Webhooks is reproduced', (_, secret, id, timestamp, body, signature) => {
  expect(sign(secret, id, timestamp, body)).toBe(signature);
});

test('every signature is the one that the Standard Webhooks library makes', () => {
  const secret = fc
    .uint8Array({ minLength: 24, maxLength: 64 })
    .map((key) => generateSecret(Buffer.from(key)));
  const body = fc.string({ unit: 'grapheme', maxLength: 200 });
  const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
  fc.assert(
    fc.property(secret, fc.stringMatching(/^evt_[a-z0-9]{1,20}$/), seconds, body, (key, id, at, text) => {
      expect(sign(key, id, at, text)).toBe(new Webhook(key).sign(id, new Date(at * 1000), text));
    }),
  );
});

test.each(['', 'whsec_'])('the empty secret %j signs nothing', (secret) => {
  expect(() => sign(secret, 'evt_1', 1, '{}')).toThrow(new RangeError('the signing secret is empty'));
});

test.each([24, 32, 64])('a secret of %i bytes is written with its prefix and is in order', (length) => {
  const secret = generateSecret(Buffer.alloc(length, 7));
  expect(secret).toBe(`whsec_${Buffer.alloc(length, 7).toString('base64')}`);
  expect(secretProblem(secret)).toBeNull();
});

test.each([0, 23, 65])('a secret of %i bytes is not made', (length) => {
  expect(() => generateSecret(Buffer.alloc(length))).toThrow(
    new RangeError(`a secret must have 24 to 64 bytes, got ${length}`),
  );
});

test.each([
  ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'must start with "whsec_"'],
  ['whsec_', 'must hold 24 to 64 bytes in base64, got 0'],
  [`whsec_${Buffer.alloc(23).toString('base64')}`, 'must hold 24 to 64 bytes in base64, got 23'],
  [`whsec_${Buffer.alloc(65).toString('base64')}`, 'must hold 24 to 64 bytes in base64, got 65'],
  [
    `whsec_${Buffer.alloc(32).toString('base64').slice(0, -1)}`,
    'must be standard base64 with padding after "whsec_"',
  ],
  [`whsec_${'-_'.repeat(16)}`, 'must be standard base64 with padding after "whsec_"'],
  ['whsec_my secret of some length', 'must be standard base64 with padding after "whsec_"'],
])('the secret %j is refused with a reason that does not repeat it', (secret, problem) => {
  expect(secretProblem(secret)).toBe(problem);
});
