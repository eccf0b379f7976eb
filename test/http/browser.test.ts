import { expect, test } from 'vitest';
import { acceptFor, wantsStream } from '../../src/http/browser.js';

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
