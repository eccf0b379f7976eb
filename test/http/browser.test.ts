import { expect, test } from 'vitest';
import { acceptFor, browserRefusal, wantsStream } from '../../src/http/browser.js';

test.each([
  ['text/event-stream', true],
  ['application/json, TEXT/Event-Stream;q=0.9', true],
  ['*/*', false],
  ['text/*', false],
  [undefined, false],
])('Accept: %s wants a stream: %s', (accept, wanted) => {
  expect(wantsStream(accept)).toBe(wanted);
  // Streams are not Yoga's: nothing that it is told allows one.
  expect(acceptFor(accept)).not.toMatch(/(text|\*)\/(\*|event-stream)/i);
});

test('a page of another origin gets no stream, in whatever letters it asks', () => {
  const headers = { origin: 'https://evil.example', host: '127.0.0.1:4000', accept: 'Text/Event-Stream' };
  const caller = { method: 'GET', headers, upgrade: false };
  expect(browserRefusal(caller, { allowedOrigins: [] }, true)).toMatchObject({ status: 403 });
  expect(browserRefusal(caller, { allowedOrigins: ['https://evil.example'] }, true)).toBeNull();
});
