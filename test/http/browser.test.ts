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
  // Without its name nothing that is told to GraphQL allows one.
  expect(/(text|\*)\/(\*|event-stream)/.test(acceptFor(accept))).toBe(wanted);
});
